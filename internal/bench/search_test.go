package bench

import (
	"errors"
	"math"
	"strings"
	"testing"

	"lkbench/results"
)

// simulated is a system that holds every rate up to its capacity.
func simulated(capacity float64, tried *[]float64) attempt {
	return func(rate float64) (bool, string, error) {
		*tried = append(*tried, rate)
		if rate <= capacity {
			return true, "", nil
		}
		return false, "too fast", nil
	}
}

func TestSearchFindsTheCapacity(t *testing.T) {
	const tolerance = 0.08
	for _, capacity := range []float64{150, 1_000, 99_999, 100_000, 100_001, 149_000, 151_000, 3_000_000} {
		for _, start := range []float64{200, 100_000, 2_000_000} {
			var tried []float64
			held, why, err := search(start, tolerance, simulated(capacity, &tried))
			if err != nil {
				t.Fatalf("capacity %v from %v: %v", capacity, start, err)
			}
			if held > capacity || held*(1+tolerance) < capacity {
				t.Errorf("capacity %v from %v: found %v", capacity, start, held)
			}
			if why != "too fast" {
				t.Errorf("capacity %v from %v: the reason was %q", capacity, start, why)
			}
			if far := math.Abs(math.Log(capacity/start)) / math.Log(1.5); float64(len(tried)) > far+6 {
				t.Errorf("capacity %v from %v: %d attempts", capacity, start, len(tried))
			}
		}
	}
}

func TestSearchGivesUp(t *testing.T) {
	var tried []float64
	if _, _, err := search(1_000, 0.1, simulated(10, &tried)); err == nil || !strings.Contains(err.Error(), "too fast") {
		t.Errorf("a system that holds nothing: %v", err)
	}
	if _, _, err := search(1_000, 0.1, simulated(math.Inf(1), &tried)); err == nil || !strings.Contains(err.Error(), "no limit") {
		t.Errorf("a system that holds everything: %v", err)
	}
	broken := errors.New("broken")
	if _, _, err := search(1_000, 0.1, func(float64) (bool, string, error) { return false, "", broken }); !errors.Is(err, broken) {
		t.Errorf("an attempt that fails: %v", err)
	}
}

func TestConfirmStepsDown(t *testing.T) {
	var tried []float64
	held, why, err := confirm(1_300, 0.1, simulated(1_000, &tried))
	if err != nil || held > 1_000 || held < 900 || why != "too fast" || len(tried) != 4 {
		t.Errorf("held %v (%s) after %v, %v", held, why, tried, err)
	}
	tried = nil
	if held, why, err = confirm(900, 0.1, simulated(1_000, &tried)); err != nil || held != 900 || why != "" || len(tried) != 1 {
		t.Errorf("held %v (%s) after %v, %v", held, why, tried, err)
	}
	if _, _, err = confirm(1_000, 0.5, simulated(1, &tried)); err == nil {
		t.Error("a system that holds nothing was confirmed")
	}
}

// lags is a timeline with this lag, in seconds of load, at the end of every second of the load.
func lags(rate float64, seconds ...float64) []results.Second {
	enormous := int64(1e12)
	timeline := []results.Second{{Second: 0, Phase: "warm-up", Lag: &enormous}}
	for i, s := range seconds {
		lag := int64(s * rate)
		timeline = append(timeline, results.Second{Second: i + 1, Phase: "baseline", Lag: &lag})
	}
	return append(timeline, results.Second{Second: len(timeline), Phase: "drain", Lag: &enormous})
}

func TestKeepsUp(t *testing.T) {
	const rate = 50_000
	for _, c := range []struct {
		name string
		lag  []float64
		why  string // part of it; empty if held
	}{
		{"flat", []float64{0.1, 0.12, 0.1, 0.11, 0.1, 0.12}, ""},
		{"shrinking", []float64{0.9, 0.7, 0.5, 0.3, 0.2}, ""},
		{"a peak in the middle", []float64{0.1, 0.1, 0.8, 0.8, 0.1, 0.1}, ""},
		{"growing slowly", []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, "grew by 0.5 s"},
		{"just below the bound of growth", []float64{0.1, 0.15, 0.2, 0.25, 0.29}, ""},
		{"behind, and not catching up", []float64{1.5, 1.5, 1.5, 1.5}, "1.5 s of load were waiting"},
		{"nothing", nil, "not measured"},
	} {
		why := keepsUp(lags(rate, c.lag...), rate)
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", c.name, why, c.why)
		}
	}
	if why := keepsUp([]results.Second{{Phase: "baseline"}, {Phase: "baseline"}}, rate); why == "" {
		t.Error("a lag that was not measured counts as held")
	}
}
