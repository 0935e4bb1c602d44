package loadgen

import (
	"math"
	"strings"
	"testing"
	"time"

	"lkbench/scenarios"
)

func seconds(s float64) scenarios.Duration { return scenarios.Duration(s * float64(time.Second)) }

// The shapes at rates so low that they can be followed by hand, one step of each.
func shapes() map[string]scenarios.Step {
	return map[string]scenarios.Step{
		scenarios.ShapeSpike:   {Shape: scenarios.ShapeSpike, For: seconds(10), Rate: perS(10), Peak: perS(30), Rise: seconds(2), Hold: seconds(2), Fall: seconds(2)},
		scenarios.ShapeStep:    {Shape: scenarios.ShapeStep, For: seconds(3), From: perS(10), To: perS(30), Steps: 3},
		scenarios.ShapeDiurnal: {Shape: scenarios.ShapeDiurnal, For: seconds(4), Rate: perS(10), Peak: perS(30)},
		scenarios.ShapePoisson: {Shape: scenarios.ShapePoisson, For: seconds(10), Rate: perS(10)},
		scenarios.ShapeReplay:  {Shape: scenarios.ShapeReplay, For: seconds(2), Events: 1000},
	}
}

func TestShapes(t *testing.T) {
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	known := shapes()
	mirrored := known[scenarios.ShapeStep]
	mirrored.From, mirrored.To = mirrored.To, mirrored.From
	sudden := known[scenarios.ShapeSpike]
	sudden.Rise, sudden.Fall = 0, 0
	for _, c := range []struct {
		name   string
		load   []scenarios.Step
		length uint64
		want   map[uint64]time.Duration
		rates  map[float64]float64 // by seconds
	}{
		// 20 before, 40 while it rises, 60 at the peak, 40 while it falls, 20 after.
		{"spike", []scenarios.Step{known[scenarios.ShapeSpike]}, 180,
			map[uint64]time.Duration{0: 0, 20: second(2), 60: second(4), 75: second(4.5), 120: second(6), 160: second(8), 170: second(9)},
			map[float64]float64{1: 10, 2: 10, 3: 20, 4: 30, 5: 30, 7: 20, 8: 10, 9.9: 10}},
		{"spike without rise and fall", []scenarios.Step{sudden}, 40 + 60 + 40, map[uint64]time.Duration{40: second(4), 43: second(4.1), 100: second(6), 101: second(6.1)}, map[float64]float64{3.9: 10, 4: 30, 6: 10}},
		{"step", []scenarios.Step{known[scenarios.ShapeStep]}, 60, map[uint64]time.Duration{10: second(1), 30: second(2), 33: second(2.1)}, map[float64]float64{0: 10, 1: 20, 2: 30, 2.9: 30}},
		{"step down", []scenarios.Step{mirrored}, 60, map[uint64]time.Duration{30: second(1), 50: second(2)}, map[float64]float64{0: 30, 1: 20, 2: 10}},
		// Half a day brings half of the events; a quarter less by the sine's area, T·(peak−rate)/(4π) = 80/4π.
		{"diurnal", []scenarios.Step{known[scenarios.ShapeDiurnal]}, 80, map[uint64]time.Duration{0: 0, 40: second(2), 1: second(0.0995944)}, map[float64]float64{0: 10, 1: 20, 2: 30, 3: 20}},
		{"replay", []scenarios.Step{constant(10, time.Second), known[scenarios.ShapeReplay], constant(10, time.Second)}, 1020,
			map[uint64]time.Duration{9: second(0.9), 10: second(1), 1009: second(1), 1010: second(3), 1011: second(3.1)}, map[float64]float64{0.5: 10, 1: 0, 2.9: 0, 3: 10}},
		// Nobody sends half an event: a fraction is not carried into a replay, nor out of it.
		{"replay after a fraction", []scenarios.Step{constant(2.5, time.Second), known[scenarios.ShapeReplay], constant(1, time.Second)}, 1004,
			map[uint64]time.Duration{2: second(0.8), 3: second(1), 1002: second(1), 1003: second(3)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustSchedule(t, load(c.load...))
			if s.Len() != c.length {
				t.Errorf("Len %d, want %d", s.Len(), c.length)
			}
			for n, want := range c.want {
				if got := s.Intended(n); math.Abs(float64(got-want)) > 1e4 { // the diurnal value is given to a tenth of a microsecond
					t.Errorf("Intended(%d) = %v, want %v", n, got, want)
				}
			}
			for at, want := range c.rates {
				if got := s.RateAt(second(at)); math.Abs(got-want) > 1e-5 {
					t.Errorf("RateAt(%vs) = %v, want %v", at, got, want)
				}
			}
		})
	}
}

func TestReplayed(t *testing.T) {
	s := mustSchedule(t, load(constant(10, time.Second), shapes()[scenarios.ShapeReplay], constant(10, time.Second)))
	for n, want := range map[uint64]bool{0: false, 9: false, 10: true, 1009: true, 1010: false, 1019: false, 1020: false} {
		if s.Replayed(n) != want {
			t.Errorf("Replayed(%d) = %v", n, !want)
		}
	}
	if s.Due(time.Second-1) != 10 || s.Due(time.Second) != 1010 || s.Due(3*time.Second-1) != 1010 || s.Due(3*time.Second) != 1011 {
		t.Error("the events of a replay are not due at its start, and at once")
	}
}

// The rate is within a thousandth of the cosine's, and the count that of its integral.
func TestDiurnalIsACosine(t *testing.T) {
	const rate, peak, day = 1000.0, 30_000.0, 60.0
	s := mustSchedule(t, load(scenarios.Step{Shape: scenarios.ShapeDiurnal, For: seconds(day), Rate: perS(rate), Peak: perS(peak)}))
	for i := range 100_000 {
		at := day * float64(i) / 100_000
		want := rate + (peak-rate)*(1-math.Cos(2*math.Pi*at/day))/2
		if got := s.RateAt(time.Duration(at * 1e9)); math.Abs(got/want-1) > 0.001 {
			t.Fatalf("rate %v at %vs, the cosine has %v", got, at, want)
		}
		want = rate*at + (peak-rate)*(at-day/(2*math.Pi)*math.Sin(2*math.Pi*at/day))/2
		if got := float64(s.Due(time.Duration(at * 1e9))); math.Abs(got-want) > 1+0.001*want {
			t.Fatalf("%v events by %vs, the integral is %v", got, at, want)
		}
	}
}

func TestShapesRefuse(t *testing.T) {
	for want, change := range map[string]func(known map[string]scenarios.Step) scenarios.Step{
		"60% of the capacity": func(map[string]scenarios.Step) scenarios.Step {
			return scenarios.Step{For: seconds(1), Rate: scenarios.Rate{Share: 0.6}}
		},
		"20% of the capacity": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeSpike]
			s.Peak = scenarios.Rate{Share: 0.2}
			return s
		},
		`shape is "square"`: func(map[string]scenarios.Step) scenarios.Step {
			return scenarios.Step{Shape: "square", For: seconds(1)}
		},
		"holds for 1m0s": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeSpike]
			s.Hold = seconds(60)
			return s
		},
		"rises for -1s": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeSpike]
			s.Rise = seconds(-1)
			return s
		},
		"rises for 0s, holds": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeSpike]
			s.Rise, s.Hold, s.Fall = 0, 0, 0
			return s
		},
		"has 1 steps": func(k map[string]scenarios.Step) scenarios.Step { s := k[scenarios.ShapeStep]; s.Steps = 1; return s },
		"goes from -5": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeStep]
			s.From = perS(-5)
			return s
		},
		"lasts 0s": func(k map[string]scenarios.Step) scenarios.Step { s := k[scenarios.ShapeDiurnal]; s.For = 0; return s },
		"mean of 0 events": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapePoisson]
			s.Rate = perS(0)
			return s
		},
		"mean of NaN": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapePoisson]
			s.Rate = perS(math.NaN())
			return s
		},
		"300000000 random": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapePoisson]
			s.Rate = perS(30e6)
			return s
		},
		"replays 0 events": func(k map[string]scenarios.Step) scenarios.Step {
			s := k[scenarios.ShapeReplay]
			s.Events = 0
			return s
		},
		"replays 1000 events in 0": func(k map[string]scenarios.Step) scenarios.Step { s := k[scenarios.ShapeReplay]; s.For = 0; return s },
	} {
		if _, err := NewSchedule(load(change(shapes()))); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "load step 1") {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}

func TestOnlyReplaysAreRefused(t *testing.T) {
	s := load(shapes()[scenarios.ShapeReplay], constant(0, time.Second))
	s.Warmup = seconds(1)
	if _, err := NewSchedule(s); err == nil || !strings.Contains(err.Error(), "only replays") {
		t.Error(err)
	}
}

// As TestSyntheticGolden: equal on every run and every machine.
func TestShapesGolden(t *testing.T) {
	golden := map[string]string{
		scenarios.ShapeSpike:   "66da7235b7bde36c95bfaa4c11cfc280a5d94982dc42f7769d7f1703f5bf523a",
		scenarios.ShapeStep:    "5fd2343048d28916895091c3c8ab29536fb73a4685bde8097707041241267cad",
		scenarios.ShapeDiurnal: "efa1836a4f095ccebdbd65c7cfa97c14934c9d65ca582e030023c33fa4008e5f",
		scenarios.ShapePoisson: "945aa2643c276c6568d87b01118d5766f18a90625c07314a493ea8710b01cb33",
		scenarios.ShapeReplay:  "a044bbcfea99982d22ccb750d7d2da10243059ead6e0669465fab2db277a184b",
	}
	for shape, step := range shapes() {
		s := ordinary(1)
		s.Warmup, s.Load = seconds(1), []scenarios.Step{constant(1000, time.Second), step, constant(1000, time.Second)}
		s.Load[1].Rate.PerS, s.Load[1].From.PerS, s.Load[1].To.PerS, s.Load[1].Peak.PerS = step.Rate.PerS*100, step.From.PerS*100, step.To.PerS*100, step.Peak.PerS*100
		source, schedule := mustSynthetic(t, s)
		if got := hashEvents(source, schedule.Len()); got != golden[shape] {
			t.Errorf("%s hashes to %s, want %s", shape, got, golden[shape])
		}
	}
}
