package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// trace is one line of a timeline whose rows are of type R.
type trace[R any] struct {
	name  string
	color color.Color
	of    func(row R) *float64
}

// drawTraces is one plot of rows of any length, step seconds apart, between two times.
func drawTraces[R any](run *Run, label string, logarithmic bool, from, to, step float64, rows []R, at func(row R) float64, traces ...trace[R]) (*plot.Plot, error) {
	p := newPlot()
	p.Y.Label.Text = label
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(linearTicks), plot.TickerFunc(linearTicks)
	p.X.Min, p.X.Max = from, to
	p.Y.Min, p.Y.Max = 0, 1
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
		p.Y.Min, p.Y.Max = math.Inf(1), math.Inf(-1)
	}
	p.Add(shades(run.Record.Phases))
	var names key
	for _, t := range traces {
		var line plotter.XYs
		last := math.NaN()
		for _, row := range rows {
			v := t.of(row)
			if v == nil || at(row) < from || at(row) > to {
				continue
			}
			here := plotter.XY{X: at(row), Y: *v}
			if logarithmic {
				here.Y = max(here.Y, resolution)
			}
			// Nothing is drawn over rows that were not measured.
			if !(here.X-last < 1.5*step) {
				if err := addLine(p, t.color, line); err != nil {
					return nil, err
				}
				line = nil
			}
			line, last = append(line, here), here.X
			p.Y.Min, p.Y.Max = min(p.Y.Min, here.Y), max(p.Y.Max, here.Y)
		}
		if err := addLine(p, t.color, line); err != nil {
			return nil, err
		}
		names = append(names, keyEntry{t.name, t.color})
	}
	p.Add(names)
	if logarithmic {
		logHeadroom(p)
	} else {
		p.Y.Max *= 1.45
	}
	return p, nil
}
