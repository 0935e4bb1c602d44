package loadgen

import (
	"math"
	"slices"
	"testing"
	"time"

	"lkbench/scenarios"
)

// gapsOf are the gaps between random arrivals, in mean gaps.
func gapsOf(t *testing.T, seed uint64, rate float64, d time.Duration) (*Schedule, []float64) {
	t.Helper()
	scenario := load(scenarios.Step{Shape: scenarios.ShapePoisson, For: scenarios.Duration(d), Rate: perS(rate)})
	scenario.Seed = seed
	s := mustSchedule(t, scenario)
	gaps, before := make([]float64, s.Len()), time.Duration(0)
	for n := range gaps {
		at := s.Intended(uint64(n))
		gaps[n] = (at - before).Seconds() * rate
		before = at
	}
	return s, gaps
}

// The gaps are independent and exponentially distributed. Each bound is passed by one in a thousand or fewer of true Poisson processes; the
// seeds are fixed.
func TestPoissonGaps(t *testing.T) {
	for seed := range uint64(5) {
		_, gaps := gapsOf(t, seed, 1000, 60*time.Second)
		n := float64(len(gaps))
		if sigma := math.Sqrt(60_000); math.Abs(n-60_000) > 3.3*sigma {
			t.Errorf("seed %d: %v arrivals, want 60000 ± %.0f", seed, n, 3.3*sigma)
		}
		along := 0.0 // covariance of neighbours
		for i := 1; i < len(gaps); i++ {
			along += (gaps[i] - 1) * (gaps[i-1] - 1)
		}
		if r := along / n; math.Abs(r) > 3.3/math.Sqrt(n) {
			t.Errorf("seed %d: neighbouring gaps correlate by %v", seed, r)
		}
		slices.Sort(gaps)
		distance := 0.0 // of Kolmogorov and Smirnov
		for i, gap := range gaps {
			share := 1 - math.Exp(-gap)
			distance = max(distance, share-float64(i)/n, float64(i+1)/n-share)
		}
		if distance*math.Sqrt(n) > 1.95 {
			t.Errorf("seed %d: the distance from the exponential distribution is %v, %.2f/√n; 1.95 is passed once in a thousand", seed, distance, distance*math.Sqrt(n))
		}
	}
}

// Counts in equal spans have their mean and a variance equal to it, in spans shorter and longer than a block.
func TestPoissonDispersion(t *testing.T) {
	s, _ := gapsOf(t, 7, 1000, 100*time.Second)
	for _, span := range []time.Duration{5 * time.Millisecond, 16 * time.Millisecond, 100 * time.Millisecond} {
		var counts, sum, squares float64
		before := uint64(0)
		for at := span; at <= s.End(); at += span {
			due := s.Due(at - 1)
			count := float64(due - before)
			before = due
			counts, sum, squares = counts+1, sum+count, squares+count*count
		}
		mean := sum / counts
		if want := 1000 * span.Seconds(); math.Abs(mean/want-1) > 0.011 { // 3.3/√100,000
			t.Errorf("%v events in %v, want %v", mean, span, want)
		}
		if index := squares/sum - mean; math.Abs(index-1) > 3.3*math.Sqrt(2/counts) {
			t.Errorf("the index of dispersion over %v is %v", span, index)
		}
	}
}

// Two steps with the same rate have different arrivals, and so have two seeds; the arrivals of a step begin where it does.
func TestPoissonStepsDiffer(t *testing.T) {
	step := scenarios.Step{Shape: scenarios.ShapePoisson, For: seconds(1), Rate: perS(1000)}
	s := mustSchedule(t, load(step, step))
	second := s.Due(time.Second - 1)
	if s.Intended(second) < time.Second || s.Intended(second-1) >= time.Second {
		t.Fatalf("event %d is due at %v", second, s.Intended(second))
	}
	if s.Intended(0) == s.Intended(second)-time.Second && s.Intended(1) == s.Intended(second+1)-time.Second {
		t.Error("both steps have the same arrivals")
	}
	other := load(step)
	other.Seed = 1
	if mustSchedule(t, other).Intended(0) == s.Intended(0) {
		t.Error("another seed gives the same arrivals")
	}
	if rate := s.RateAt(time.Millisecond); rate != 1000 {
		t.Errorf("the mean rate is %v", rate)
	}
}
