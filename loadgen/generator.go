package loadgen

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lkbench/results"
)

// Sender hands records to the system under test.
type Sender interface {
	// Send takes over the record of event n without waiting for its acknowledgement. Key and value stay unchanged until
	// done was called, which happens once, from any goroutine. An error means that the outcome is unknown.
	Send(n uint64, key, value []byte, done func(partition int32, offset int64, err error))
	// Flush waits until done was called for every record.
	Flush(ctx context.Context) error
}

// Config is what a Generator works with.
type Config struct {
	Schedule    *Schedule
	Source      Source
	Sender      Sender
	Clock       Clock
	Ledger      *LedgerWriter
	MaxInFlight int64 // bytes of keys and values sent but not acknowledged, at which it waits
}

// Generator sends the events of a schedule, each when it is due, whatever became of those before it. Only at MaxInFlight
// bytes does it wait; that is recorded, and such a run measures the generator's memory instead of the system. A replay is meant
// to be as fast as the system takes it: that it waits there is not recorded, nor how late its events are. If it has not ended
// when its step does, the events after it are late; if there are none, the load was sent at a lower rate.
type Generator struct {
	Config
	chunks sync.Pool

	sent, acked, indeterminate, inFlight atomic.Int64

	// Of the goroutine in Run.
	delay        *results.Histogram
	sentBySecond []int64
	limited      bool
	highest      int64         // bytes in flight
	lastSend     time.Duration // actual
	stopped      time.Duration // when it was told to stop; 0 if it was not

	mu            sync.Mutex // of what acknowledgements write
	ack           *results.Histogram
	ackedMeasured int64 // after warm-up
	ackedBySecond []int64
}

const (
	tick        = 250 * time.Microsecond // shortest time between two wakings: what falls due meanwhile is sent in one go
	flushOnStop = 5 * time.Second        // how long acknowledgements are awaited after an early stop
)

// NewGenerator prepares a run of the schedule.
func NewGenerator(c Config) (*Generator, error) {
	if c.MaxInFlight <= 0 {
		return nil, fmt.Errorf("the bound on bytes in flight is %d, expected more than 0", c.MaxInFlight)
	}
	g := &Generator{Config: c, delay: results.NewHistogram(), ack: results.NewHistogram()}
	g.chunks.New = func() any { return newChunk(g) }
	return g, nil
}

// Run sends everything and waits for the acknowledgements. If ctx ends, it sends no more, waits five seconds at most
// for what is in flight, and returns the cause of ctx; what was measured until then stays. Run is called once.
func (g *Generator) Run(ctx context.Context) error {
	err := g.send(ctx)
	if err != nil {
		g.stopped = max(g.Clock.Now(), 1)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), flushOnStop)
		defer cancel()
	}
	if flush := g.Sender.Flush(ctx); flush != nil && err == nil {
		err = fmt.Errorf("wait for the acknowledgement of the last events: %w", flush)
	}
	return err
}

func (g *Generator) send(ctx context.Context) error {
	var c *chunk
	defer func() {
		if c != nil {
			c.release()
		}
	}()
	var n, due uint64
	for wake := time.Duration(-tick); n < g.Schedule.Len(); n++ {
		for n >= due {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if due = g.Schedule.Due(g.Clock.Now()); n >= due {
				wake = max(g.Schedule.Intended(n), wake+tick)
				g.Clock.Sleep(ctx, wake)
				wake = g.Clock.Now()
			}
		}
		if c == nil || c.full() {
			if c != nil {
				c.release()
			}
			c = g.chunks.Get().(*chunk)
			c.reset()
			if ctx.Err() != nil { // also when far behind, and never waiting
				return context.Cause(ctx)
			}
		}
		e := c.event(n)
		intended, replayed := g.Schedule.due(n)
		if err := g.awaitRoom(ctx, int64(len(e.Key)+len(e.Value)), replayed); err != nil {
			return err
		}
		g.sendOne(c, n, e, intended, replayed)
	}
	return nil
}

// awaitRoom takes size bytes of what may be in flight. It polls: a run that comes here is invalid anyway, unless it is replaying,
// where waiting for the system is meant.
func (g *Generator) awaitRoom(ctx context.Context, size int64, replayed bool) error {
	for g.inFlight.Load() > 0 && g.inFlight.Load()+size > g.MaxInFlight {
		g.limited = g.limited || !replayed
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g.Clock.Sleep(ctx, g.Clock.Now()+tick)
	}
	g.highest = max(g.highest, g.inFlight.Add(size))
	return nil
}

func (g *Generator) sendOne(c *chunk, n uint64, e Event, intended time.Duration, replayed bool) {
	now := g.Clock.Now()
	delay := now - intended
	g.Ledger.Sent(n, delay)
	if n >= g.Schedule.Warmup() && !replayed {
		g.delay.Record(delay)
	}
	g.lastSend = now
	count(&g.sentBySecond, now)
	g.sent.Add(1)
	g.Sender.Send(n, e.Key, e.Value, c.flight(n, now, len(e.Key)+len(e.Value)))
}

// done is called with the outcome of an event.
func (g *Generator) done(n uint64, sent time.Duration, size int, partition int32, offset int64, err error) {
	now := g.Clock.Now()
	if err != nil {
		g.Ledger.Failed(n)
		g.indeterminate.Add(1)
	} else {
		g.Ledger.Acked(n, partition, offset, now-sent)
		g.mu.Lock()
		if n >= g.Schedule.Warmup() {
			g.ack.Record(now - sent)
			g.ackedMeasured++
		}
		count(&g.ackedBySecond, now)
		g.mu.Unlock()
		g.acked.Add(1)
	}
	g.inFlight.Add(-int64(size))
}

// count adds one to the second of t.
func count(series *[]int64, t time.Duration) {
	second := int(max(0, t) / time.Second)
	for len(*series) <= second {
		*series = append(*series, 0)
	}
	(*series)[second]++
}
