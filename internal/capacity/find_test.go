package capacity

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// simulated is a system with a known limit. Each probe meets another one, at most noise beside it.
type simulated struct {
	limit, noise float64
	random       *rand.Rand
	hiccups      map[int]bool // probes that fail at any rate
	tried        []float64
}

func (s *simulated) probe(_ context.Context, rate float64, _ bool) (Probe, error) {
	s.tried = append(s.tried, rate)
	n := len(s.tried)
	limit := s.limit
	if s.noise > 0 {
		limit *= 1 + s.noise*(2*s.random.Float64()-1)
	}
	if rate <= limit && !s.hiccups[n] {
		return Probe{Held: true}, nil
	}
	return Probe{Why: "too fast"}, nil
}

var ordinary = Config{Start: 4000, Tolerance: 0.1, Confirmations: 3}

// TestFindTheLimit: with noise of 3% the rate is within tolerance and noise of the limit, and never above the limit by more than
// the noise.
func TestFindTheLimit(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &simulated{limit: math.Exp(math.Log(20) + random.Float64()*math.Log(1e5)), noise: 0.03, random: random}
		r, err := Find(t.Context(), ordinary, s.probe)
		if err != nil {
			t.Fatalf("seed %d, limit %.0f: %v", seed, s.limit, err)
		}
		// Whole rates add up to one event per second.
		if low, high := s.limit*(1-s.noise)/(1+ordinary.Tolerance)-1, s.limit*(1+s.noise); r.Rate < low || r.Rate > high {
			t.Errorf("seed %d, limit %.0f: found %.0f, want %.0f to %.0f; tried %v", seed, s.limit, r.Rate, low, high, s.tried)
		}
		confirmed(t, r)
		if r.Why != "too fast" || len(r.Probes) != len(s.tried) {
			t.Errorf("seed %d: why %q, %d probes of %d", seed, r.Why, len(r.Probes), len(s.tried))
		}
		if far := math.Abs(math.Log2(s.limit / ordinary.Start)); float64(len(s.tried)) > far+20 {
			t.Errorf("seed %d, limit %.0f: %d probes", seed, s.limit, len(s.tried))
		}
	}
}

// confirmed wants the last probes to be confirmations at the rate that was found.
func confirmed(t *testing.T, r Result) {
	t.Helper()
	if len(r.Probes) < ordinary.Confirmations {
		t.Fatalf("only %d probes", len(r.Probes))
	}
	for _, p := range r.Probes[len(r.Probes)-ordinary.Confirmations:] {
		if !p.Confirmation || !p.Held || p.Rate != r.Rate {
			t.Errorf("not a confirmation of %.0f: %+v", r.Rate, p)
		}
	}
}

// TestFindExactly: without noise, whatever the start.
func TestFindExactly(t *testing.T) {
	for _, limit := range []float64{1, 2, 3, 150, 1_000, 99_999, 100_000, 100_001, 3_000_000} {
		for _, start := range []float64{1, 200, 100_000, 2_000_000} {
			s := &simulated{limit: limit}
			r, err := Find(t.Context(), Config{Start: start, Tolerance: 0.08, Confirmations: 3}, s.probe)
			if err != nil || r.Rate > limit || max(r.Rate*1.08, r.Rate+1) < limit {
				t.Errorf("limit %v from %v: found %v, %v; tried %v", limit, start, r.Rate, err, s.tried)
			}
			confirmed(t, r)
		}
	}
}

// TestOneHiccup: whichever single probe fails for no reason, the rate found is the same within the tolerance, except that a failed
// confirmation costs one step.
func TestOneHiccup(t *testing.T) {
	const limit = 10_000
	for n := 1; n <= 14; n++ {
		s := &simulated{limit: limit, hiccups: map[int]bool{n: true}}
		r, err := Find(t.Context(), ordinary, s.probe)
		low := limit / (1 + ordinary.Tolerance) / (1 + ordinary.Tolerance)
		if err != nil || r.Rate > limit || r.Rate < low-2 {
			t.Errorf("hiccup in probe %d: found %v, %v; tried %v", n, r.Rate, err, s.tried)
		}
		confirmed(t, r)
	}
}

// TestConfirmationsStepDown: a system that holds a rate once and never again is not credited with it.
func TestConfirmationsStepDown(t *testing.T) {
	probe := func(_ context.Context, rate float64, confirmation bool) (Probe, error) {
		if rate <= 1000 || !confirmation && rate <= 1500 {
			return Probe{Held: true}, nil
		}
		return Probe{Why: "tired"}, nil
	}
	r, err := Find(t.Context(), Config{Start: 1000, Tolerance: 0.01, Confirmations: 3}, probe)
	if err != nil || r.Rate > 1000 || r.Rate < 980 || r.Why != "tired" {
		t.Errorf("%v: %+v", err, r)
	}
	confirmed(t, r)
}

func TestFindEndsWithoutARate(t *testing.T) {
	broken := errors.New("broken")
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name  string
		ctx   context.Context
		probe Try
		want  error
		text  string
	}{
		{"nothing is held", t.Context(), (&simulated{limit: 0.5}).probe, ErrNothingHeld, "not even 1 events/s, the least that is tried: too fast"},
		{"everything is held", t.Context(), (&simulated{limit: math.Inf(1)}).probe, ErrNoLimit, "10000000 events/s were held"},
		{"nothing is confirmed", t.Context(), func(_ context.Context, rate float64, confirmation bool) (Probe, error) {
			return Probe{Held: rate < 100 && !confirmation, Why: "later"}, nil
		}, ErrNothingHeld, "in all 3 confirmations: later"},
		{"a probe fails", t.Context(), func(context.Context, float64, bool) (Probe, error) { return Probe{}, broken }, broken, "broken"},
		{"interrupted", ended, (&simulated{limit: 10}).probe, context.Canceled, ""},
	} {
		r, err := Find(c.ctx, ordinary, c.probe)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || r.Rate != 0 {
			t.Errorf("%s: %v, rate %v", c.name, err, r.Rate)
		}
	}
	for _, cfg := range []Config{{}, {Start: 0.5, Tolerance: 1}, {Start: 2e7, Tolerance: 1}, {Start: 10}, {Start: math.NaN(), Tolerance: 1}, {Start: 10, Tolerance: math.NaN()}} {
		if _, err := Find(t.Context(), cfg, (&simulated{limit: 10}).probe); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
