package loadgen

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lkbench/results"
	"lkbench/scenarios"
)

// Schedule says when each event is due. It is a pure function of the scenario: it never looks at a clock and knows nothing of
// what the system under test does. Events are numbered from 0, warm-up included; times count from the origin, which is
// the intended time of event 0 (with random arrivals, some gap before it).
type Schedule struct {
	segments []segment
	warmup   time.Duration
	end      time.Duration
	length   uint64
	warm     uint64
}

// segment is a span in which the rate is constant or changes linearly, arrivals are random, or everything is due at once.
type segment struct {
	start, end time.Duration
	from, to   float64 // events per second; 0 in a replay
	slope      float64 // events per second, per second
	before     float64 // events due before start: a fraction is carried over from one line to the next
	after      float64 // events due before end
	arrivals   *arrivals
	replay     bool // all are due at start
}

// NewSchedule computes the schedule of the scenario's warm-up and load. The time scale is already in their durations, and the
// capacity in their rates.
func NewSchedule(s *scenarios.Scenario) (*Schedule, error) {
	if len(s.Load) == 0 {
		return nil, fmt.Errorf("scenario %s: load has no step; give at least one, e.g. {for: 20s, rate: 5000}", s.Name)
	}
	sched := &Schedule{}
	if s.Warmup > 0 {
		first := s.Load[0].Rate.PerS + s.Load[0].From.PerS // one of them is zero
		if err := sched.line(time.Duration(s.Warmup), first, first); err != nil {
			return nil, fmt.Errorf("scenario %s: warmup: %w", s.Name, err)
		}
	}
	sched.warmup, sched.warm = sched.end, sched.length
	for i, step := range s.Load {
		if err := sched.add(step, uint64(drawFor(s.Seed^arrivalStream, uint64(i)))); err != nil {
			return nil, fmt.Errorf("scenario %s: load step %d: %w", s.Name, i+1, err)
		}
	}
	if sched.length == 0 || sched.length == sched.warm {
		return nil, fmt.Errorf("scenario %s: the load has no event in %v; raise its rate or its duration", s.Name, sched.end)
	}
	if !slices.ContainsFunc(sched.segments, func(g segment) bool { return g.start >= sched.warmup && g.after > g.before && !g.replay }) {
		return nil, fmt.Errorf("scenario %s: the load only replays, so nothing shows whether the driver keeps up; add a step, e.g. {for: 5s, rate: 1000}", s.Name)
	}
	if sched.length > MaxEvents {
		return nil, fmt.Errorf("scenario %s: the load has %d events, more than the %d that a TransactionID can number", s.Name, sched.length, uint64(MaxEvents))
	}
	return sched, nil
}

// Len is the number of events, warm-up included.
func (s *Schedule) Len() uint64 { return s.length }

// Warmup is the number of events of warm-up: events n < Warmup are measured by nothing.
func (s *Schedule) Warmup() uint64 { return s.warm }

// WarmupEnd is when warm-up ends and the measured load begins, since the origin.
func (s *Schedule) WarmupEnd() time.Duration { return s.warmup }

// End is when the load ends, since the origin. No event is due at or after it.
func (s *Schedule) End() time.Duration { return s.end }

// Phases are the spans of the schedule: warm-up if there is any, and the load.
func (s *Schedule) Phases() []results.Phase {
	load := results.Phase{Name: "baseline", FromS: s.warmup.Seconds(), ToS: s.end.Seconds()}
	if s.warmup == 0 {
		return []results.Phase{load}
	}
	return []results.Phase{{Name: "warm-up", ToS: s.warmup.Seconds()}, load}
}

// Replayed says whether event n is part of a replay. It is due at the start of its step like all the others, and leaves as soon
// as the driver can send it: being late is its nature, so its delay says nothing about the driver. Whatever is measured from
// the intended time, such as alert latency, counts from the start of the step: how long the last of a backlog waits.
func (s *Schedule) Replayed(n uint64) bool {
	i := s.holding(float64(n))
	return i < len(s.segments) && s.segments[i].replay
}

// Intended is when event n is due, since the origin. It does not fall as n rises. For n ≥ Len it is End.
func (s *Schedule) Intended(n uint64) time.Duration {
	at, _ := s.due(n)
	return at
}

// due is when event n is due, and whether it is replayed.
func (s *Schedule) due(n uint64) (at time.Duration, replayed bool) {
	x := float64(n)
	i := s.holding(x)
	if i == len(s.segments) {
		return s.end, false
	}
	g := &s.segments[i]
	return g.intended(x), g.replay
}

// holding is the index of the segment in which event x falls; one too high after the last.
func (s *Schedule) holding(x float64) int {
	low, high := 0, len(s.segments)
	for low < high {
		if middle := (low + high) / 2; x < s.segments[middle].after {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// intended is when event x of the schedule, which falls in the segment, is due.
func (g *segment) intended(x float64) time.Duration {
	x -= g.before
	switch {
	case g.arrivals != nil:
		return g.start + g.arrivals.at(uint64(x))
	case g.replay || x <= 0:
		return g.start
	}
	// The inverse of the number of events since start, x = from·t + slope·t²/2. The form with the root in the denominator
	// loses no digits and holds for either sign of the slope, and for from = 0. The conversions forbid fused multiply-add:
	// the same bits on every processor.
	var ns float64
	if g.slope == 0 {
		ns = float64(x*1e9) / g.from
	} else {
		root := math.Sqrt(max(0, float64(g.from*g.from)+float64(2*g.slope*x)))
		ns = float64(2e9*x) / (g.from + root)
	}
	return min(g.start+time.Duration(math.Round(ns)), g.end-1)
}

// Due is the number of events that are due at t or before: the events n with Intended(n) ≤ t.
func (s *Schedule) Due(t time.Duration) uint64 {
	if t < 0 {
		return 0
	}
	if t >= s.end {
		return s.length
	}
	n := min(s.length, s.segments[s.at(t)].due(t))
	// The closed form is at most an event off, by rounding; Intended decides.
	for n > 0 && s.Intended(n-1) > t {
		n--
	}
	for n < s.length && s.Intended(n) <= t {
		n++
	}
	return n
}

// due is about the number of events of the schedule that are due at t, which lies in the segment.
func (g *segment) due(t time.Duration) uint64 {
	t -= g.start
	switch {
	case g.arrivals != nil:
		return uint64(g.before) + g.arrivals.until(t)
	case g.replay:
		return uint64(g.after)
	}
	sec := t.Seconds()
	return uint64(g.before+g.from*sec+g.slope*sec*sec/2) + 1
}

// at is the index of the segment in which t lies; one too high after the end.
func (s *Schedule) at(t time.Duration) int {
	low, high := 0, len(s.segments)
	for low < high {
		if middle := (low + high) / 2; t < s.segments[middle].end {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// RateAt is the offered rate at t, in events per second: the mean of random arrivals, 0 in a replay, whose rate the driver and the
// system decide, and 0 outside of the schedule.
func (s *Schedule) RateAt(t time.Duration) float64 {
	i := s.at(t)
	if t < 0 || i == len(s.segments) {
		return 0
	}
	g := &s.segments[i]
	return g.from + g.slope*(t-g.start).Seconds()
}
