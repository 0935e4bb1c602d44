package bench

import (
	"math"
	"testing"

	"lkbench/results"
)

// TestFirstAfter: counts that stop and come back, that never stop, that never come back.
func TestFirstAfter(t *testing.T) {
	rows := func(counts ...int64) (tenths []results.Tenth) {
		for i, n := range counts {
			tenth := results.Tenth{AtMS: int64(100 * i)}
			if n >= 0 { // −1: not measured
				tenth.Acked = &n
			}
			tenths = append(tenths, tenth)
		}
		return tenths
	}
	acked := func(t results.Tenth) *int64 { return t.Acked }
	for name, c := range map[string]struct {
		tenths []results.Tenth
		want   float64
	}{
		"stops and comes back":    {rows(5, 5, 5, 0, 0, -1, 5, 5), 0.5},
		"never stops":             {rows(5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5), 0},
		"stops long afterwards":   {rows(5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 5), 0},
		"does not come back":      {rows(5, 5, 5, 0, 0, 0), math.NaN()},
		"stopped before, not now": {rows(0, 5, 5, 5), 0},
	} {
		got := firstAfter(c.tenths, 0.2, acked)
		if math.IsNaN(got) != math.IsNaN(c.want) || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
	}
}
