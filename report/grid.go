package report

import (
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// gap is how many blanks stand between two columns.
const gap = 2

// widths are the columns that the labels of a table need, and its widest column.
func widths(heads []string, all []row) (label, column int) {
	for _, name := range heads {
		column = max(column, twwidth.Width(printable(name)))
	}
	for _, r := range all {
		label = max(label, twwidth.Width(printable(r.Label)))
		for _, cell := range r.Cells {
			column = max(column, twwidth.Width(cell))
		}
	}
	return label, column
}

// perTable is how many columns the width allows beside the labels.
func perTable(width int, heads []string, all []row) int {
	if width <= 0 {
		return max(1, len(heads))
	}
	label, column := widths(heads, all)
	return max(1, (width-label)/(gap+column))
}

// grid draws one table: a column of labels and one for each head. paint colours a cell and leaves its text alone.
func grid(b *strings.Builder, width int, heads []string, all []row, paint func(label, cell string) string) error {
	label, column := widths(heads, all)
	if width > 0 {
		label = min(label, max(width-len(heads)*(gap+column), narrowest/2))
		column = min(column, (width-label)/max(1, len(heads))-gap)
	}
	align := tw.CellAlignment{PerColumn: []tw.Align{tw.AlignLeft}}
	for range heads {
		align.PerColumn = append(align.PerColumn, tw.AlignRight)
	}
	var drawn strings.Builder
	t := tablewriter.NewTable(&drawn,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.Lines{
				ShowTop: tw.Off, ShowBottom: tw.Off, ShowHeaderLine: tw.On, ShowFooterLine: tw.Off}},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignmentConfig(align),
		tablewriter.WithRowAlignmentConfig(align),
		tablewriter.WithPadding(tw.PaddingNone),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
	)
	line := func(first string, rest []string) []string {
		cells := []string{pad(shorten(printable(first), label), label)}
		for _, cell := range rest {
			cell = shorten(printable(cell), column)
			cells = append(cells, strings.Repeat(" ", gap+column-twwidth.Width(cell))+paint(first, cell))
		}
		return cells
	}
	t.Header(line("", heads))
	for _, r := range all {
		if r.Cells == nil {
			r.Cells = make([]string, len(heads))
		}
		if err := t.Append(line(r.Label, r.Cells)); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(drawn.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-twwidth.Width(s))) }

func shorten(s string, width int) string {
	if twwidth.Width(s) <= width {
		return s
	}
	return twwidth.Truncate(s, max(0, width-1)) + "…"
}
