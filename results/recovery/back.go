package recovery

import (
	"fmt"
	"math"

	"lkbench/results"
)

// stretch is a time in which every sample was in band and no two were further apart than the longest gap. It is the first
// and the last sample's time; a stretch that goes on from before the fault begins at the injection.
type stretch struct {
	from, to float64
	first    bool // it begins at the injection
}

// back is when a value was back in its band, at most limit, and stayed there for the time to hold. It is counted from the injection
// to the first sample of the stretch in band that lasted so long.
//
// A value that leaves its band again after that has come back twice: then the last return counts, if it was away for at least the time to
// hold, or left while the fault was still there. Shorter absences afterwards are noted only. Missing samples count as
// time out of band, since nobody can say that it was held. end is until when samples are to be expected.
func (m *measurement) back(what string, samples []sample, limit, end, gap float64) results.Span {
	hold := m.Bands.HoldMS
	if len(samples) == 0 {
		return unknown("no samples of " + what + " after the fault")
	}
	last := samples[len(samples)-1]
	if end-last.at <= gap {
		end = last.at
	}
	var held []stretch
	for _, s := range stretches(samples, m.injected, limit, gap) {
		if s.to-m.heldFrom(s) >= hold {
			held = append(held, s)
		}
	}
	if len(held) == 0 {
		return m.notBack(what, samples, limit, end)
	}
	returned, again, blips, longest := held[0], 0, 0, 0.0
	left := func(from, to float64) bool {
		if to-from >= hold || from < m.ended {
			again++
			return true
		}
		blips, longest = blips+1, max(longest, to-from)
		return false
	}
	for i, s := range held[1:] {
		if left(held[i].to, s.from) {
			returned = s
		}
	}
	if tail := held[len(held)-1].to; tail < end && left(tail, end) {
		return m.notBack(what, samples, limit, end)
	}
	if blips > 0 {
		m.note("%s left its band again after its return, %d times, for at most %.1f s: shorter than the time to hold", what, blips, longest/1000)
	}
	// Rows of a fault that shows later begin in band; only a second return is worth a word.
	if !held[0].first && again > 0 || again > 1 {
		m.note("%s was back before and left its band again; the last return counts", what)
	}
	m.noteGaps(what, samples, gap)
	if returned.first {
		if again == 0 && blips == 0 && returned.to == last.at {
			m.note("%s never left its band", what)
		}
		return after(0)
	}
	if m.EndedS != nil && returned.from < m.ended {
		m.note("%s was back %.1f s before the fault ended", what, (m.ended-returned.from)/1000)
	}
	return after(returned.from - m.injected)
}

// stretches cuts samples at those out of band and at gaps.
func stretches(samples []sample, injected, limit, gap float64) []stretch {
	var all []stretch
	previous, inside := injected, false
	for i, s := range samples {
		switch near := s.at-previous <= gap; {
		case s.value > limit:
			inside = false
		case inside && near:
			all[len(all)-1].to = s.at
		case i == 0 && near:
			all, inside = append(all, stretch{injected, s.at, true}), true
		default:
			all, inside = append(all, stretch{s.at, s.at, false}), true
		}
		previous = s.at
	}
	return all
}

// heldFrom is from when a stretch counts as held: not before the fault ended, because what a fault does may show only then, as a
// broker that is back brings all that was sent meanwhile. A fault whose end is not known sets no such time.
func (m *measurement) heldFrom(s stretch) float64 {
	if math.IsInf(m.ended, 1) {
		return s.from
	}
	return max(s.from, m.ended)
}

// notBack is the span of a value that did not come back, or of which nobody can say whether it did.
func (m *measurement) notBack(what string, samples []sample, limit, end float64) results.Span {
	last, hold := samples[len(samples)-1].at, m.Bands.HoldMS
	if end > last && end-last >= hold {
		return unknown(fmt.Sprintf("no samples of %s in the last %.1f s of the observation", what, (end-last)/1000))
	}
	// The time in band at the end.
	from := m.injected
	for i, s := range samples {
		if s.value > limit {
			if i == len(samples)-1 {
				return censored(last - m.injected)
			}
			from = samples[i+1].at
		}
	}
	if last-from >= hold {
		return unknown(fmt.Sprintf("samples of %s have gaps: in the last %.1f s no %.1f s of them are without one", what, (last-from)/1000, hold/1000))
	}
	if from == m.injected {
		return unknown(fmt.Sprintf("%s was observed for %.1f s, which is less than the time to hold", what, (last-from)/1000))
	}
	m.note("%s was in its band for the last %.1f s, which is less than the time to hold", what, (last-from)/1000)
	return censored(from - m.injected)
}

// noteGaps tells of samples that are missing.
func (m *measurement) noteGaps(what string, samples []sample, gap float64) {
	previous, missing, longest := m.injected, 0, 0.0
	for _, s := range samples {
		if s.at-previous > gap {
			missing, longest = missing+1, max(longest, s.at-previous)
		}
		previous = s.at
	}
	if missing > 0 {
		m.note("samples of %s are missing %d times, for at most %.1f s; they count as out of band", what, missing, longest/1000)
	}
}
