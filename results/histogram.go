package results

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The range of every histogram: one microsecond to one hour, three significant digits.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

// Histogram is a series of durations. It is not safe for concurrent use: keep one a worker and merge.
type Histogram struct {
	h                  *hdr.Histogram
	overflow, negative int64
	max                int64
}

// NewHistogram returns an empty series.
func NewHistogram() *Histogram {
	return &Histogram{h: hdr.New(lowest/1000, highest/1000, digits)}
}

// Record adds one duration. Below zero and beyond an hour it is counted apart, never clamped.
func (h *Histogram) Record(d time.Duration) {
	switch {
	case d < 0:
		h.negative++
	case int64(d) > highest:
		h.overflow++
	default:
		// The range was checked, so the only error RecordValue knows cannot occur.
		_ = h.h.RecordValue(int64(d) / 1000)
	}
	h.max = max(h.max, int64(d))
}

// Merge adds all of o's samples.
func (h *Histogram) Merge(o *Histogram) {
	h.h.Merge(o.h)
	h.overflow += o.overflow
	h.negative += o.negative
	h.max = max(h.max, o.max)
}

// Reset empties the series.
func (h *Histogram) Reset() {
	h.h.Reset()
	h.overflow, h.negative, h.max = 0, 0, 0
}

// Count is the number of samples in the percentiles.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Quantile returns the value at q in [0,1]. It does not ask whether the count supports it.
func (h *Histogram) Quantile(q float64) time.Duration {
	return time.Duration(h.h.ValueAtQuantile(q*100)) * time.Microsecond
}

// HDR gives the histogram itself, in microseconds, for the interval log.
func (h *Histogram) HDR() *hdr.Histogram { return h.h }

// Summary computes the latency block.
func (h *Histogram) Summary() Summary {
	n := h.h.TotalCount()
	s := Summary{Count: n, Overflow: h.overflow, Negative: h.negative}
	if n == 0 {
		return s
	}
	ms := func(us float64) *float64 { v := us / 1000; return &v }
	s.Min, s.Mean = ms(float64(h.h.Min())), ms(h.h.Mean())
	top := float64(h.max) / 1000
	s.Max = ms(top)
	for _, p := range []struct {
		q  float64
		to **float64
	}{{0.5, &s.P50}, {0.9, &s.P90}, {0.95, &s.P95}, {0.99, &s.P99}, {0.999, &s.P999}} {
		if float64(n)*(1-p.q) >= 10 {
			*p.to = ms(float64(h.h.ValueAtQuantile(p.q * 100)))
		}
	}
	return s
}
