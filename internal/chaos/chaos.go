// Package chaos sums up many runs with faults: by kind of fault and architecture, how often it was survived, how long the
// system took to be well again, and what was served wrong.
package chaos

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"lkbench/results"
)

// Row is one line of the table: what became of all faults of one kind on one architecture.
type Row struct {
	Fault      string // kind, and the role or server it was planned for
	Arch       string
	Runs       int // with at least one such fault
	Faults     int
	Survived   int // faults of runs that were valid, with nothing lost, doubled or wrong
	NoEffect   int // faults that did not take effect, which make their run invalid
	LagBack    Times
	AllRight   Times
	Downtime   Times
	WrongTotal int64 // wrong answers after such faults
}

// Times are some durations in seconds.
type Times struct {
	seconds  []float64
	censored int // of them, not over by the end of what was observed
}

func (t *Times) add(s results.Span) {
	if s.S == nil {
		return
	}
	t.seconds = append(t.seconds, *s.S)
	if s.Censored {
		t.censored++
	}
}

// String gives median and maximum, such as "0.4 / 2.1 s". A maximum that is censored is at least that; a median is left out
// where so many are censored that it is unknown.
func (t Times) String() string {
	if len(t.seconds) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(t.seconds))
	median := fmt.Sprintf("%.1f", sorted[(len(sorted)-1)/2])
	if t.censored > 0 {
		// Where a value lies that is only known to be longer, nobody can say: of a few it is the upper end.
		if 2*t.censored >= len(sorted) {
			median = "?"
		}
		return fmt.Sprintf("%s / >%.1f s", median, sorted[len(sorted)-1])
	}
	return fmt.Sprintf("%s / %.1f s", median, sorted[len(sorted)-1])
}

// Rows sums records up. They are ordered by fault, then by architecture.
func Rows(records []*results.Record) []Row {
	type key struct{ fault, arch string }
	rows := map[key]*Row{}
	for _, r := range records {
		counted := map[key]bool{}
		for _, f := range r.Faults {
			k := key{strings.TrimSpace(f.Kind + " " + target(f)), r.Arch}
			row := rows[k]
			if row == nil {
				row = &Row{Fault: k.fault, Arch: k.arch}
				rows[k] = row
			}
			if !counted[k] {
				counted[k] = true
				row.Runs++
			}
			row.Faults++
			if f.InjectedAtS == nil {
				row.NoEffect++
				continue
			}
			if s := r.Verdict.Status; s == results.Passed || s == results.ThresholdFailed {
				row.Survived++
			}
			if rec := f.Recovery; rec != nil {
				row.LagBack.add(rec.LagBack)
				row.AllRight.add(rec.AllRight)
				row.Downtime.add(results.Span{S: rec.DowntimeS})
				row.WrongTotal += rec.WrongAnswers
			}
		}
	}
	return slices.SortedFunc(func(yield func(Row) bool) {
		for row := range maps.Values(rows) {
			if !yield(*row) {
				return
			}
		}
	}, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.Arch, b.Arch))
	})
}

// target is the name under which faults are put together: what was planned, or, of one drawn at random, what it hit.
func target(f results.Fault) string {
	if f.Target == "random" && len(f.Components) > 0 {
		return f.Components[0]
	}
	return f.Target
}

// Write writes the rows as a Markdown table, and below it how all runs ended.
func Write(w io.Writer, records []*results.Record) error {
	var b strings.Builder
	b.WriteString("| fault | architecture | runs | faults | survived | downtime, median / longest | lag back | all answers right | wrong answers |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range Rows(records) {
		survived := fmt.Sprint(r.Survived)
		if r.NoEffect > 0 {
			survived += fmt.Sprintf(" (%d without effect)", r.NoEffect)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s | %s | %s | %s | %d |\n",
			r.Fault, r.Arch, r.Runs, r.Faults, survived, r.Downtime, r.LagBack, r.AllRight, r.WrongTotal)
	}
	verdicts := map[string]int{}
	for _, r := range records {
		verdicts[r.Arch+": "+r.Verdict.Status.String()]++
	}
	b.WriteString("\n")
	for _, v := range slices.Sorted(maps.Keys(verdicts)) {
		fmt.Fprintf(&b, "%s %d\n", v, verdicts[v])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
