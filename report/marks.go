package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lkbench/results"
)

// mark is one moment of a recovery. Its shape tells it from the others, not its colour.
type mark struct {
	name   string
	symbol string // for where text is all there is
	shape  draw.GlyphDrawer
	span   results.Span // from the injection
	at     float64      // seconds from the first intended send; of what was not measured 0
}

// marks are the moments of a fault's recovery, in the order in which they usually come.
func marks(f results.Fault) []mark {
	if f.Recovery == nil || f.InjectedAtS == nil {
		return nil
	}
	r := f.Recovery
	all := []mark{
		{name: "detected", symbol: "×", shape: draw.CrossGlyph{}, span: r.Detection},
		{name: "first output", symbol: "▲", shape: draw.PyramidGlyph{}, span: r.FirstOutput},
		{name: "lag back", symbol: "■", shape: draw.BoxGlyph{}, span: r.LagBack},
		{name: "p99 back", symbol: "△", shape: draw.TriangleGlyph{}, span: r.P99Back},
		{name: "freshness back", symbol: "●", shape: draw.CircleGlyph{}, span: r.FreshnessBack},
		{name: "all right", symbol: "○", shape: draw.RingGlyph{}, span: r.AllRight},
	}
	for i := range all {
		if s := all[i].span.S; s != nil {
			all[i].at = *f.InjectedAtS + *s
		}
	}
	return all
}

// faultName is what a fault is called in pictures.
func faultName(f results.Fault) string { return printable(f.Kind + " of " + f.Target) }

// faultEnd is the end of a fault's cause; the end of the observation where it stayed.
func faultEnd(f results.Fault) float64 {
	switch {
	case f.EndedAtS != nil:
		return *f.EndedAtS
	case f.Recovery != nil:
		return *f.InjectedAtS + f.Recovery.ObservedS
	}
	return *f.InjectedAtS
}

var (
	faultGrey = color.RGBA{0x33, 0x33, 0x33, 0xff}
	markGrey  = color.RGBA{0x77, 0x77, 0x77, 0xff}
	dotted    = draw.LineStyle{Color: markGrey, Width: vg.Points(0.8), Dashes: []vg.Length{vg.Points(1.5), vg.Points(2)}}
	dashed    = draw.LineStyle{Color: faultGrey, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(2)}}
)

// faultSpans draws the faults of a run over a timeline: a bar on the ground of the plot from injection to end with the fault's name on it, a
// dashed line at the injection, and a dotted line with its shape for every moment of the recovery that was measured.
type faultSpans []results.Fault

// Plot implements plot.Plotter.
func (s faultSpans) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	inside := func(at float64) bool { return at >= p.X.Min && at <= p.X.Max }
	for _, f := range s {
		if f.InjectedAtS == nil {
			continue
		}
		from, to := x(max(p.X.Min, min(*f.InjectedAtS, p.X.Max))), x(min(faultEnd(f), p.X.Max))
		const bar = 5
		to = max(to, from+vg.Points(2))
		c.FillPolygon(faultGrey, []vg.Point{{X: from, Y: c.Max.Y}, {X: to, Y: c.Max.Y}, {X: to, Y: c.Max.Y - vg.Points(bar)}, {X: from, Y: c.Max.Y - vg.Points(bar)}})
		if inside(*f.InjectedAtS) {
			c.StrokeLine2(dashed, from, c.Min.Y, from, c.Max.Y)
		}
		for _, m := range marks(f) {
			if m.span.S == nil || m.span.Censored || !inside(m.at) {
				continue
			}
			c.StrokeLine2(dotted, x(m.at), c.Min.Y, x(m.at), c.Max.Y-vg.Points(bar))
			c.DrawGlyph(draw.GlyphStyle{Color: faultGrey, Radius: vg.Points(3), Shape: m.shape}, vg.Point{X: x(m.at), Y: c.Min.Y + vg.Points(5)})
		}
	}
}

// onGround writes text on a white ground, so that no line runs through it.
func onGround(c draw.Canvas, style draw.TextStyle, at vg.Point, text string) {
	box := style.Rectangle(text).Add(at)
	c.FillPolygon(color.White, []vg.Point{{X: box.Min.X - 2, Y: box.Min.Y}, {X: box.Max.X + 2, Y: box.Min.Y}, {X: box.Max.X + 2, Y: box.Max.Y}, {X: box.Min.X - 2, Y: box.Max.Y}})
	c.FillText(style, at, text)
}

// faultNames writes the names of faults under those of the lines, a line further down where it would touch the one before.
type faultNames []results.Fault

// Plot implements plot.Plotter.
func (s faultNames) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := p.X.Tick.Label
	style.Color, style.YAlign = faultGrey, draw.YTop
	line, end := 0, vg.Length(0)
	for i, f := range s {
		if f.InjectedAtS == nil || *f.InjectedAtS < p.X.Min || *f.InjectedAtS > p.X.Max {
			continue
		}
		name, at := fmt.Sprintf("%d %s", i+1, faultName(f)), x(*f.InjectedAtS)+vg.Points(3)
		style.XAlign = draw.XLeft
		if at+style.Width(name) > c.Max.X {
			style.XAlign, at = draw.XRight, at-vg.Points(6)
		}
		if at < end {
			line++
		} else {
			line = 0
		}
		end = max(end, at+style.Width(name)+vg.Points(4))
		onGround(c, style, vg.Point{X: at, Y: c.Max.Y - vg.Points(29) - vg.Points(11)*vg.Length(line%2)}, name)
	}
}

// markKey names the shapes of a recovery, beside each other under the top of a plot.
type markKey struct{}

// Plot implements plot.Plotter.
func (markKey) Plot(c draw.Canvas, p *plot.Plot) {
	style := p.X.Tick.Label
	style.Color, style.XAlign, style.YAlign = faultGrey, draw.XLeft, draw.YTop
	left, top := c.Min.X+vg.Points(6), c.Max.Y-vg.Points(18)
	for _, m := range marks(results.Fault{InjectedAtS: new(0.0), Recovery: &results.Recovery{}}) {
		onGround(c, style, vg.Point{X: left + vg.Points(7), Y: top}, m.name)
		c.DrawGlyph(draw.GlyphStyle{Color: faultGrey, Radius: vg.Points(3), Shape: m.shape}, vg.Point{X: left, Y: top - style.Height(m.name)/2})
		left += style.Width(m.name) + vg.Points(20)
	}
}
