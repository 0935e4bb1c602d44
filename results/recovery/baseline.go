package recovery

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"lkbench/results"
)

const (
	rowMS = 100 // of one results.Tenth
	// longestGapMS is the longest time between two samples over which a value counts as held.
	longestGapMS = 300
	// fewest samples that make a baseline.
	fewest = 10
)

// sample is a value at a time, in milliseconds since the first intended send.
type sample struct{ at, value float64 }

// rowEnd is when the values of a row hold: none is known before its end.
func rowEnd(t results.Tenth) float64 { return float64(t.AtMS + rowMS) }

// ordered puts answers in the order of their intended times.
func ordered(s Seen) Seen {
	s.Answers = slices.SortedStableFunc(slices.Values(s.Answers), func(a, b Answer) int { return cmp.Compare(a.AtMS, b.AtMS) })
	return s
}

// between is what lies in the time from (exclusive) to (inclusive); a row counts by its end.
func between(s Seen, from, to float64) Seen {
	return Seen{
		Tenths:  cut(s.Tenths, from, to, rowEnd),
		Answers: cut(s.Answers, from, to, func(a Answer) float64 { return float64(a.AtMS) }),
	}
}

func cut[T any](all []T, from, to float64, at func(T) float64) []T {
	first := sort.Search(len(all), func(i int) bool { return at(all[i]) > from })
	last := sort.Search(len(all), func(i int) bool { return at(all[i]) > to })
	return all[min(first, last):last]
}

// loaded leaves out the rows without load: they say nothing about a system under load. A row of which nobody knows what was offered counts
// as one under load if one under load follows.
func loaded(rows []results.Tenth) []results.Tenth {
	var kept, unknown []results.Tenth
	for _, t := range rows {
		switch {
		case t.Offered == nil:
			unknown = append(unknown, t)
		case *t.Offered > 0:
			kept = append(append(kept, unknown...), t)
			unknown = nil
		default:
			unknown = nil
		}
	}
	return kept
}

// loadEnd is the end of the last row in which events were offered; the end of the observation where none says so.
func (m *measurement) loadEnd() float64 {
	for _, t := range slices.Backward(m.Tenths) {
		if t.Offered != nil && *t.Offered > 0 {
			return rowEnd(t)
		}
	}
	return m.until
}

// edge is the upper edge of a band: the baseline's 99th percentile times factor, at least floor above its median. A baseline of
// too few samples gives none.
func edge(baseline []float64, factor, floor float64) (limit float64, ok bool) {
	if len(baseline) < fewest {
		return 0, false
	}
	return max(quantile(baseline, 0.99)*factor, median(baseline)+floor), true
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the smallest value that at least the share q of all values does not exceed (nearest rank); 0 of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func noBaseline(what string, n int) string {
	return fmt.Sprintf("no baseline: %d samples of %s, %d are needed", n, what, fewest)
}

// after is a span that was measured, from milliseconds.
func after(ms float64) results.Span { return results.Span{S: new(seconds(max(0, ms)))} }

func censored(ms float64) results.Span {
	return results.Span{S: new(seconds(max(0, ms))), Censored: true}
}

func unknown(why string) results.Span { return results.Span{Why: why} }

// Times are whole milliseconds: none is known better, and their sums are exact.
func seconds(ms float64) float64     { return math.Round(ms) / 1000 }
func milliseconds(s float64) float64 { return math.Round(1000 * s) }

// higher is the higher one of a highest value so far, nil at first, and the next.
func higher[T cmp.Ordered](highest *T, v T) *T {
	if highest == nil || v > *highest {
		return &v
	}
	return highest
}
