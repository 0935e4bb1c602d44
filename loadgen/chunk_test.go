package loadgen

import (
	"bytes"
	"context"
	"testing"
	"time"

	"lkbench/results"
)

// An event that is larger than a chunk is kept by itself: it takes no room in the chunk, whose events stay what they are.
func TestChunkWithOversizedEvents(t *testing.T) {
	s := untidy()
	s.Events.Oversized = 0.2
	g, _ := newGenerator(t, s, nil, &virtualClock{}, unbounded)
	c := newChunk(g)
	c.reset()
	var events []Event
	for n := uint64(0); !c.full(); n++ {
		used := len(c.buf)
		e := c.event(n)
		c.flight(n, 0, len(e.Key)+len(e.Value))
		if grown := len(c.buf) - used; e.Kind&Oversized != 0 && grown != 0 || e.Kind&Oversized == 0 && grown != len(e.Key)+len(e.Value) {
			t.Fatalf("event %d of %d bytes takes %d of the chunk", n, len(e.Value), grown)
		}
		if cap(c.buf) != chunkBytes || cap(e.Key)+cap(e.Value) > oversizedValue*3/2 {
			t.Fatalf("event %d: the chunk has room for %d bytes, the event holds %d", n, cap(c.buf), cap(e.Value))
		}
		events = append(events, e)
	}
	if len(events) < 300 {
		t.Errorf("only %d events in a chunk", len(events))
	}
	for n, e := range events {
		if want := g.Source.Event(uint64(n), nil); !bytes.Equal(want.Key, e.Key) || !bytes.Equal(want.Value, e.Value) {
			t.Fatalf("event %d has become %.100q", n, e.Value)
		}
	}
}

// The bound on bytes in flight holds for large values as for small ones, and is what bounds the memory.
func TestOversizedEventsInFlight(t *testing.T) {
	s := untidy()
	s.Events.Oversized = 0.2
	s.Load[0].For = seconds(0.5)
	clock := &virtualClock{}
	system := &stallingSystem{clock: clock, visible: results.NewHistogram()}
	const bound = 4 << 20
	g, _ := newGenerator(t, s, system, clock, bound)
	system.schedule = g.Schedule
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	load := g.Stats().Load
	if load.Acked != 500 || load.InFlightBytes > bound || load.InFlightBytes < oversizedValue || g.Progress().InFlightBytes != 0 {
		t.Errorf("%+v", load)
	}
}
