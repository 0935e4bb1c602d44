package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lkbench/results"
)

// shades draws the phases of a run behind the lines.
type shades []results.Phase

// phaseColor is the background of a phase; a baseline has none.
func phaseColor(name string) (color.Color, bool) {
	switch name {
	case "warm-up":
		return color.RGBA{0xee, 0xee, 0xf4, 0xff}, true
	case "fault":
		return color.RGBA{0xfb, 0xe3, 0xd6, 0xff}, true
	case "recovery":
		return color.RGBA{0xfd, 0xf3, 0xd9, 0xff}, true
	case "drain":
		return color.RGBA{0xe2, 0xf1, 0xea, 0xff}, true
	}
	return nil, false
}

// Plot implements plot.Plotter.
func (s shades) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, phase := range s {
		from, to := x(max(phase.FromS, p.X.Min)), x(min(phase.ToS, p.X.Max))
		if to <= from {
			continue
		}
		if background, ok := phaseColor(phase.Name); ok {
			c.FillPolygon(background, []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
		}
		style := p.X.Tick.Label
		style.XAlign, style.YAlign = draw.XLeft, draw.YTop
		name := printable(phase.Name)
		if style.Width(name)+vg.Points(6) < to-from {
			c.FillText(style, vg.Point{X: from + vg.Points(3), Y: c.Max.Y - vg.Points(3)}, name)
		}
	}
}

// key names the lines of a plot, beside each other at the top right, under the names of the phases.
type key []keyEntry

type keyEntry struct {
	name  string
	color color.Color
}

// Plot implements plot.Plotter.
func (k key) Plot(c draw.Canvas, p *plot.Plot) {
	style := p.X.Tick.Label
	style.Color = color.Black
	style.XAlign, style.YAlign = draw.XRight, draw.YTop
	right, top := c.Max.X-vg.Points(4), c.Max.Y-vg.Points(16)
	for i := len(k) - 1; i >= 0; i-- {
		c.FillText(style, vg.Point{X: right, Y: top}, k[i].name)
		right -= style.Width(k[i].name) + vg.Points(4)
		middle := top - style.Height(k[i].name)/2
		c.StrokeLine2(draw.LineStyle{Color: k[i].color, Width: vg.Points(2.4)}, right-vg.Points(14), middle, right, middle)
		right -= vg.Points(26)
	}
}
