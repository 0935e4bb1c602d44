package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// series is one figure as it was measured, repetition by repetition. A figure that could not be measured is NaN.
type series []float64

// median is NaN for an empty series, and for one with a NaN in it.
func (s series) median() float64 {
	if len(s) == 0 || slices.ContainsFunc(s, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// over divides repetition by repetition: what was measured next to each other shares the machine's mood.
func (s series) over(other series) series {
	if len(s) != len(other) {
		panic(fmt.Sprintf("a ratio of %d to %d repetitions", len(s), len(other))) // a mistake in this package
	}
	ratios := make(series, len(s))
	for i := range s {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}

// text writes the median with the least and the greatest value: "5.2 (4.9–5.3)"; a dash if something is missing.
func (s series) text(format func(float64) string) string {
	m := s.median()
	switch {
	case math.IsNaN(m):
		return "–"
	case len(s) == 1:
		return format(m)
	}
	return fmt.Sprintf("%s (%s–%s)", format(m), format(slices.Min(s)), format(slices.Max(s)))
}

// number writes three significant digits, with commas between thousands; a dash for what was not measured.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits > 0 {
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	unit := math.Pow(10, float64(-digits))
	text := strconv.FormatFloat(math.Abs(math.Round(v/unit)*unit), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if v < 0 {
		return "-" + text
	}
	return text
}

func percent(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }

// change writes how much more or less than 1 a ratio is.
func change(v float64) string { return fmt.Sprintf("%+.1f%%", 100*(v-1)) }

// table writes a table in Markdown. The first column is text, the others are figures.
func table(w io.Writer, header []string, rows [][]string) error {
	align := make([]tw.Align, len(header))
	for i := range align {
		align[i] = tw.AlignRight
	}
	align[0] = tw.AlignLeft
	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewMarkdown()),
		tablewriter.WithHeaderAutoFormat(tw.Off), // it would write units in capitals
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
	)
	t.Header(header)
	if err := t.Bulk(rows); err != nil {
		return err
	}
	if err := t.Render(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// orNaN is the value of a figure that may be missing.
func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
