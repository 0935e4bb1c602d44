package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"lkbench/results"
)

const (
	gap          = 2 // blanks between two columns
	narrowest    = 20
	differences  = 5 // shown of each run
	ansiGreen    = "\x1b[32m"
	ansiRed      = "\x1b[31m"
	ansiBold     = "\x1b[1m"
	ansiNoColour = "\x1b[0m"
)

// Table writes runs side by side for a terminal of this many columns (0: no limit). Where they do not fit beside each
// other, the table is stacked, and names are shortened if that is not enough. Under it stand the reasons of every
// verdict that is not "passed", and the first rows that differ from the oracle's.
func Table(w io.Writer, width int, color bool, runs ...*Run) error {
	if width > 0 {
		width = max(width, narrowest)
	}
	var b strings.Builder
	for _, line := range contexts(runs) {
		paragraph(&b, width, "", line)
	}
	for _, part := range fit(width, runs) {
		b.WriteByte('\n')
		if err := table(&b, width, color, part); err != nil {
			return err
		}
	}
	for i, name := range headings(runs) {
		explain(&b, width, color, name, runs[i].Record)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// contexts say what was run, once for all runs that have it in common.
func contexts(runs []*Run) []string {
	var lines []string
	for _, run := range runs {
		r := run.Record
		line := fmt.Sprintf("scenario %s, seed %d, engine %s, infra %s", r.Scenario, r.Seed, r.Engine, r.Infra)
		if r.InfraLabel != "" {
			line += " (" + r.InfraLabel + ")"
		}
		for _, l := range []string{line, watched(r)} {
			if l != "" && !slices.Contains(lines, l) {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// watched says how alerts were seen where that was not in the write-ahead log: their latencies are coarser then.
func watched(r *results.Record) string {
	o := r.Observer
	if o.Method != results.MethodSequence {
		return ""
	}
	return fmt.Sprintf("alerts are seen by reading the tables every %v ms (%s)", o.ResolutionMS, o.MethodReason)
}

// widths are the columns the labels and the widest run of a table need.
func widths(runs []*Run) (label, column int) {
	for _, name := range headings(runs) {
		column = max(column, twwidth.Width(printable(name)))
	}
	for _, r := range rows(runs) {
		label = max(label, twwidth.Width(printable(r.label)))
		for _, cell := range r.cells {
			column = max(column, twwidth.Width(cell))
		}
	}
	return label, column
}

// fit splits runs into as few tables as the width allows.
func fit(width int, runs []*Run) [][]*Run {
	if width <= 0 || len(runs) == 0 {
		return [][]*Run{runs}
	}
	label, column := widths(runs)
	return slices.Collect(slices.Chunk(runs, max(1, (width-label)/(gap+column))))
}

func table(b *strings.Builder, width int, color bool, runs []*Run) error {
	label, column := widths(runs)
	if width > 0 {
		label = min(label, max(width-len(runs)*(gap+column), narrowest/2))
		column = min(column, (width-label)/max(1, len(runs))-gap)
	}
	align := tw.CellAlignment{PerColumn: []tw.Align{tw.AlignLeft}}
	for range runs {
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
	cells := func(first string, rest []string, paint func(string) string) []string {
		all := []string{pad(shorten(printable(first), label), label)}
		for _, cell := range rest {
			cell = shorten(printable(cell), column)
			all = append(all, strings.Repeat(" ", gap+column-twwidth.Width(cell))+paint(cell))
		}
		return all
	}
	plain := func(s string) string { return s }
	t.Header(cells("", headings(runs), plain))
	for _, r := range rows(runs) {
		paint := plain
		if color && r.label == "verdict" {
			paint = colored
		}
		if r.cells == nil {
			r.cells = make([]string, len(runs))
		}
		if err := t.Append(cells(r.label, r.cells, paint)); err != nil {
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

func colored(s string) string {
	if s == verdict(results.Passed) {
		return ansiGreen + s + ansiNoColour
	}
	return ansiRed + s + ansiNoColour
}

// explain writes why a run did not pass, and where its answers differ first.
func explain(b *strings.Builder, width int, color bool, name string, r *results.Record) {
	if r.Verdict.Status == results.Passed {
		return
	}
	head := printable(name) + ": " + verdict(r.Verdict.Status)
	if color {
		head = ansiBold + head + ansiNoColour
	}
	fmt.Fprintf(b, "\n%s\n", head)
	for _, reason := range r.Verdict.Reasons {
		paragraph(b, width, "- ", reason)
	}
	for i, d := range r.Correctness.Differences {
		if i == differences {
			paragraph(b, width, "  ", fmt.Sprintf("… and %d more in run.json", len(r.Correctness.Differences)-i))
			break
		}
		paragraph(b, width, "  ", difference(d))
	}
}

// difference is one differing row in a line of text.
func difference(d results.Difference) string {
	s := fmt.Sprintf("%s in %s: %s", d.Kind, d.View, d.Key)
	if d.Expected != "" {
		s += "; expected " + d.Expected
	}
	if d.Observed != "" {
		s += "; observed " + d.Observed
	}
	return s
}

// paragraph writes text in lines of at most width columns, the first after the lead, the others indented as far.
func paragraph(b *strings.Builder, width int, lead, text string) {
	lines := []string{printable(text)}
	if width > 0 {
		lines = wrap(lines[0], width-len(lead))
	}
	for i, line := range lines {
		if i > 0 {
			lead = strings.Repeat(" ", len(lead))
		}
		b.WriteString(lead + line + "\n")
	}
}

// wrap breaks text at blanks, and words that are too long where they must be.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && twwidth.Width(line)+1+twwidth.Width(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for twwidth.Width(word) > width {
			head := twwidth.Truncate(word, width)
			if head == "" {
				break
			}
			lines, word = append(lines, head), strings.TrimPrefix(word, head)
		}
		line = word
	}
	return append(lines, line)
}
