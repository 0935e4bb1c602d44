package results

import (
	"math"
	"math/bits"
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
	// What buckets of 0.1% would blur is kept apart, in nanoseconds: without it the mean or the p99 of a short series
	// could lie above its own maximum.
	min, max     int64
	sumHi, sumLo uint64 // 128 bits, because a long run of long stalls leaves 64
}

// NewHistogram returns an empty series.
func NewHistogram() *Histogram {
	h := &Histogram{h: hdr.New(lowest/1000, highest/1000, digits)}
	h.clear()
	return h
}

func (h *Histogram) clear() {
	h.overflow, h.negative, h.sumHi, h.sumLo = 0, 0, 0, 0
	h.min, h.max = math.MaxInt64, -1
}

// Record adds one duration. Below zero and beyond an hour it is counted apart, never clamped.
func (h *Histogram) Record(d time.Duration) {
	ns := int64(d)
	if ns < 0 {
		h.negative++
		return
	}
	h.max = max(h.max, ns)
	if ns > highest {
		h.overflow++
		return
	}
	h.min = min(h.min, ns)
	h.addSum(0, uint64(ns))
	// The range was checked, so the only error RecordValue knows cannot occur.
	_ = h.h.RecordValue(ns / 1000)
}

func (h *Histogram) addSum(hi, lo uint64) {
	var carry uint64
	h.sumLo, carry = bits.Add64(h.sumLo, lo, 0)
	h.sumHi += hi + carry
}

// Merge adds all of o's samples.
func (h *Histogram) Merge(o *Histogram) {
	// Both have the same range, so nothing can be dropped.
	h.h.Merge(o.h)
	h.overflow += o.overflow
	h.negative += o.negative
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	h.addSum(o.sumHi, o.sumLo)
}

// Reset empties the series.
func (h *Histogram) Reset() {
	h.h.Reset()
	h.clear()
}

// Count is the number of samples in the percentiles.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Quantile returns the value at q in [0,1], to three significant digits; 0 for an empty series. It does not ask whether
// the count supports it.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	// The upper edge of a bucket may lie above every sample in it.
	return min(time.Duration(h.h.ValueAtQuantile(q*100))*time.Microsecond, time.Duration(h.max))
}

// HDR gives the histogram itself, in microseconds.
func (h *Histogram) HDR() *hdr.Histogram { return h.h }

// Summary computes the latency block. Max is exact and includes what overflowed.
func (h *Histogram) Summary() Summary {
	n := h.Count()
	s := Summary{Count: n, Overflow: h.overflow, Negative: h.negative}
	if h.max >= 0 {
		s.Max = milliseconds(float64(h.max))
	}
	if n == 0 {
		return s
	}
	s.Min = milliseconds(float64(h.min))
	s.Mean = milliseconds((math.Ldexp(float64(h.sumHi), 64) + float64(h.sumLo)) / float64(n))
	for _, p := range []struct {
		beyond int64 // of a thousand samples lie beyond the percentile
		to     **float64
	}{{500, &s.P50}, {100, &s.P90}, {50, &s.P95}, {10, &s.P99}, {1, &s.P999}} {
		// In integers: as floats 100 × (1 − 0.9) is a little less than 10.
		if n >= 10*1000/p.beyond {
			*p.to = milliseconds(float64(h.Quantile(1 - float64(p.beyond)/1000)))
		}
	}
	return s
}

func milliseconds(ns float64) *float64 {
	v := ns / 1e6
	return &v
}

// FromHDR makes a series of a histogram in microseconds with the same range, which it takes over; its minimum, maximum and mean are as exact as the
// buckets.
func FromHDR(decoded *hdr.Histogram) *Histogram {
	h := &Histogram{h: decoded}
	h.clear()
	if decoded.TotalCount() == 0 {
		return h
	}
	h.min, h.max = decoded.Min()*1000, decoded.Max()*1000
	sum := decoded.Mean() * float64(decoded.TotalCount()) * 1000
	h.sumHi, h.sumLo = uint64(sum/(1<<64)), uint64(math.Mod(sum, 1<<64))
	return h
}
