// Package recovery measures how a system got over a fault, from what was seen of it: rows of 100 ms and answers to queries.
// It is arithmetic alone, so that a saved run gives the same figures again. The definitions stand in docs/measuring.md.
package recovery

import (
	"fmt"
	"math"
	"slices"

	"lkbench/results"
)

// Kind is what became of a probe query.
type Kind string

// The kinds of an Answer.
const (
	Right  Kind = "right"
	Stale  Kind = "stale"  // right for an earlier prefix
	Wrong  Kind = "wrong"  // right for no prefix
	Failed Kind = "failed" // no answer
)

// Answer is one probe query. AgeMS is its freshness; wrong and failed ones have none.
type Answer struct {
	AtMS  int64 // its intended time, since the first intended send
	Kind  Kind
	AgeMS float64
}

// Bands say when a value counts as recovered; see scenarios.Recovery. All are in milliseconds, the factors without unit.
type Bands struct {
	HoldMS         float64
	LagFactor      float64
	LagFloorMS     float64 // of events at the offered rate
	LatencyFactor  float64 // of alert p99 and of freshness
	LatencyFloorMS float64
}

// Seen is what was seen of a run: rows in order of time, answers in any order, since queries overtake each other.
type Seen struct {
	Tenths  []results.Tenth
	Answers []Answer
}

// Input is one fault and what was seen around it. Times are seconds from the first intended send.
type Input struct {
	Seen
	InjectedS float64
	EndedS    *float64 // when the cause was taken away; nil: never
	DetectedS *float64 // when the target's end was noticed; nil: it ended nothing
	UntilS    float64  // the end of the observation, or the next fault
	NextFault bool     // UntilS is the next fault
	// BaselineFromS and BaselineToS bound the time before the fault that the bands are taken from.
	BaselineFromS, BaselineToS float64
	Control                    *Control // nil: there was none
	Bands                      Bands
}

// Control is a run of the same scenario without faults, on the same clock: its own first intended send.
type Control struct {
	Run string // its id
	Seen
}

// Measure gives the recovery from one fault.
func Measure(in Input) results.Recovery {
	m := measurement{Input: in, injected: milliseconds(in.InjectedS), until: milliseconds(in.UntilS)}
	m.out.ObservedS = seconds(m.until - m.injected)
	m.out.Notes = []string{}
	if in.NextFault {
		m.note("observed until the next fault only, for %.1f s", m.out.ObservedS)
	}
	m.ended = math.Inf(1)
	if in.EndedS != nil {
		m.ended = milliseconds(*in.EndedS)
	}
	m.Seen = ordered(in.Seen)
	m.after = between(m.Seen, m.injected, m.until)
	m.base, m.out.Baseline = between(m.Seen, milliseconds(in.BaselineFromS), milliseconds(in.BaselineToS)), "before the fault"
	if in.Control != nil {
		m.base, m.out.Baseline, m.out.ControlRun = between(ordered(in.Control.Seen), m.injected, m.until), "control", in.Control.Run
	}
	m.base.Tenths = loaded(m.base.Tenths) // probes end with the load by themselves

	m.detection()
	m.firstOutput()
	m.lag()
	m.latency()
	m.answers()
	m.downtime()
	return m.out
}

// measurement is the state of one Measure. Times are milliseconds.
type measurement struct {
	Input
	injected, ended, until float64
	base, after            Seen // what the bands are taken from, and what is held against them
	out                    results.Recovery
}

func (m *measurement) note(format string, args ...any) {
	m.out.Notes = append(m.out.Notes, fmt.Sprintf(format, args...))
}

func (m *measurement) detection() {
	if m.DetectedS == nil {
		m.out.Detection = unknown("nobody saw the target end: the fault ended nothing, or its end was not noticed")
		return
	}
	m.out.Detection = after(milliseconds(*m.DetectedS) - m.injected)
}

// lag gives when lag was back, its peak and the area above the baseline.
func (m *measurement) lag() {
	var values []float64
	events, known := 0.0, 0.0 // offered in the baseline, and the rows that say so
	for _, t := range m.base.Tenths {
		if t.Offered != nil {
			events, known = events+float64(*t.Offered), known+1
		}
		if t.Lag != nil {
			values = append(values, float64(*t.Lag))
		}
	}
	limit, ok := edge(values, m.Bands.LagFactor, m.Bands.LagFloorMS*events/max(1, known)/rowMS)
	var samples []sample
	for _, t := range m.after.Tenths {
		if t.Lag != nil {
			samples = append(samples, sample{rowEnd(t), float64(*t.Lag)})
			m.out.PeakLag = higher(m.out.PeakLag, *t.Lag)
		}
	}
	if !ok {
		m.out.LagBack = unknown(noBaseline("lag", len(values)))
		return
	}
	m.out.LagBack = m.back("lag", samples, limit, m.until, longestGapMS)
	m.lagOutsideLoad()
	m.excess(samples, median(values))
}

// lagOutsideLoad notes a return that is none: without load every backlog goes.
func (m *measurement) lagOutsideLoad() {
	if s := m.out.LagBack; s.S != nil && !s.Censored && m.injected+milliseconds(*s.S) > m.loadEnd()+rowMS {
		m.note("lag was back only after the load had ended")
	}
}

// latency gives when alert p99 was back, and its peak.
func (m *measurement) latency() {
	var values []float64
	for _, t := range m.base.Tenths {
		if t.AlertP99MS != nil {
			values = append(values, *t.AlertP99MS)
		}
	}
	var samples []sample
	for _, t := range m.after.Tenths {
		if t.AlertP99MS != nil {
			samples = append(samples, sample{rowEnd(t), *t.AlertP99MS})
			m.out.PeakP99MS = higher(m.out.PeakP99MS, *t.AlertP99MS)
		}
	}
	limit, ok := edge(values, m.Bands.LatencyFactor, m.Bands.LatencyFloorMS)
	if !ok {
		m.out.P99Back = unknown(noBaseline("alert p99", len(values)))
		return
	}
	m.out.P99Back = m.back("alert p99", samples, limit, min(m.until, m.loadEnd()), longestGapMS)
}

// answers gives when freshness was back, when all answers were right, and how many were not.
func (m *measurement) answers() {
	var values, distances []float64
	for i, a := range m.base.Answers {
		if a.fresh() {
			values = append(values, a.AgeMS)
		}
		if i > 0 {
			distances = append(distances, float64(a.AtMS-m.base.Answers[i-1].AtMS))
		}
	}
	for _, a := range m.after.Answers {
		switch a.Kind {
		case Wrong:
			m.out.WrongAnswers++
		case Failed:
			m.out.FailedQueries++
		}
	}
	limit, ok := edge(values, m.Bands.LatencyFactor, m.Bands.LatencyFloorMS)
	if !ok {
		m.out.FreshnessBack = unknown(noBaseline("freshness", len(values)))
		m.out.AllRight = unknown(noBaseline("freshness", len(values)))
		return
	}
	var samples []sample
	for _, a := range m.after.Answers {
		s := sample{float64(a.AtMS), a.AgeMS}
		if !a.fresh() {
			s.value = math.Inf(1)
		}
		samples = append(samples, s)
	}
	// Queries may be rarer than rows.
	gap := max(longestGapMS, 3*median(distances))
	end := min(m.until, m.loadEnd())
	m.out.FreshnessBack = m.back("freshness", samples, limit, end, gap)
	m.out.AllRight = m.allRight(samples, limit, end, gap)
}

// allRight is the time until the first answer from which on all were right, or stale by no more than limit.
func (m *measurement) allRight(answers []sample, limit, end, gap float64) results.Span {
	if len(answers) == 0 {
		return unknown("no answers after the fault")
	}
	if last := answers[len(answers)-1].at; end-last > gap {
		return unknown(fmt.Sprintf("no answers in the last %.1f s of the observation", (end-last)/1000))
	}
	for i, a := range slices.Backward(answers) {
		switch {
		case a.value <= limit:
		case i == len(answers)-1:
			return censored(a.at - m.injected)
		default:
			return after(answers[i+1].at - m.injected)
		}
	}
	m.note("every answer was right, and none staler than its band allows")
	return after(0)
}

// fresh says whether the answer has a freshness.
func (a Answer) fresh() bool { return a.Kind == Right || a.Kind == Stale }
