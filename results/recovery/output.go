package recovery

import (
	"math"

	"lkbench/results"
)

// signal is a count of a row that says that something came out.
type signal struct {
	name string
	of   func(t results.Tenth) *int64
}

const (
	// atOnce is how soon after its injection a fault that is over at once shows itself, in milliseconds.
	atOnce = 1000
	// rare is a silence, in milliseconds, from which on alerts tell too late that a stream runs again.
	rare = 1000
)

// firstOutput is the end of the longest silence that the fault caused. A silence is a time of rows without output, between rows with. It is
// the fault's if it began while the fault was there, and is longer than every one of the baseline.
func (m *measurement) firstOutput() {
	if len(m.base.Tenths) < fewest {
		m.out.FirstOutput = unknown(noBaseline("output", len(m.base.Tenths)))
		return
	}
	out := signal{"alerts", func(t results.Tenth) *int64 { return t.Alerts }}
	usual := longestSilence(m.base.Tenths, out)
	processed := signal{"processed events", func(t results.Tenth) *int64 { return t.Processed }}
	if s := longestSilence(m.base.Tenths, processed); usual > rare && s < usual {
		out, usual = processed, s
		m.note("first output is by processed events: alerts were too rare")
	}
	if math.IsInf(usual, 1) {
		m.out.FirstOutput = unknown("no baseline: neither alerts nor processed events were seen")
		return
	}
	// Without load nothing has to come out. A backlog may still come out then, and ends a silence.
	begins := min(m.until, m.loadEnd(), max(m.ended, m.injected+atOnce))
	longest, end := usual, 0.0
	since := m.silentSince(out)
	for _, t := range m.after.Tenths {
		if v := out.of(t); v == nil || *v <= 0 {
			continue
		}
		if length := float64(t.AtMS) - since; since < begins && length > longest {
			longest, end = length, rowEnd(t)
		}
		since = rowEnd(t)
	}
	switch {
	case since < begins && min(m.until, m.loadEnd())-since > longest:
		m.out.FirstOutput = censored(m.until - m.injected)
	case end == 0:
		m.note("output never stopped for longer than before (%.1f s of %s)", usual/1000, out.name)
		m.out.FirstOutput = after(0)
	default:
		m.out.FirstOutput = after(end - m.injected)
	}
}

// silentSince is the end of the last row with output before the injection; the injection where none is known.
func (m *measurement) silentSince(out signal) float64 {
	since := math.Inf(-1)
	for _, t := range m.Tenths {
		if rowEnd(t) > m.injected {
			break
		}
		if v := out.of(t); v != nil && *v > 0 {
			since = rowEnd(t)
		}
	}
	if math.IsInf(since, -1) {
		return m.injected
	}
	return since
}

// longestSilence is in milliseconds, between rows with output; infinite where there were fewer than two of them.
func longestSilence(rows []results.Tenth, out signal) float64 {
	longest, seen, since := 0.0, 0, 0.0
	for _, t := range rows {
		if v := out.of(t); v == nil || *v <= 0 {
			continue
		}
		if seen > 0 {
			longest = max(longest, float64(t.AtMS)-since)
		}
		seen, since = seen+1, rowEnd(t)
	}
	if seen < 2 {
		return math.Inf(1)
	}
	return longest
}

// downtime is the time of rows in which events were offered and none was processed, less the share of such rows in the baseline. A row of
// which nobody could be asked counts as one of them.
func (m *measurement) downtime() {
	if len(m.base.Tenths) < fewest {
		return
	}
	usual, _, known := stopped(m.base.Tenths)
	if known == 0 {
		return
	}
	rows := loaded(m.after.Tenths)
	down, unasked, known := stopped(rows)
	if known == 0 {
		return
	}
	extra := float64(down) - float64(usual)/float64(len(m.base.Tenths))*float64(len(rows))
	m.out.DowntimeS = new(seconds(max(0, math.Round(extra)*rowMS)))
	if unasked > 0 {
		m.note("downtime counts %.1f s in which nobody could say what was processed", float64(unasked)*rowMS/1000)
	}
}

// stopped counts rows without a processed event, those of them that are not known, and those that are.
func stopped(rows []results.Tenth) (down, unasked, known int) {
	for _, t := range rows {
		switch {
		case t.Processed == nil:
			down, unasked = down+1, unasked+1
		case *t.Processed <= 0:
			down, known = down+1, known+1
		default:
			known++
		}
	}
	return down, unasked, known
}

// excess is the area of lag above the baseline's median from the injection until lag was back, or as long as it is known to have been away: each
// sample stands for the time since the one before, so that missing rows are filled with a straight line.
func (m *measurement) excess(samples []sample, usual float64) {
	s := m.out.LagBack
	if s.S == nil {
		return
	}
	until := m.injected + milliseconds(*s.S)
	area, previous := 0.0, sample{m.injected, usual}
	for _, now := range samples {
		if now.at > until {
			break
		}
		above := max(0, now.value-usual)
		// A row's lag is that at its end; over a row that is as good as the row itself. Over a gap it would be too much.
		if now.at-previous.at > 1.5*rowMS {
			above = (above + max(0, previous.value-usual)) / 2
		}
		area += above * (now.at - previous.at) / 1000
		previous = now
	}
	m.out.ExcessEventSeconds = &area
}
