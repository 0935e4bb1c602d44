package loadgen

import (
	"fmt"
	"math"
	"time"

	"lkbench/results"
	"lkbench/scenarios"
)

// Schedule says when each event is due. It is a pure function of the scenario: it never looks at a clock and knows nothing of
// what the system under test does. Events are numbered from 0, warm-up included; times count from the origin, which is
// the intended time of event 0.
type Schedule struct {
	segments []segment
	warmup   time.Duration
	end      time.Duration
	length   uint64
	warm     uint64
}

// segment is a span in which the rate is constant or changes linearly.
type segment struct {
	start, end time.Duration
	from, to   float64 // events per second
	slope      float64 // events per second, per second
	before     float64 // events due before start: a fraction is carried over from one segment to the next
	after      float64 // events due before end
}

// NewSchedule computes the schedule of the scenario's warm-up and load. The time scale is already in their durations.
func NewSchedule(s *scenarios.Scenario) (*Schedule, error) {
	if len(s.Load) == 0 {
		return nil, fmt.Errorf("scenario %s: load has no step; give at least one, e.g. {for: 20s, rate: 5000}", s.Name)
	}
	sched := &Schedule{}
	if s.Warmup > 0 {
		first := s.Load[0].Rate.PerS + s.Load[0].From.PerS // one of them is zero
		if err := sched.add(time.Duration(s.Warmup), first, first); err != nil {
			return nil, fmt.Errorf("scenario %s: warmup: %w", s.Name, err)
		}
	}
	sched.warmup, sched.warm = sched.end, sched.length
	for i, step := range s.Load {
		from, to := step.From.PerS, step.To.PerS
		if from == 0 && to == 0 {
			from, to = step.Rate.PerS, step.Rate.PerS
		}
		if err := sched.add(time.Duration(step.For), from, to); err != nil {
			return nil, fmt.Errorf("scenario %s: load step %d: %w", s.Name, i+1, err)
		}
	}
	if sched.length == 0 || sched.length == sched.warm {
		return nil, fmt.Errorf("scenario %s: the load has no event in %v; raise its rate or its duration", s.Name, sched.end)
	}
	if sched.length > MaxEvents {
		return nil, fmt.Errorf("scenario %s: the load has %d events, more than the %d that a TransactionID can number", s.Name, sched.length, uint64(MaxEvents))
	}
	return sched, nil
}

// add appends a segment.
func (s *Schedule) add(length time.Duration, from, to float64) error {
	const highest = 100e6 // keeps the distance of two events well above a nanosecond
	switch {
	case length <= 0:
		return fmt.Errorf("lasts %v, expected more than 0", length)
	case !(from >= 0 && from <= highest) || !(to >= 0 && to <= highest):
		return fmt.Errorf("goes from %v to %v events per second, expected 0 to %v", from, to, highest)
	}
	before := 0.0
	if n := len(s.segments); n > 0 {
		before = s.segments[n-1].after
	}
	// To a millionth of an event, so that 0.1/s for 30s is three events, not three and a rounding error, which would be a fourth.
	area := math.Round((from+to)/2*length.Seconds()*1e6) / 1e6
	s.segments = append(s.segments, segment{
		start: s.end, end: s.end + length,
		from: from, to: to, slope: (to - from) / length.Seconds(),
		before: before, after: math.Round((before+area)*1e6) / 1e6,
	})
	s.end += length
	s.length = uint64(math.Ceil(s.segments[len(s.segments)-1].after))
	return nil
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

// Intended is when event n is due, since the origin. It does not fall as n rises. For n ≥ Len it is End.
func (s *Schedule) Intended(n uint64) time.Duration {
	x := float64(n)
	for i := range s.segments {
		if g := &s.segments[i]; x < g.after {
			return g.intended(x)
		}
	}
	return s.end
}

// intended inverts the number of events since the segment's start, x − before = from·t + slope·t²/2. The form with the root in
// the denominator loses no digits and holds for either sign of the slope, and for from = 0.
func (g *segment) intended(x float64) time.Duration {
	x -= g.before
	if x <= 0 {
		return g.start
	}
	// The conversions forbid fused multiply-add: the same bits on every processor.
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
	n := s.length
	for i := range s.segments {
		if g := &s.segments[i]; t < g.end {
			sec := (t - g.start).Seconds()
			n = min(n, uint64(g.before+g.from*sec+g.slope*sec*sec/2)+1)
			break
		}
	}
	// The closed form is at most an event off, by rounding; Intended decides.
	for n > 0 && s.Intended(n-1) > t {
		n--
	}
	for n < s.length && s.Intended(n) <= t {
		n++
	}
	return n
}

// RateAt is the offered rate at t, in events per second; 0 outside the schedule.
func (s *Schedule) RateAt(t time.Duration) float64 {
	for i := range s.segments {
		if g := &s.segments[i]; t >= g.start && t < g.end {
			return g.from + g.slope*(t-g.start).Seconds()
		}
	}
	return 0
}
