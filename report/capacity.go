package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// CapacityProbe is one try of a rate in the search for the highest one that is sustained.
type CapacityProbe struct {
	Rate     float64 // events per second
	Held     bool
	P99MS    *float64 // of alerts; nil: not measured
	LagSlope *float64 // as a share of the offered rate; nil: not measured
}

// CapacityPNG draws alert p99 and the slope of the lag against the rate, discs for the rates that were held and crosses for those
// that were not, and a line at the rate that was found.
func CapacityPNG(heading string, found float64, probes []CapacityProbe) ([]byte, error) {
	latency := newPlot()
	latency.Title.Text = shorten(printable(heading), 90)
	latency.Y.Label.Text = "alert p99, ms"
	latency.Y.Scale, latency.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
	latency.Y.Min, latency.Y.Max = math.Inf(1), math.Inf(-1)
	err := capacityPanel(latency, found, probes, func(p CapacityProbe) *float64 {
		if p.P99MS == nil {
			return nil
		}
		return new(max(*p.P99MS, resolution))
	})
	if err != nil {
		return nil, err
	}
	logHeadroom(latency)

	lag := newPlot()
	lag.X.Label.Text = "offered rate, events/s"
	lag.Y.Label.Text = "lag slope, % of the rate"
	lag.Y.Tick.Marker = plot.TickerFunc(linearTicks)
	lag.Y.Min, lag.Y.Max = -1, 2
	err = capacityPanel(lag, found, probes, func(p CapacityProbe) *float64 {
		if p.LagSlope == nil {
			return nil
		}
		return new(100 * *p.LagSlope)
	})
	if err != nil {
		return nil, err
	}
	return render([]*plot.Plot{latency, lag})
}

// capacityPanel draws one figure of all probes against the rate.
func capacityPanel(p *plot.Plot, found float64, probes []CapacityProbe, of func(CapacityProbe) *float64) error {
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
	p.X.Min, p.X.Max = found, found
	marks := map[bool]plotter.XYs{}
	for _, probe := range probes {
		p.X.Min, p.X.Max = min(p.X.Min, probe.Rate), max(p.X.Max, probe.Rate)
		if v := of(probe); v != nil {
			marks[probe.Held] = append(marks[probe.Held], plotter.XY{X: probe.Rate, Y: *v})
			p.Y.Min, p.Y.Max = min(p.Y.Min, *v), max(p.Y.Max, *v)
		}
	}
	p.X.Min, p.X.Max = p.X.Min/1.2, p.X.Max*1.2
	p.Add(verticalLine{at: found, color: textGrey})
	for _, kind := range []struct {
		held  bool
		style draw.GlyphStyle
	}{
		{true, draw.GlyphStyle{Color: blue, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}},
		{false, draw.GlyphStyle{Color: vermillion, Radius: vg.Points(4), Shape: draw.CrossGlyph{}}},
	} {
		if len(marks[kind.held]) == 0 {
			continue
		}
		scatter, err := plotter.NewScatter(marks[kind.held])
		if err != nil {
			return fmt.Errorf("draw the tries of a search: %w", err)
		}
		scatter.GlyphStyle = kind.style
		p.Add(scatter)
	}
	p.Add(key{{"held (disc)", blue}, {"not held (cross)", vermillion}, {"found (line)", textGrey}})
	return nil
}

// verticalLine is a line over the whole height of a plot.
type verticalLine struct {
	at    float64
	color color.Color
}

// Plot implements plot.Plotter.
func (l verticalLine) Plot(c draw.Canvas, p *plot.Plot) {
	transform, _ := p.Transforms(&c)
	x := transform(l.at)
	c.StrokeLine2(draw.LineStyle{Color: l.color, Width: vg.Points(1)}, x, c.Min.Y, x, c.Max.Y)
}
