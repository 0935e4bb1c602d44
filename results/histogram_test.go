package results

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func samples(values ...time.Duration) *Histogram {
	h := NewHistogram()
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func TestSummaryOfAKnownSeries(t *testing.T) {
	h := NewHistogram()
	for i := 1; i <= 10_000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	s := h.Summary()
	for _, c := range []struct {
		name      string
		got       *float64
		want, tol float64
	}{
		{"min", s.Min, 1, 0}, {"mean", s.Mean, 5000.5, 0}, {"max", s.Max, 10_000, 0},
		{"p50", s.P50, 5000, 0.001}, {"p90", s.P90, 9000, 0.001}, {"p95", s.P95, 9500, 0.001},
		{"p99", s.P99, 9900, 0.001}, {"p999", s.P999, 9990, 0.001},
	} {
		if c.got == nil {
			t.Errorf("%s is null", c.name)
		} else if math.Abs(*c.got-c.want) > c.tol*c.want {
			t.Errorf("%s = %v, want %v", c.name, *c.got, c.want)
		}
	}
	if s.Count != 10_000 || s.Overflow != 0 || s.Negative != 0 {
		t.Errorf("counts: %+v", s)
	}
}

func TestPercentilesNeedTenSamplesBeyond(t *testing.T) {
	for _, c := range []struct {
		n         int
		supported string
	}{
		{0, ""}, {19, ""}, {20, "p50"}, {99, "p50"}, {100, "p50 p90"}, {199, "p50 p90"}, {200, "p50 p90 p95"},
		{999, "p50 p90 p95"}, {1000, "p50 p90 p95 p99"}, {9999, "p50 p90 p95 p99"}, {10_000, "p50 p90 p95 p99 p999"},
	} {
		h := NewHistogram()
		for range c.n {
			h.Record(time.Second)
		}
		s := h.Summary()
		got := ""
		for _, p := range []struct {
			name string
			v    *float64
		}{{"p50", s.P50}, {"p90", s.P90}, {"p95", s.P95}, {"p99", s.P99}, {"p999", s.P999}} {
			if p.v != nil {
				got += " " + p.name
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != c.supported {
			t.Errorf("%d samples support %q, want %q", c.n, got, c.supported)
		}
	}
}

func TestSamplesOutOfRangeAreCountedApart(t *testing.T) {
	s := samples(-1, -time.Second).Summary()
	if s.Negative != 2 || s.Count != 0 || s.Min != nil || s.Max != nil || s.Mean != nil {
		t.Errorf("negative samples alone: %+v", s)
	}
	s = samples(2*time.Hour, time.Millisecond).Summary()
	if s.Overflow != 1 || s.Count != 1 || *s.Max != 7_200_000 || *s.Mean != 1 {
		t.Errorf("one sample beyond an hour: %+v", s)
	}
	s = samples(time.Hour, 0).Summary()
	if s.Overflow != 0 || s.Count != 2 || *s.Max != 3_600_000 || *s.Min != 0 {
		t.Errorf("the ends of the range: %+v", s)
	}
	h := samples(time.Hour, 2*time.Hour, -1)
	h.Reset()
	if s := h.Summary(); s != (Summary{}) {
		t.Errorf("after Reset: %+v", s)
	}
}

// The sum of a long series of long stalls does not fit into 64 bits.
func TestMeanOfManyLongStalls(t *testing.T) {
	h := samples(time.Hour)
	for range 23 { // 2^23 hours
		h.Merge(h)
	}
	if s := h.Summary(); s.Count != 1<<23 || *s.Mean != 3_600_000 {
		t.Errorf("count %d, mean %v", s.Count, *s.Mean)
	}
}

func TestHistogramAgainstSortedSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			// Every order of magnitude, and both sides of both ends of the range.
			return time.Duration(rapid.Int64Range(-5, 9999).Draw(t, "digits")) * time.Duration(math.Pow10(rapid.IntRange(0, 9).Draw(t, "zeros")))
		}), 0, 300).Draw(t, "samples")
		cut := rapid.IntRange(0, len(durations)).Draw(t, "cut")
		h, other := samples(durations[:cut]...), samples(durations[cut:]...)
		h.Merge(other)

		var in []time.Duration
		var overflow, negative int64
		for _, d := range durations {
			switch {
			case d < 0:
				negative++
			case d > time.Hour:
				overflow++
			default:
				in = append(in, d)
			}
		}
		slices.Sort(in)
		s := h.Summary()
		if s.Count != int64(len(in)) || s.Overflow != overflow || s.Negative != negative {
			t.Fatalf("counts %+v, want %d, %d over, %d below", s, len(in), overflow, negative)
		}
		if overflow+int64(len(in)) > 0 {
			if got, want := *s.Max, float64(max(0, slices.Max(durations)))/1e6; got != want {
				t.Fatalf("max %v, want %v", got, want)
			}
		}
		if len(in) == 0 {
			return
		}
		if got, want := *s.Min, float64(in[0])/1e6; got != want {
			t.Fatalf("min %v, want %v", got, want)
		}
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		rank := min(max(1, int(q*100/100*float64(len(in))+0.5)), len(in))
		// The histogram keeps microseconds, to a tenth of a percent.
		got, want := float64(h.Quantile(q)), float64(in[rank-1])
		if got < want-1000-want/1000 || got > want+1000+want/1000 || got > float64(in[len(in)-1]) && overflow == 0 {
			t.Fatalf("quantile %v is %v, want %v of %v", q, time.Duration(got), time.Duration(want), in)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	h := NewHistogram()
	b.ReportAllocs()
	for i := range b.N {
		h.Record(time.Duration(i%10_000_000) * 17)
	}
}
