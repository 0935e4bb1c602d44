package loadgen

import (
	"fmt"
	"math"
	"time"

	"lkbench/scenarios"
)

const (
	highestRate = 100e6 // events per second: keeps the distance of two events well above a nanosecond
	mostSteps   = 10_000
	// diurnalPieces are the lines that a day's curve is drawn with, five minutes of that day each. They leave the cosine by less
	// than 0.003% of the difference between rate and peak, which is 0.1% of the rate or less wherever that is above a 30th of the peak.
	diurnalPieces = 288
)

// add appends a step of the load. The seed is that of its random arrivals.
func (s *Schedule) add(step scenarios.Step, seed uint64) error {
	for _, r := range []scenarios.Rate{step.Rate, step.From, step.To, step.Peak} {
		if r.Share != 0 && r.PerS == 0 {
			return fmt.Errorf("a rate is %v%% of the capacity, which nobody has put in; resolve the scenario before", float64(r.Share)*100)
		}
	}
	length := time.Duration(step.For)
	switch step.Shape {
	case "":
		if step.From.PerS == 0 && step.To.PerS == 0 {
			return s.line(length, step.Rate.PerS, step.Rate.PerS)
		}
		return s.line(length, step.From.PerS, step.To.PerS)
	case scenarios.ShapeSpike:
		return s.spike(step)
	case scenarios.ShapeStep:
		return s.stairs(length, step.From.PerS, step.To.PerS, step.Steps)
	case scenarios.ShapeDiurnal:
		return s.diurnal(length, step.Rate.PerS, step.Peak.PerS)
	case scenarios.ShapePoisson:
		return s.poisson(length, step.Rate.PerS, seed)
	case scenarios.ShapeReplay:
		return s.replay(length, step.Events)
	}
	return fmt.Errorf("shape is %q, expected none, spike, step, diurnal, poisson or replay", step.Shape)
}

// line appends a span in which the rate goes from one value to another along a line.
func (s *Schedule) line(length time.Duration, from, to float64) error {
	switch {
	case length <= 0:
		return fmt.Errorf("lasts %v, expected more than 0", length)
	case !(from >= 0 && from <= highestRate) || !(to >= 0 && to <= highestRate):
		return fmt.Errorf("goes from %v to %v events per second, expected 0 to %v", from, to, highestRate)
	}
	// To a millionth of an event, so that 0.1/s for 30s is three events, not three and a rounding error, which would be a fourth.
	area := math.Round((from+to)/2*length.Seconds()*1e6) / 1e6
	before := s.before()
	s.push(length, segment{
		from: from, to: to, slope: (to - from) / length.Seconds(),
		before: before, after: math.Round((before+area)*1e6) / 1e6,
	})
	return nil
}

// before is the number of events so far, and a fraction of the next.
func (s *Schedule) before() float64 {
	if n := len(s.segments); n > 0 {
		return s.segments[n-1].after
	}
	return 0
}

func (s *Schedule) push(length time.Duration, g segment) {
	g.start, g.end = s.end, s.end+length
	s.segments = append(s.segments, g)
	s.end = g.end
	s.length = uint64(math.Ceil(g.after))
}

// spike lies in the middle of its step.
func (s *Schedule) spike(step scenarios.Step) error {
	rise, hold, fall := time.Duration(step.Rise), time.Duration(step.Hold), time.Duration(step.Fall)
	rest := time.Duration(step.For) - rise - hold - fall
	if rise < 0 || hold < 0 || fall < 0 || rest < 0 || rest == time.Duration(step.For) {
		return fmt.Errorf("rises for %v, holds for %v and falls for %v, expected more than 0 together and at most the %v of the step", rise, hold, fall, time.Duration(step.For))
	}
	rate, peak := step.Rate.PerS, step.Peak.PerS
	for _, part := range []struct {
		length   time.Duration
		from, to float64
	}{{rest / 2, rate, rate}, {rise, rate, peak}, {hold, peak, peak}, {fall, peak, rate}, {rest - rest/2, rate, rate}} {
		if part.length == 0 {
			continue
		}
		if err := s.line(part.length, part.from, part.to); err != nil {
			return err
		}
	}
	return nil
}

// stairs are steps of equal length and height: the first at from, the last at to.
func (s *Schedule) stairs(length time.Duration, from, to float64, steps int) error {
	if steps < 2 || steps > mostSteps {
		return fmt.Errorf("has %d steps, expected 2 to %d", steps, mostSteps)
	}
	for i := range steps {
		rate := from + (to-from)*float64(i)/float64(steps-1)
		if err := s.line(part(length, i+1, steps)-part(length, i, steps), rate, rate); err != nil {
			return err
		}
	}
	return nil
}

// diurnal draws the curve rate + (peak−rate)·(1−cos 2πt/length)/2 with lines between points that lie on it, to a millionth of an
// event per second: what processors round differently is far smaller.
func (s *Schedule) diurnal(length time.Duration, rate, peak float64) error {
	at := func(i int) float64 {
		height := (1 - math.Cos(2*math.Pi*float64(min(i, diurnalPieces-i))/diurnalPieces)) / 2
		return math.Round((rate+float64((peak-rate)*height))*1e6) / 1e6
	}
	for i := range diurnalPieces {
		if err := s.line(part(length, i+1, diurnalPieces)-part(length, i, diurnalPieces), at(i), at(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// part is i parts of n of a length.
func part(length time.Duration, i, n int) time.Duration {
	return length * time.Duration(i) / time.Duration(n)
}

// poisson appends random arrivals. How many there are is random too.
func (s *Schedule) poisson(length time.Duration, rate float64, seed uint64) error {
	switch {
	case length <= 0:
		return fmt.Errorf("lasts %v, expected more than 0", length)
	case !(rate > 0 && rate <= highestRate):
		return fmt.Errorf("has a mean of %v events per second, expected more than 0 and at most %v", rate, highestRate)
	case rate*length.Seconds() > mostArrivals:
		return fmt.Errorf("has %.0f random arrivals, expected at most %d; shorten it, or leave out the shape", rate*length.Seconds(), int(mostArrivals))
	}
	before := math.Ceil(s.before())
	a := newArrivals(seed, rate, length)
	s.push(length, segment{from: rate, to: rate, before: before, after: before + float64(a.count), arrivals: a})
	return nil
}

// replay appends events that are due at once.
func (s *Schedule) replay(length time.Duration, events int) error {
	if length <= 0 || events < 1 || events > MaxEvents {
		return fmt.Errorf("replays %d events in %v, expected 1 to %d in more than 0", events, length, uint64(MaxEvents))
	}
	before := math.Ceil(s.before())
	s.push(length, segment{before: before, after: before + float64(events), replay: true})
	return nil
}
