package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lkbench/results"
)

// charts is the data of the pictures in report.html, as the script in the page reads it. Null is not measured.
type charts struct {
	Phases   []chartPhase `json:"phases"`
	Faults   []chartFault `json:"faults"`
	Until    float64      `json:"until"`  // seconds on the time axis
	CurveX   []float64    `json:"curveX"` // 1/(1−q)
	Curves   []chartCurve `json:"curves"`
	Seconds  []int        `json:"seconds"`
	Timeline chartLines   `json:"timeline"`
	CPU      []chartUse   `json:"cpu"`
	RSS      []chartUse   `json:"rss"` // MiB
}

type chartPhase struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

type chartFault struct {
	Name  string      `json:"name"`
	From  float64     `json:"from"`
	To    float64     `json:"to"`
	Marks []chartMark `json:"marks"` // those that came
}

type chartMark struct {
	Symbol string  `json:"symbol"`
	At     float64 `json:"at"`
}

type chartCurve struct {
	Label  string     `json:"label"`
	Hidden bool       `json:"hidden"` // until the reader asks for it
	MS     []*float64 `json:"ms"`     // at the same place of CurveX
}

type chartLines struct {
	Offered   []*int64   `json:"offered"`
	Acked     []*int64   `json:"acked"`
	Processed []*int64   `json:"processed"`
	Lag       []*int64   `json:"lag"`
	AlertP50  []*float64 `json:"alertP50"`
	AlertP99  []*float64 `json:"alertP99"`
	QueryP99  []*float64 `json:"queryP99"`
}

type chartUse struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
}

func chartData(run *Run) charts {
	c := charts{Phases: []chartPhase{}, Faults: []chartFault{}, CurveX: []float64{}, Curves: []chartCurve{}, CPU: []chartUse{}, RSS: []chartUse{}}
	_, c.Until = span(run)
	for _, p := range run.Record.Phases {
		c.Phases = append(c.Phases, chartPhase{p.Name, p.FromS, p.ToS})
	}
	for i, f := range run.Record.Faults {
		if f.InjectedAtS == nil {
			continue
		}
		fault := chartFault{fmt.Sprintf("%d %s of %s", i+1, f.Kind, f.Target), *f.InjectedAtS, faultEnd(f), []chartMark{}}
		for _, m := range marks(f) {
			if m.span.S != nil && !m.span.Censored {
				fault.Marks = append(fault.Marks, chartMark{m.symbol, m.at})
			}
		}
		c.Faults = append(c.Faults, fault)
	}
	c.addCurves(run)

	seconds := withGaps(run.Timeline)
	each := func(do func(s results.Second)) {
		for _, s := range seconds {
			do(s)
		}
	}
	t := &c.Timeline
	c.Seconds = []int{}
	each(func(s results.Second) {
		c.Seconds = append(c.Seconds, s.Second)
		t.Offered, t.Acked, t.Processed, t.Lag = append(t.Offered, s.Offered), append(t.Acked, s.Acked), append(t.Processed, s.Processed), append(t.Lag, s.Lag)
		t.AlertP50, t.AlertP99, t.QueryP99 = append(t.AlertP50, visible(s.AlertP50MS)), append(t.AlertP99, visible(s.AlertP99MS)), append(t.QueryP99, visible(s.QueryP99MS))
	})
	for _, name := range componentNames([]*Run{run}) {
		cpu, rss := chartUse{Name: name}, chartUse{Name: name}
		each(func(s results.Second) {
			cpu.Values, rss.Values = append(cpu.Values, nil), append(rss.Values, nil)
			if v, ok := s.CPU[name]; ok {
				cpu.Values[len(cpu.Values)-1] = &v
			}
			if v, ok := s.RSS[name]; ok {
				rss.Values[len(rss.Values)-1] = new(float64(v) / (1 << 20))
			}
		})
		c.CPU, c.RSS = append(c.CPU, cpu), append(c.RSS, rss)
	}
	return c
}

// addCurves puts all curves on one grid. Those of single rules are hidden at first.
func (c *charts) addCurves(run *Run) {
	labels := []struct{ tag, label string }{
		{results.TagAlert, "alert"}, {results.TagQuery, "query"}, {results.TagFreshness, "freshness"},
		{results.TagAck, "acknowledgement"}, {results.TagScheduleDelay, "schedule delay"},
	}
	known := len(labels)
	for _, tag := range slices.Sorted(maps.Keys(run.Series)) {
		if rule, ok := strings.CutPrefix(tag, results.TagAlert+"."); ok {
			labels = append(labels, struct{ tag, label string }{tag, "alert, " + rule})
		}
	}
	for i, l := range labels {
		points := curve(run.Series[l.tag])
		if len(points) == 0 {
			continue
		}
		line := chartCurve{Label: l.label, Hidden: i >= known}
		for j, p := range points {
			if j == len(c.CurveX) {
				c.CurveX = append(c.CurveX, p.beyond)
			}
			line.MS = append(line.MS, &p.ms)
		}
		c.Curves = append(c.Curves, line)
	}
	for i := range c.Curves {
		for len(c.Curves[i].MS) < len(c.CurveX) {
			c.Curves[i].MS = append(c.Curves[i].MS, nil)
		}
	}
}

// withGaps puts one empty second where seconds are missing, so that no line is drawn across them.
func withGaps(timeline []results.Second) []results.Second {
	var all []results.Second
	for i, s := range timeline {
		if i > 0 && s.Second != timeline[i-1].Second+1 {
			all = append(all, results.Second{Second: timeline[i-1].Second + 1})
		}
		all = append(all, s)
	}
	return all
}

// visible moves a latency of zero to where a logarithmic axis can show it.
func visible(ms *float64) *float64 {
	if ms == nil {
		return nil
	}
	return new(max(*ms, resolution))
}
