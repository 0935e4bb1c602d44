package observe

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lkbench/results"
)

// TestSeriesKeepsEverySecondApart compares with one histogram a second, for samples that come in no order at all.
func TestSeriesKeepsEverySecondApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSeries()
		bySecond := make(map[int]*results.Histogram)
		outside := make(map[int]int64)
		total := results.NewHistogram()
		for range rapid.IntRange(0, 60).Draw(t, "samples") {
			at := time.Duration(rapid.Int64Range(-1e9, 12e9).Draw(t, "at"))
			latency := time.Duration(rapid.Int64Range(-1e6, int64(2*time.Hour)).Draw(t, "latency")) >> rapid.IntRange(0, 30).Draw(t, "shift")
			s.Record(at, latency)
			total.Record(latency)
			if at < 0 {
				continue
			}
			second := int(at / time.Second)
			if bySecond[second] == nil {
				bySecond[second] = results.NewHistogram()
			}
			bySecond[second].Record(latency)
			if latency < 0 || latency > time.Hour {
				outside[second]++
			}
		}
		last := -1
		for got := range s.Seconds() {
			want := bySecond[got.Second]
			if want == nil || got.Second <= last {
				t.Fatalf("second %d after %d: nothing was recorded, or it is out of order", got.Second, last)
			}
			last = got.Second
			if !got.Histogram.HDR().Equals(want.HDR()) || got.Outside != outside[got.Second] {
				t.Fatalf("second %d has other samples than were recorded", got.Second)
			}
			delete(bySecond, got.Second)
		}
		if len(bySecond) != 0 {
			t.Fatalf("%d seconds are missing", len(bySecond))
		}
		if got := s.Total(); !got.HDR().Equals(total.HDR()) || got.Summary().Overflow != total.Summary().Overflow || got.Summary().Negative != total.Summary().Negative {
			t.Fatal("the whole differs from the samples")
		}
	})
}

func TestSeriesBetween(t *testing.T) {
	s := NewSeries()
	for second := range 10 {
		s.Record(time.Duration(second)*time.Second, time.Duration(second+1)*time.Millisecond)
	}
	for _, c := range []struct {
		from, to  int
		count     int64
		min, most int64 // in milliseconds
	}{{0, 10, 10, 1, 10}, {-5, 2, 2, 1, 2}, {8, 99, 2, 9, 10}, {3, 4, 1, 4, 4}, {4, 4, 0, 0, 0}} {
		got := s.Between(c.from, c.to).HDR()
		if got.TotalCount() != c.count || got.Min()/1000 != c.min || got.Max()/1000 != c.most {
			t.Errorf("seconds %d to %d: %d samples, %d to %d µs; want %d, %d to %d ms", c.from, c.to,
				got.TotalCount(), got.Min(), got.Max(), c.count, c.min, c.most)
		}
	}
}

func TestSeriesIsSafeForConcurrentUse(t *testing.T) {
	s := NewSeries()
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 2000 {
				s.Record(time.Duration(i+w)*10*time.Millisecond, time.Duration(i)*time.Microsecond)
				if i%500 == 0 {
					s.Between(0, 30)
				}
			}
		})
	}
	group.Wait()
	var sum int64
	for second := range s.Seconds() {
		sum += second.Histogram.Count()
	}
	if sum != 8000 || s.Total().Count() != 8000 {
		t.Errorf("%d samples in seconds and %d in all, want 8000", sum, s.Total().Count())
	}
}

func TestSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const events = 3 << pieceBits
		s, model := newSeen(events), make(map[[2]uint64]bool)
		for range rapid.IntRange(0, 100).Draw(t, "rows") {
			n := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(events-3, events-1), rapid.Uint64Range(0, events-1)).Draw(t, "n")
			rule := rapid.Uint8Range(0, 7).Draw(t, "rule")
			key := [2]uint64{n, uint64(rule)}
			if s.has(n, rule) != model[key] || s.add(n, rule) == model[key] || !s.has(n, rule) {
				t.Fatalf("event %d rule %d: seen before is %v, the set says otherwise", n, rule, model[key])
			}
			model[key] = true
		}
	})
}

func BenchmarkSeriesRecord(b *testing.B) {
	s := NewSeries()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Record(time.Duration(i)*25*time.Microsecond, time.Duration(i%100_000)*time.Microsecond)
	}
}
