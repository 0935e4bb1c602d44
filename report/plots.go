package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"lkbench/results"
)

// The pictures' size in pixels at 96 dots an inch.
const (
	plotWidth  = 1000
	plotHeight = 600
)

// Colours that people with any colour vision tell apart (Okabe and Ito).
var (
	blue       = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	vermillion = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	green      = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	orange     = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	purple     = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
	gridGrey   = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	textGrey   = color.RGBA{0x55, 0x55, 0x55, 0xff}
)

// LatencyPNG draws the percentile curves of alerts and queries.
func LatencyPNG(run *Run) ([]byte, error) {
	p := newPlot()
	p.Title.Text = title("Latency by percentile", run)
	p.X.Label.Text = "share of samples that were at least as fast"
	p.Y.Label.Text = "latency, ms"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(percentileTicks), plot.TickerFunc(logTicks)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 1, 10, math.Inf(1), math.Inf(-1)
	var names key
	for _, s := range []struct {
		tag, name string
		color     color.Color
	}{{results.TagAlert, "alert: intended send to visible", blue}, {results.TagQuery, "query: intended to answered", vermillion}} {
		var line plotter.XYs
		for _, at := range curve(run.Series[s.tag]) {
			line = append(line, plotter.XY{X: at.beyond, Y: at.ms})
			p.X.Max = max(p.X.Max, at.beyond)
			p.Y.Min, p.Y.Max = min(p.Y.Min, at.ms), max(p.Y.Max, at.ms)
		}
		if err := addLine(p, s.color, line); err != nil {
			return nil, err
		}
		names = append(names, keyEntry{s.name, s.color})
	}
	p.Add(names)
	p.X.Max *= 1.1
	logHeadroom(p)
	return render([]*plot.Plot{p})
}

// TimelinePNG draws the seconds of a run: rates, backlog and alert latency under each other, with the phases shaded.
func TimelinePNG(run *Run) ([]byte, error) {
	counts := func(of func(s results.Second) *int64) func(s results.Second) *float64 {
		return func(s results.Second) *float64 {
			if v := of(s); v != nil {
				return new(float64(*v))
			}
			return nil
		}
	}
	rates, err := panel(run, "events/s", false,
		trace[results.Second]{"offered", orange, counts(func(s results.Second) *int64 { return s.Offered })},
		trace[results.Second]{"processed", blue, counts(func(s results.Second) *int64 { return s.Processed })})
	if err != nil {
		return nil, err
	}
	rates.Title.Text = title("Every second of the run", run)
	if len(run.Record.Faults) > 0 {
		rates.Y.Max *= 1.25 // for their names
		rates.Add(faultNames(run.Record.Faults))
	}
	backlog, err := panel(run, "lag, events", false, trace[results.Second]{"acknowledged, not yet processed", green, counts(func(s results.Second) *int64 { return s.Lag })})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(run.Record.Faults, func(f results.Fault) bool { return f.Recovery != nil }) {
		backlog.Add(markKey{})
	}
	latency, err := panel(run, "alert latency, ms", true,
		trace[results.Second]{"p99", vermillion, func(s results.Second) *float64 { return s.AlertP99MS }},
		trace[results.Second]{"p50", purple, func(s results.Second) *float64 { return s.AlertP50MS }})
	if err != nil {
		return nil, err
	}
	latency.X.Label.Text = "seconds since the first intended send"
	return render([]*plot.Plot{rates, backlog, latency})
}

// panel is one of the plots of a timeline.
func panel(run *Run, label string, logarithmic bool, traces ...trace[results.Second]) (*plot.Plot, error) {
	from, to := span(run)
	p, err := drawTraces(run, label, logarithmic, from, to, 1, run.Timeline, func(s results.Second) float64 { return float64(s.Second) }, traces...)
	if err == nil {
		p.Add(faultSpans(run.Record.Faults))
	}
	return p, err
}

// logHeadroom leaves nearly a third of a logarithmic plot free above the lines, where the names stand.
func logHeadroom(p *plot.Plot) {
	if math.IsInf(p.Y.Min, 0) {
		p.Y.Min, p.Y.Max = 1, 10
	}
	p.Y.Min /= 1.3
	p.Y.Max *= math.Pow(p.Y.Max*2/p.Y.Min, 0.4)
}

// span is the time a timeline shows.
func span(run *Run) (from, to float64) {
	to = 1
	for _, p := range run.Record.Phases {
		to = max(to, p.ToS)
	}
	for _, s := range run.Timeline {
		to = max(to, float64(s.Second))
	}
	return 0, to
}

func title(what string, run *Run) string {
	return shorten(printable(fmt.Sprintf("%s: %s, scenario %s", what, run.Record.Arch, run.Record.Scenario)), 90)
}

func newPlot() *plot.Plot {
	p := plot.New()
	p.Title.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
	p.Title.Padding = vg.Points(6)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9.5}
		axis.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9}
		axis.Tick.Length = vg.Points(4)
		axis.Tick.Label.Color, axis.Label.TextStyle.Color = textGrey, textGrey
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = textGrey, textGrey
		axis.Padding = 0
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gridGrey, gridGrey
	p.Add(grid)
	return p
}

func addLine(p *plot.Plot, c color.Color, points plotter.XYs) error {
	if len(points) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return fmt.Errorf("draw a line: %w", err)
	}
	line.Color, line.Width = c, vg.Points(1.6)
	if len(points) == 1 {
		dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(1.8), Shape: draw.CircleGlyph{}}
		p.Add(dots)
	} else {
		p.Add(line)
	}
	return nil
}

// render draws plots under each other, their axes aligned, and gives the PNG.
func render(plots []*plot.Plot) ([]byte, error) { return renderHigh(plotHeight, plots) }

// renderHigh is render with another height in pixels.
func renderHigh(height float64, plots []*plot.Plot) ([]byte, error) {
	const inch = 96
	img := vgimg.NewWith(vgimg.UseWH(vg.Length(plotWidth)/inch*vg.Inch, vg.Length(height)/inch*vg.Inch), vgimg.UseDPI(inch))
	canvas := draw.Crop(draw.New(img), vg.Points(8), vg.Points(-16), vg.Points(6), vg.Points(-8))
	if len(plots) == 1 {
		plots[0].Draw(canvas)
	} else {
		rows := make([][]*plot.Plot, len(plots))
		for i, p := range plots {
			rows[i] = []*plot.Plot{p}
		}
		for i, row := range plot.Align(rows, draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(8)}, canvas) {
			plots[i].Draw(row[0])
		}
	}
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write a picture: %w", err)
	}
	return b.Bytes(), nil
}
