package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lkbench/results"
)

// section is a table of what happened several times in a run: a column each, or in report.html a row each. Under it stand the reasons for
// what it lacks, and notes.
type section struct {
	Title string
	Heads []string // of the columns
	Rows  []row
	Notes []string
}

// sections are the faults and the corrections of history of a run, where there were any.
func sections(r *results.Record) []section {
	var all []section
	if len(r.Faults) > 0 {
		all = append(all, recoverySection(r.Faults))
	}
	if len(r.Reprocess) > 0 {
		all = append(all, reprocessSection(r.Reprocess))
	}
	return all
}

// builder makes a section row by row, and numbers the reasons for what was not measured.
type builder struct {
	section
	reasons  []string
	censored bool
}

func (b *builder) add(label string, n int, cell func(i int) string) {
	cells := make([]string, n)
	for i := range cells {
		cells[i] = cell(i)
	}
	b.Rows = append(b.Rows, row{label, cells})
}

// missing is the cell of what was not measured.
func (b *builder) missing(why string) string {
	if why == "" {
		return notMeasured
	}
	i := slices.Index(b.reasons, why)
	if i < 0 {
		b.reasons = append(b.reasons, why)
		i = len(b.reasons) - 1
	}
	return fmt.Sprintf("%s [%d]", notMeasured, i+1)
}

const notMeasured = "n/a"

// span is the cell of a time until something happened.
func (b *builder) span(s results.Span) string {
	if s.S == nil {
		return b.missing(s.Why)
	}
	if s.Censored {
		b.censored = true
	}
	return spanText(s)
}

// spanText is a span that was measured. A short one is not shown as zero.
func spanText(s results.Span) string {
	digits := 2
	if *s.S != 0 && *s.S < 0.1 {
		digits = 3
	}
	text := decimals(s.S, digits) + " s"
	if s.Censored {
		return "> " + text
	}
	return text
}

// unit is the cell of a number with its unit.
func (b *builder) unit(v *float64, digits int, unit, why string) string {
	if v == nil {
		return b.missing(why)
	}
	return strings.TrimSpace(decimals(v, digits) + " " + unit)
}

// count is a number that may not have been measured.
func count(v *int64) string {
	if v == nil {
		return notMeasured
	}
	return strconv.FormatInt(*v, 10)
}

// finish puts the reasons before the notes.
func (b *builder) finish(notes []string) section {
	var lines []string
	if b.censored {
		lines = append(lines, "> not by the end of the observation: the true time is longer")
	}
	for i, why := range b.reasons {
		lines = append(lines, fmt.Sprintf("[%d] %s", i+1, why))
	}
	b.Notes = append(lines, notes...)
	return b.section
}

// writeSection writes a section in as few tables under each other as the width allows.
func writeSection(b *strings.Builder, width int, color bool, name string, s section) error {
	head := printable(name) + ": " + s.Title
	if color {
		head = ansiBold + head + ansiNoColour
	}
	fmt.Fprintf(b, "\n%s\n", head)
	n := perTable(width, s.Heads, s.Rows)
	for from := 0; from < len(s.Heads); from += n {
		to := min(from+n, len(s.Heads))
		part := make([]row, len(s.Rows))
		for i, r := range s.Rows {
			part[i] = row{r.Label, r.Cells[from:to]}
		}
		if err := grid(b, width, s.Heads[from:to], part, func(_, cell string) string { return cell }); err != nil {
			return err
		}
	}
	for _, n := range s.Notes {
		paragraph(b, width, "  ", n)
	}
	return nil
}
