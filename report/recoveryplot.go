package report

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lkbench/results"
)

// recoveryHeight is the height of a picture of a recovery, in pixels.
const recoveryHeight = 900

// beforeFault is how many seconds before the fault its picture begins.
const beforeFault = 10

// RecoveryPNG draws the recovery from one of the run's faults, which must have taken effect, from rows of 100 ms: what happened
// when, rates, lag and the longest alert latency under each other.
func RecoveryPNG(run *Run, fault int) ([]byte, error) {
	f := run.Record.Faults[fault]
	if f.InjectedAtS == nil || f.Recovery == nil {
		return nil, fmt.Errorf("draw the recovery from fault %d: it has none", fault+1)
	}
	from, to := max(0, *f.InjectedAtS-beforeFault), *f.InjectedAtS+max(f.Recovery.ObservedS, 1)
	when := newPlot()
	when.Title.Text = title(fmt.Sprintf("Recovery from %s", faultName(f)), run)
	when.X.Min, when.X.Max, when.Y.Min, when.Y.Max = from, to, 0, 1
	when.X.Tick.Marker = plot.TickerFunc(linearTicks)
	moments := moments{f}
	when.Y.Tick.Marker = plot.TickerFunc(moments.ticks)
	when.Y.Tick.Length = 0
	when.Add(shades(run.Record.Phases), moments)

	perSecond := func(of func(t results.Tenth) *int64) func(t results.Tenth) *float64 {
		return func(t results.Tenth) *float64 {
			if v := of(t); v != nil {
				return new(float64(*v) * 10)
			}
			return nil
		}
	}
	panel := func(label string, logarithmic bool, traces ...trace[results.Tenth]) (*plot.Plot, error) {
		p, err := drawTraces(run, label, logarithmic, from, to, 0.1, run.Tenths, func(t results.Tenth) float64 { return float64(t.AtMS) / 1000 }, traces...)
		if err == nil {
			p.Add(faultSpans{f})
		}
		return p, err
	}
	rates, err := panel("events/s", false,
		trace[results.Tenth]{"offered", orange, perSecond(func(t results.Tenth) *int64 { return t.Offered })},
		trace[results.Tenth]{"processed", blue, perSecond(func(t results.Tenth) *int64 { return t.Processed })})
	if err != nil {
		return nil, err
	}
	lag, err := panel("lag, events", false, trace[results.Tenth]{"acknowledged, not yet processed", green, func(t results.Tenth) *float64 {
		if t.Lag == nil {
			return nil
		}
		return new(float64(*t.Lag))
	}})
	if err != nil {
		return nil, err
	}
	latency, err := panel("alert latency, ms", true, trace[results.Tenth]{"longest of 100 ms", vermillion, func(t results.Tenth) *float64 { return t.AlertMaxMS }})
	if err != nil {
		return nil, err
	}
	latency.X.Label.Text = "seconds since the first intended send"
	return renderHigh(recoveryHeight, []*plot.Plot{when, rates, lag, latency})
}

// moments draws a line for the fault and one for each mark: a bar from the injection to when it came, with its shape and the time. What
// had not come by the end of the observation is an open bar with an arrow; what was not measured has no bar.
type moments struct{ fault results.Fault }

// level is where line i lies, from the top.
func (m moments) level(i int) float64 {
	n := float64(len(marks(m.fault)) + 1)
	return 0.9 - 0.9*(float64(i)+0.5)/n
}

// ticks are the names of the lines.
func (m moments) ticks(_, _ float64) []plot.Tick {
	names := []plot.Tick{{Value: m.level(0), Label: "fault"}}
	for i, mark := range marks(m.fault) {
		names = append(names, plot.Tick{Value: m.level(i + 1), Label: mark.name})
	}
	return names
}

// Plot implements plot.Plotter.
func (m moments) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := p.X.Tick.Label
	style.Color, style.YAlign = faultGrey, draw.YCenter
	// Where there is no room behind the mark, text stands above it; that of the fault below, since the names of the phases are above.
	text := func(at, level, aside vg.Length, s string) {
		style.XAlign = draw.XLeft
		if at+style.Width(s) > c.Max.X {
			style.XAlign, at, level = draw.XRight, c.Max.X-vg.Points(8), level+aside
		}
		c.FillText(style, vg.Point{X: at, Y: level}, s)
	}
	injected := *m.fault.InjectedAtS
	from, to := x(injected), x(min(faultEnd(m.fault), p.X.Max))
	level, half := y(m.level(0)), vg.Points(4)
	to = max(to, from+vg.Points(2))
	c.FillPolygon(faultGrey, []vg.Point{{X: from, Y: level - half}, {X: to, Y: level - half}, {X: to, Y: level + half}, {X: from, Y: level + half}})
	lasted := "its cause stayed"
	if m.fault.EndedAtS != nil {
		lasted = decimals(new(*m.fault.EndedAtS-injected), 2) + " s"
	}
	text(to+vg.Points(6), level, -vg.Points(10), fmt.Sprintf("%s: %s", faultName(m.fault), lasted))
	c.StrokeLine2(dashed, from, c.Min.Y, from, c.Max.Y)

	for i, mark := range marks(m.fault) {
		level := y(m.level(i + 1))
		line := draw.LineStyle{Color: faultGrey, Width: vg.Points(1.6)}
		if mark.span.S == nil {
			text(from+vg.Points(6), level, 0, notMeasured+": "+printable(mark.span.Why))
			continue
		}
		at := x(min(mark.at, p.X.Max))
		if mark.span.Censored {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
			c.StrokeLine2(line, from, level, at, level)
			line.Dashes = nil
			for _, dy := range []vg.Length{-3, 3} {
				c.StrokeLine2(line, at-vg.Points(5), level+vg.Points(float64(dy)), at, level)
			}
			text(at+vg.Points(6), level, vg.Points(8), spanText(mark.span)+" (not by the end)")
			continue
		}
		c.StrokeLine2(line, from, level, at, level)
		c.DrawGlyph(draw.GlyphStyle{Color: faultGrey, Radius: vg.Points(3.5), Shape: mark.shape}, vg.Point{X: at, Y: level})
		text(at+vg.Points(7), level, vg.Points(8), spanText(mark.span))
	}
}
