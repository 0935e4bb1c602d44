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
type Times []Time

// Time is one duration. A censored one was not over when it could be observed no longer: it is longer than that.
type Time struct {
	Seconds  float64
	Censored bool
}

func (t *Times) add(s results.Span) {
	if s.S != nil {
		*t = append(*t, Time{*s.S, s.Censored})
	}
}

// Median is the shortest time within which half of them were over, by the estimate of Kaplan and Meier (1958), which lets
// a censored time count among those under way until it is lost sight of. False if so many are censored that it is unknown.
func (t Times) Median() (float64, bool) {
	sorted := slices.SortedFunc(slices.Values(t), compareTimes)
	left := 1.0
	for i, one := range sorted {
		if one.Censored {
			continue
		}
		if left *= 1 - 1/float64(len(sorted)-i); left <= 0.5+1e-9 {
			return one.Seconds, true
		}
	}
	return 0, false
}

// compareTimes orders by length; of equal ones those that were over come first.
func compareTimes(a, b Time) int {
	if a.Seconds == b.Seconds && a.Censored != b.Censored {
		if a.Censored {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.Seconds, b.Seconds)
}

// String gives median and maximum, such as "0.4 / 2.1 s"; "?" for a median that is not known, and ">" before a maximum that may
// be longer, because some were censored.
func (t Times) String() string {
	if len(t) == 0 {
		return "-"
	}
	median := "?"
	if m, known := t.Median(); known {
		median = fmt.Sprintf("%.1f", m)
	}
	longest := fmt.Sprintf("%.1f", slices.MaxFunc(t, compareTimes).Seconds)
	if slices.ContainsFunc(t, func(one Time) bool { return one.Censored }) {
		longest = ">" + longest
	}
	return fmt.Sprintf("%s / %s s", median, longest)
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
