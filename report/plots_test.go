package report

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot"

	"lkbench/results"
)

// A series of 1 to 10,000 ms has a curve that arithmetic gives, and it ends where ten samples lie beyond.
func TestCurveOfAKnownSeries(t *testing.T) {
	h := results.NewHistogram()
	for i := 1; i <= 10_000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	points := curve(h)
	if last := points[len(points)-1].beyond; math.Abs(last-1000) > 1e-6 || len(points) != 3*curveSteps+1 {
		t.Errorf("%d points up to %v", len(points), last)
	}
	for _, p := range points {
		want := max(1, 10_000*(1-1/p.beyond))
		if math.Abs(p.ms-want) > 0.001*want+0.5 {
			t.Errorf("at %v: %v ms, want %v", p.beyond, p.ms, want)
		}
	}
	if curve(nil) != nil || curve(results.NewHistogram()) != nil {
		t.Error("a curve of nothing")
	}
}

func pixels(t *testing.T, content []byte, c color.RGBA) (n int, box image.Rectangle) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != plotWidth || size.Y != plotHeight {
		t.Fatalf("the picture is %v", size)
	}
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Rect, img, image.Point{}, draw.Src)
	for i := 0; i < len(rgba.Pix); i += 4 {
		if [4]byte(rgba.Pix[i:]) == [4]byte{c.R, c.G, c.B, c.A} {
			n++
			x, y := i/4%plotWidth, i/4/plotWidth
			box = box.Union(image.Rect(x, y, x+1, y+1))
		}
	}
	return n, box
}

func TestPicturesShowTheirLines(t *testing.T) {
	run := sample(t, "lambda", 1)
	content, err := LatencyPNG(run)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]color.RGBA{"alert": blue, "query": vermillion} {
		if n, box := pixels(t, content, c); n < 300 || box.Dx() < 400 {
			t.Errorf("latency.png: the line of %s has %d pixels in %v", name, n, box)
		}
	}
	if content, err = TimelinePNG(run); err != nil {
		t.Fatal(err)
	}
	// No pixel of one panel lies in another, so the panels do not overlap.
	for name, c := range map[string]struct {
		color.RGBA
		from, to int
	}{"processed": {blue, 20, 200}, "lag": {green, 200, 400}, "p99": {vermillion, 380, plotHeight}} {
		if n, box := pixels(t, content, c.RGBA); n < 300 || box.Dx() < 600 || box.Min.Y < c.from || box.Max.Y > c.to {
			t.Errorf("timeline.png: the line of %s has %d pixels in %v", name, n, box)
		}
	}
	warmUp, _ := phaseColor("warm-up")
	if n, _ := pixels(t, content, warmUp.(color.RGBA)); n < 10_000 {
		t.Errorf("timeline.png: the warm-up has %d pixels of shade", n)
	}
}

// Runs of which little was measured: the pictures have holes, but no invented lines.
func TestPicturesOfPoorRuns(t *testing.T) {
	one := results.NewHistogram()
	one.Record(0)
	for name, run := range map[string]*Run{
		"nothing":    {Record: &results.Record{}},
		"one second": {Record: &results.Record{}, Timeline: []results.Second{{Offered: new(int64(5)), AlertP50MS: new(0.0)}}, Series: map[string]*results.Histogram{"alert": one}},
		"holes":      {Record: &results.Record{Arch: "\x00ü", Phases: []results.Phase{{Name: "drain", FromS: 5, ToS: 1}}}, Timeline: []results.Second{{Lag: new(int64(5))}, {Second: 9, Lag: new(int64(5))}, {Second: 10}}},
	} {
		for i, picture := range []func(*Run) ([]byte, error){LatencyPNG, TimelinePNG} {
			content, err := picture(run)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if n, box := pixels(t, content, blue); box.Dx() > 30 {
				t.Errorf("%s: a line of %d pixels in %v", name, n, box)
			}
			if n, _ := pixels(t, content, purple); name == "one second" && i == 1 && n < 4 {
				t.Errorf("%s: a single second is not shown", name)
			}
		}
	}
}

func TestTickLabels(t *testing.T) {
	for _, c := range []struct {
		got  func() string
		want string
	}{
		{func() string { return labels(linearTicks(0, 25_000)) }, "0 5000 10000 15000 20000 25000"},
		{func() string { return labels(linearTicks(0, 57)) }, "0 10 20 30 40 50"},
		{func() string { return labels(linearTicks(0, 0.9)) }, "0 0.2 0.4 0.6 0.8"},
		{func() string { return labels(linearTicks(3, 3)) }, "3"},
		{func() string { return labels(logTicks(0.5, 120)) }, "0.5 1 2 5 10 20 50 100"},
		{func() string { return labels(logTicks(0.01, 1000)) }, "0.01 0.1 1 10 100 1000"},
		{func() string { return labels(percentileTicks(1, 12_000)) }, "min 50% 75% 90% 99% 99.9% 99.99%"},
	} {
		if got := c.got(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func labels(ticks []plot.Tick) string {
	var all []string
	for _, tick := range ticks {
		if tick.Label != "" {
			all = append(all, tick.Label)
		}
	}
	return strings.Join(all, " ")
}
