package loadgen

import (
	"sync/atomic"
	"time"
)

const (
	chunkBytes  = 128 << 10
	chunkEvents = 512
	eventRoom   = 1 << 10 // an event that needs more is allocated by itself
)

// chunk holds the bytes of a few hundred consecutive events and what is to be remembered until they are acknowledged. When
// all of them are, it is used again, so that sending allocates next to nothing.
type chunk struct {
	generator *Generator
	buf       []byte
	flights   [chunkEvents]flight
	used      int
	holders   atomic.Int32 // flights without an outcome, and the filling goroutine
	spoiled   atomic.Bool  // an outcome was an error: the sender may still look at the bytes
}

type flight struct {
	chunk *chunk
	n     uint64
	sent  time.Duration
	size  int
	done  func(partition int32, offset int64, err error) // finish, bound once
}

func newChunk(g *Generator) *chunk {
	c := &chunk{generator: g, buf: make([]byte, 0, chunkBytes)}
	for i := range c.flights {
		f := &c.flights[i]
		f.chunk, f.done = c, f.finish
	}
	return c
}

func (c *chunk) reset() {
	c.buf, c.used = c.buf[:0], 0
	c.holders.Store(1)
}

func (c *chunk) full() bool { return c.used == chunkEvents || cap(c.buf)-len(c.buf) < eventRoom }

// event appends event n.
func (c *chunk) event(n uint64) Event {
	e := c.generator.Source.Event(n, c.buf)
	if size := len(c.buf) + len(e.Key) + len(e.Value); size <= cap(c.buf) {
		c.buf = c.buf[:size]
	}
	return e
}

// flight remembers an event that is about to be sent, and returns what to call with its outcome.
func (c *chunk) flight(n uint64, sent time.Duration, size int) func(int32, int64, error) {
	f := &c.flights[c.used]
	c.used++
	f.n, f.sent, f.size = n, sent, size
	c.holders.Add(1)
	return f.done
}

func (f *flight) finish(partition int32, offset int64, err error) {
	f.chunk.generator.done(f.n, f.sent, f.size, partition, offset, err)
	if err != nil {
		f.chunk.spoiled.Store(true)
	}
	f.chunk.release()
}

// release lets go of the chunk; the last one to do so gives it back.
func (c *chunk) release() {
	if c.holders.Add(-1) == 0 && !c.spoiled.Load() {
		c.generator.chunks.Put(c)
	}
}
