package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"lkbench/results"
)

const (
	narrowest    = 20
	differences  = 5 // shown of each run
	ansiGreen    = "\x1b[32m"
	ansiRed      = "\x1b[31m"
	ansiBold     = "\x1b[1m"
	ansiNoColour = "\x1b[0m"
)

// Table writes runs side by side for a terminal of this many columns (0: no limit). Where they do not fit beside each
// other, the table is stacked, and names are shortened if that is not enough. Under it stand the reasons of every
// verdict that is not "passed", and the first rows that differ from the oracle's. Faults and corrections of history have tables of their own.
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
		for _, s := range sections(runs[i].Record) {
			if err := writeSection(&b, width, color, name, s); err != nil {
				return err
			}
		}
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

// fit splits runs into as few tables as the width allows.
func fit(width int, runs []*Run) [][]*Run {
	if len(runs) == 0 {
		return [][]*Run{runs}
	}
	return slices.Collect(slices.Chunk(runs, perTable(width, headings(runs), rows(runs))))
}

func table(b *strings.Builder, width int, color bool, runs []*Run) error {
	return grid(b, width, headings(runs), rows(runs), func(label, cell string) string {
		if color && label == "verdict" {
			return colored(cell)
		}
		return cell
	})
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
