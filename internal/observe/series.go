package observe

import (
	"iter"
	"slices"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lkbench/results"
)

// openSeconds is how many seconds stay unpacked: the running one, and the one before it for recorders that took their
// time just before it ended.
const openSeconds = 2

// Series is one kind of latency over a run: as a whole, and apart for every second in which a sample was completed. It is
// safe for concurrent use. A second that has passed is kept packed (only its filled buckets), so that an hour of run
// needs some tens of megabytes, not most of a gigabyte.
type Series struct {
	mu      sync.Mutex
	total   *results.Histogram
	seconds []slot // by second since origin
	live    []int  // the open ones
	spare   []*results.Histogram
}

// slot is one second; its samples are those of live and of packed together.
type slot struct {
	live    *results.Histogram
	packed  []bucket
	outside int64
}

// bucket is one filled bucket of a histogram.
type bucket struct{ index, count uint32 }

// Second is what one series recorded in one second of the run.
type Second struct {
	Second    int                // whole seconds since origin
	Histogram *results.Histogram // the samples within its range, as exact as its buckets; the caller's to keep
	Outside   int64              // the samples below zero or above the range
}

// NewSeries returns an empty series.
func NewSeries() *Series { return &Series{total: results.NewHistogram()} }

// Record adds one latency that was completed at the given time since origin. A time before origin counts in the whole
// only, for it lies in no second of the run.
func (s *Series) Record(at, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Record(latency)
	if at < 0 {
		return
	}
	h := s.open(int(at / time.Second))
	before := h.Count()
	h.Record(latency)
	if h.Count() == before {
		s.seconds[at/time.Second].outside++
	}
}

// open returns the live histogram of a second and packs those that have passed.
func (s *Series) open(second int) *results.Histogram {
	if second < len(s.seconds) && s.seconds[second].live != nil {
		return s.seconds[second].live
	}
	for len(s.seconds) <= second {
		s.seconds = append(s.seconds, slot{})
	}
	s.live = slices.DeleteFunc(s.live, func(open int) bool {
		if open > len(s.seconds)-1-openSeconds {
			return false
		}
		sl := &s.seconds[open]
		sl.packed = pack(sl.packed, sl.live.HDR())
		sl.live.Reset()
		s.spare = append(s.spare, sl.live)
		sl.live = nil
		return true
	})
	h := results.NewHistogram
	if n := len(s.spare); n > 0 {
		last := s.spare[n-1]
		s.spare, h = s.spare[:n-1], func() *results.Histogram { return last }
	}
	s.seconds[second].live = h()
	s.live = append(s.live, second)
	return s.seconds[second].live
}

// pack appends the filled buckets of a histogram.
func pack(to []bucket, h *hdr.Histogram) []bucket {
	for i, count := range h.Export().Counts {
		if count > 0 {
			to = append(to, bucket{uint32(i), uint32(count)})
		}
	}
	return to
}

// unpack returns a new histogram of all samples of the second.
func (sl *slot) unpack() *hdr.Histogram {
	snapshot := results.NewHistogram().HDR().Export()
	for _, b := range sl.packed {
		snapshot.Counts[b.index] += int64(b.count)
	}
	h := hdr.Import(snapshot)
	if sl.live != nil {
		h.Merge(sl.live.HDR())
	}
	return h
}

// Total returns a copy of the whole.
func (s *Series) Total() *results.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyOf(s.total)
}

// Between returns the samples completed in the seconds from ≤ second < to, as Second does. It is cheap enough for a
// progress display.
func (s *Series) Between(from, to int) *results.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := results.NewHistogram().HDR()
	for second := max(0, from); second < min(to, len(s.seconds)); second++ {
		if sl := &s.seconds[second]; !sl.empty() {
			sum.Merge(sl.unpack())
		}
	}
	return results.FromHDR(sum)
}

// Seconds yields every second in which something was recorded, in order.
func (s *Series) Seconds() iter.Seq[Second] {
	return func(yield func(Second) bool) {
		for second := 0; ; second++ {
			s.mu.Lock()
			if second >= len(s.seconds) {
				s.mu.Unlock()
				return
			}
			sl := &s.seconds[second]
			if sl.empty() {
				s.mu.Unlock()
				continue
			}
			out := Second{Second: second, Histogram: results.FromHDR(sl.unpack()), Outside: sl.outside}
			s.mu.Unlock()
			if !yield(out) {
				return
			}
		}
	}
}

func (sl *slot) empty() bool { return sl.live == nil && len(sl.packed) == 0 && sl.outside == 0 }

func copyOf(h *results.Histogram) *results.Histogram {
	c := results.NewHistogram()
	c.Merge(h)
	return c
}
