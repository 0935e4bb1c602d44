package loadgen

import (
	"context"
	"math"
	"testing"
	"time"

	"lkbench/results"
	"lkbench/scenarios"
)

const backlog = 100_000 // events of a replay

// replayed runs 1000 events a second for ten seconds, a replay that lasts at most so long, and the same rate again for so long. The
// system answers after a millisecond and, since so few bytes may be in flight, takes somewhat more than a hundred events in that
// time: the backlog is through in less than a second.
func replayed(t *testing.T, lasts, after time.Duration) (*Generator, *stallingSystem, *Ledger) {
	t.Helper()
	return stalled(t, func(s *scenarios.Scenario, system *stallingSystem) {
		s.Load = []scenarios.Step{
			constant(1000, 10*time.Second), {Shape: scenarios.ShapeReplay, For: scenarios.Duration(lasts), Events: backlog},
		}
		if after > 0 {
			s.Load = append(s.Load, constant(1000, after))
		}
	}, 30_000)
}

// A replay goes as fast as the system takes it. That is neither a late driver nor one at its bound.
func TestReplayAsFastAsTheSystem(t *testing.T) {
	g, system, ledger := replayed(t, 5*time.Second, 10*time.Second)
	stats := g.Stats()
	load := stats.Load
	if load.InFlightLimited || load.InFlightBytes > 30_000 || load.InFlightBytes < 29_000 {
		t.Errorf("limited %v at %d bytes", load.InFlightLimited, load.InFlightBytes)
	}
	if load.Sent != 20_000+backlog || load.Acked != load.Sent || load.SentPerS != load.OfferedPerS {
		t.Errorf("%+v", load)
	}
	if stats.ScheduleDelay.Count() != 20_000 || stats.ScheduleDelay.Quantile(1) > tick {
		t.Errorf("the delay of %d events is recorded, at most %v", stats.ScheduleDelay.Count(), stats.ScheduleDelay.Quantile(1))
	}
	first, last := ledger.Entry(10_000), ledger.Entry(10_000+backlog-1)
	if first.Delay > tick || last.Delay < 700*time.Millisecond || last.Delay > time.Second {
		t.Errorf("the replay begins after %v and ends after %v", first.Delay, last.Delay)
	}
	near(t, "the longest wait, from the start of the step", system.visible.Quantile(1), last.Delay+service)
	if second := stats.Seconds[10]; second.Offered != backlog || second.Sent < backlog/2 || second.Sent > backlog {
		t.Errorf("second 10: %+v", second)
	}
	if stats.Seconds[9].Offered != 1000 || stats.Seconds[14].Offered != 0 || stats.Seconds[15].Offered != 1000 {
		t.Errorf("%+v", stats.Seconds)
	}
}

// One that does not end with its step makes what follows late.
func TestReplayThatLastsTooLong(t *testing.T) {
	g, _, _ := replayed(t, 500*time.Millisecond, 10*time.Second)
	stats := g.Stats()
	if worst := stats.ScheduleDelay.Quantile(1); worst < 200*time.Millisecond {
		t.Errorf("the event after the replay left %v late", worst)
	}
	if stats.Load.Sent != 20_000+backlog {
		t.Errorf("%+v", stats.Load)
	}
}

// Where none follows, the load was sent at a lower rate.
func TestReplayThatLastsTooLongAtTheEnd(t *testing.T) {
	g, _, ledger := replayed(t, 100*time.Millisecond, 0)
	load := g.Stats().Load
	took := ledger.Entry(10_000 + backlog - 1).Delay
	if want := (10_000 + backlog) / (10*time.Second + took).Seconds(); math.Abs(load.SentPerS-want) > 1 || load.SentPerS > 0.95*load.OfferedPerS {
		t.Errorf("sent %v/s of %v/s offered, arithmetic gives %v", load.SentPerS, load.OfferedPerS, want)
	}
	if load.InFlightLimited || load.ScheduleDelay.Count != 10_000 {
		t.Errorf("%+v", load)
	}
}

// Outside of the replay the bound is what it always is.
func TestBoundBesideAReplay(t *testing.T) {
	s := ordinary(1)
	s.Load = []scenarios.Step{constant(1000, 60*time.Second), {Shape: scenarios.ShapeReplay, For: seconds(5), Events: 1000}}
	clock := &virtualClock{}
	system := &stallingSystem{clock: clock, visible: results.NewHistogram()}
	g, _ := newGenerator(t, s, system, clock, 30_000)
	system.schedule = g.Schedule
	if err := g.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !g.Stats().Load.InFlightLimited {
		t.Error("the bound was reached in the stall, and that is not said")
	}
}
