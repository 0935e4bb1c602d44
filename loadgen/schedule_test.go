package loadgen

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lkbench/scenarios"
)

func load(steps ...scenarios.Step) *scenarios.Scenario {
	return &scenarios.Scenario{Name: "test", Load: steps}
}

func perS(rate float64) scenarios.Rate { return scenarios.Rate{PerS: rate} }

func constant(rate float64, d time.Duration) scenarios.Step {
	return scenarios.Step{For: scenarios.Duration(d), Rate: perS(rate)}
}

func ramp(from, to float64, d time.Duration) scenarios.Step {
	return scenarios.Step{For: scenarios.Duration(d), From: perS(from), To: perS(to)}
}

func mustSchedule(t testing.TB, s *scenarios.Scenario) *Schedule {
	t.Helper()
	schedule, err := NewSchedule(s)
	if err != nil {
		t.Fatal(err)
	}
	return schedule
}

func TestScheduleIntended(t *testing.T) {
	warm := load(constant(10, time.Second))
	warm.Warmup = scenarios.Duration(2 * time.Second)
	for _, c := range []struct {
		name     string
		scenario *scenarios.Scenario
		length   uint64
		warmup   uint64
		want     map[uint64]time.Duration
	}{
		{"constant", load(constant(4, 2*time.Second)), 8, 0, map[uint64]time.Duration{0: 0, 1: 250 * time.Millisecond, 7: 1750 * time.Millisecond, 8: 2 * time.Second, 99: 2 * time.Second}},
		{"constant whose interval is no whole number", load(constant(3, time.Second)), 3, 0, map[uint64]time.Duration{1: 333333333, 2: 666666667}},
		{"exact after millions", load(constant(25000, 1000*time.Second)), 25_000_000, 0, map[uint64]time.Duration{
			24_999_999: 1000*time.Second - 40*time.Microsecond, 12_500_000: 500 * time.Second}},
		{"steps", load(constant(1, 2*time.Second), constant(10, time.Second), constant(1, time.Second)), 13, 0, map[uint64]time.Duration{
			1: time.Second, 2: 2 * time.Second, 3: 2100 * time.Millisecond, 12: 3 * time.Second}},
		{"a pause", load(constant(1, time.Second), constant(0, 5*time.Second), constant(1, time.Second)), 2, 0, map[uint64]time.Duration{1: 6 * time.Second}},
		{"fractions are carried over", load(constant(0.1, 10*time.Second), constant(0.1, 5*time.Second), constant(0.1, 15*time.Second)), 3, 0, map[uint64]time.Duration{
			1: 10 * time.Second, 2: 20 * time.Second}},
		// Up from nothing: n events after √(2n/slope).
		{"ramp up", load(ramp(0, 200, 2*time.Second)), 200, 0, map[uint64]time.Duration{0: 0, 50: time.Second, 2: 200 * time.Millisecond}},
		// Down to nothing: what is left after t is slope·(T−t)²/2.
		{"ramp down", load(ramp(200, 0, 2*time.Second)), 200, 0, map[uint64]time.Duration{150: time.Second, 198: 1800 * time.Millisecond}},
		{"warm-up", warm, 30, 20, map[uint64]time.Duration{0: 0, 20: 2 * time.Second, 29: 2900 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustSchedule(t, c.scenario)
			if s.Len() != c.length || s.Warmup() != c.warmup {
				t.Errorf("Len %d, Warmup %d, want %d and %d", s.Len(), s.Warmup(), c.length, c.warmup)
			}
			for n, want := range c.want {
				if got := s.Intended(n); got != want {
					t.Errorf("Intended(%d) = %v, want %v", n, got, want)
				}
			}
		})
	}
}

func TestScheduleRateAndPhases(t *testing.T) {
	scenario := load(constant(5, time.Second), ramp(10, 20, 2*time.Second))
	scenario.Warmup = scenarios.Duration(time.Second)
	s := mustSchedule(t, scenario)
	for at, want := range map[time.Duration]float64{
		-1: 0, 0: 5, 1500 * time.Millisecond: 5, 2 * time.Second: 10, 3 * time.Second: 15, 4*time.Second - 1: 20, 4 * time.Second: 0,
	} {
		if got := s.RateAt(at); math.Abs(got-want) > 1e-6 {
			t.Errorf("RateAt(%v) = %v, want %v", at, got, want)
		}
	}
	if s.End() != 4*time.Second || s.WarmupEnd() != time.Second {
		t.Errorf("End %v, WarmupEnd %v", s.End(), s.WarmupEnd())
	}
	phases := s.Phases()
	if len(phases) != 2 || phases[0].Name != "warm-up" || phases[0].ToS != 1 || phases[1].Name != "baseline" || phases[1].FromS != 1 || phases[1].ToS != 4 {
		t.Errorf("phases %+v", phases)
	}
	if phases := mustSchedule(t, load(constant(5, time.Second))).Phases(); len(phases) != 1 || phases[0].FromS != 0 {
		t.Errorf("phases without warm-up %+v", phases)
	}
}

func TestScheduleRefuses(t *testing.T) {
	for want, s := range map[string]*scenarios.Scenario{
		"no step":      load(),
		"lasts 0s":     load(constant(5, 0)),
		"-5 to -5":     load(constant(-5, time.Second)),
		"NaN to 5":     load(ramp(math.NaN(), 5, time.Second)),
		"+Inf":         load(constant(math.Inf(1), time.Second)),
		"no event":     load(constant(0, time.Second)),
		"a Transactio": load(constant(90e6, 2000*time.Second)),
	} {
		if _, err := NewSchedule(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}

// lines are the shapes whose count is the integral of their rate; "ramp" stands for the shape without a name that has no Rate.
var lines = []string{"", "ramp", scenarios.ShapeSpike, scenarios.ShapeStep, scenarios.ShapeDiurnal}

// randomSchedule draws loads of the given shapes.
func randomSchedule(t *rapid.T, shapes ...string) *Schedule {
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.01, 10), rapid.Float64Range(10, 300_000))
	random := rapid.OneOf(rapid.Float64Range(0.01, 10), rapid.Float64Range(10, 10_000))
	s := load()
	s.Seed = rapid.Uint64().Draw(t, "seed")
	s.Warmup = scenarios.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "warmup"))
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		length := rapid.Int64Range(1000, int64(100*time.Second))
		step := scenarios.Step{Shape: rapid.SampledFrom(shapes).Draw(t, "shape"), For: scenarios.Duration(length.Draw(t, "for"))}
		part := func(name string) scenarios.Duration {
			return scenarios.Duration(rapid.Int64Range(0, int64(step.For)/3).Draw(t, name))
		}
		switch step.Shape {
		case "ramp":
			step.Shape, step.From, step.To = "", perS(rate.Draw(t, "from")), perS(rate.Draw(t, "to"))
		case scenarios.ShapeStep:
			step.From, step.To, step.Steps = perS(rate.Draw(t, "from")), perS(rate.Draw(t, "to")), rapid.IntRange(2, 20).Draw(t, "equal steps")
		case scenarios.ShapePoisson:
			step.Rate, step.For = perS(random.Draw(t, "mean")), min(step.For, scenarios.Duration(10*time.Second))
		case scenarios.ShapeReplay:
			step.Events = rapid.IntRange(1, 1_000_000).Draw(t, "events")
		case scenarios.ShapeSpike:
			step.Rise, step.Hold, step.Fall = part("rise"), 1+part("hold"), part("fall")
			fallthrough
		default:
			step.Rate, step.Peak = perS(rate.Draw(t, "rate")), perS(rate.Draw(t, "peak"))
		}
		s.Load = append(s.Load, step)
	}
	schedule, err := NewSchedule(s)
	if err != nil {
		t.Skip(err.Error()) // no event at all
	}
	return schedule
}

func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := randomSchedule(t, append([]string{scenarios.ShapePoisson, scenarios.ShapeReplay}, lines...)...)
		n := rapid.Uint64Range(0, s.Len()-1).Draw(t, "n")
		for i := n; i < min(n+1000, s.Len()); i++ {
			at := s.Intended(i)
			if at < 0 || at >= s.End() {
				t.Fatalf("Intended(%d) = %v, outside of the load of %v", i, at, s.End())
			}
			if i > 0 && s.Intended(i-1) > at {
				t.Fatalf("Intended falls from %v to %v at %d", s.Intended(i-1), at, i)
			}
			// All that are due at the same instant count.
			due := s.Due(at)
			if due <= i || s.Intended(due-1) > at || due < s.Len() && s.Intended(due) <= at {
				t.Fatalf("Due(%v) = %d, with Intended(%d) = %v", at, due, i, at)
			}
		}
		at := time.Duration(rapid.Int64Range(-10, int64(s.End())+10).Draw(t, "t"))
		due := s.Due(at)
		if due > 0 && s.Intended(due-1) > at || due < s.Len() && s.Intended(due) <= at {
			t.Fatalf("Due(%v) = %d, but Intended says otherwise", at, due)
		}
		if s.Replayed(n) != (s.segments[s.at(s.Intended(n))].replay) {
			t.Fatalf("event %d, due at %v: replayed %v", n, s.Intended(n), s.Replayed(n))
		}
		if (s.Warmup() > 0 && s.Intended(s.Warmup()-1) >= s.WarmupEnd()) || s.Intended(s.Warmup()) < s.WarmupEnd() {
			t.Fatalf("warm-up of %v does not end between events %d and its successor", s.WarmupEnd(), s.Warmup()-1)
		}
	})
}

// The count of events by any time is the integral of the rate, which is computed here by another way: the trapezoidal rule,
// exact for lines, over RateAt.
func TestScheduleIsTheIntegralOfItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := randomSchedule(t, lines...)
		at := time.Duration(rapid.Int64Range(1, int64(s.End())-1).Draw(t, "t"))
		integral := 0.0
		for i := range s.segments {
			from, to := s.segments[i].start, min(s.segments[i].end, at)
			if from >= to {
				break
			}
			integral += (s.RateAt(from) + s.RateAt(to-1)) / 2 * (to - from).Seconds()
		}
		if due := float64(s.Due(at)); math.Abs(due-integral) > 1.01+integral*1e-8 {
			t.Fatalf("Due(%v) = %v, the integral of the rate is %v", at, due, integral)
		}
	})
}
