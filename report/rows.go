package report

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"lkbench/results"
)

// none stands for what was not measured, or not by enough samples.
const none = "–"

// row is one figure of several runs. A row without cells begins a new group.
type row struct {
	Label string
	Cells []string
}

// rows are the figures of runs side by side, what matters first. Every renderer of tables shows these.
func rows(runs []*Run) []row {
	var all []row
	add := func(label string, figure func(r *results.Record) string) {
		cells := make([]string, len(runs))
		for i, run := range runs {
			cells[i] = figure(run.Record)
		}
		all = append(all, row{label, cells})
	}
	group := func() { all = append(all, row{}) }
	milliseconds := func(label string, of func(r *results.Record) *float64) {
		add(label+", ms", func(r *results.Record) string { return decimals(of(r), 2) })
	}
	count := func(label string, of func(r *results.Record) (n, among int64)) {
		add(label, func(r *results.Record) string {
			n, among := of(r)
			if among == 0 {
				return none
			}
			return strconv.FormatInt(n, 10)
		})
	}

	add("verdict", func(r *results.Record) string { return verdict(r.Verdict.Status) })
	group()
	milliseconds("alert latency p50", func(r *results.Record) *float64 { return r.Latency.Alert.P50 })
	milliseconds("alert latency p99", func(r *results.Record) *float64 { return r.Latency.Alert.P99 })
	milliseconds("alert latency p99.9", func(r *results.Record) *float64 { return r.Latency.Alert.P999 })
	milliseconds("alert committed p99", func(r *results.Record) *float64 { return r.Latency.AlertCommit.P99 })
	add("throughput, events/s", throughput)
	milliseconds("freshness p99", func(r *results.Record) *float64 { return r.Freshness.P99 })
	milliseconds("query latency p99", func(r *results.Record) *float64 { return r.Latency.Query.P99 })
	group()
	count("wrong answers", func(r *results.Record) (int64, int64) { return r.Correctness.WrongAnswers, r.Correctness.Answers })
	count("rows missing", func(r *results.Record) (int64, int64) { return r.Correctness.Missing, r.Correctness.Expected })
	count("rows duplicate", func(r *results.Record) (int64, int64) { return r.Correctness.Duplicate, r.Correctness.Expected })
	count("rows wrong", func(r *results.Record) (int64, int64) { return r.Correctness.Wrong, r.Correctness.Expected })
	count("rows unexpected", func(r *results.Record) (int64, int64) { return r.Correctness.Unexpected, r.Correctness.Expected })
	if slices.ContainsFunc(runs, func(r *Run) bool { return r.Record.Correctness.FailedQueries > 0 }) {
		count("queries failed", func(r *results.Record) (int64, int64) {
			return r.Correctness.FailedQueries, r.Correctness.Answers + r.Correctness.FailedQueries
		})
	}
	if slices.ContainsFunc(runs, func(r *Run) bool { return len(r.Record.Restarts) > 0 }) {
		count("restarts", func(r *results.Record) (int64, int64) { return int64(len(r.Restarts)), 1 })
	}
	all = append(all, resourceRows(runs)...)
	group()
	add("time to start, s", func(r *results.Record) string { return decimals(&r.StartS, 2) })
	return all
}

// resourceRows are CPU and memory of every component that any of the runs has.
func resourceRows(runs []*Run) []row {
	names := componentNames(runs)
	if len(names) == 0 {
		return nil
	}
	cpu := []row{{}, {Label: "CPU of all, s"}}
	memory := []row{{}}
	for _, run := range runs {
		cpu[1].Cells = append(cpu[1].Cells, decimals(totalCPU(run.Record), 1))
	}
	for _, name := range names {
		used, peak := row{Label: "CPU of " + name + ", s"}, row{Label: "peak memory of " + name + ", MiB"}
		for _, run := range runs {
			i := slices.IndexFunc(run.Record.Resources, func(r results.Resource) bool { return r.Component == name })
			if i < 0 {
				used.Cells, peak.Cells = append(used.Cells, none), append(peak.Cells, none)
				continue
			}
			r := run.Record.Resources[i]
			var mib *float64
			if r.MaxRSSBytes != nil {
				mib = new(float64(*r.MaxRSSBytes) / (1 << 20))
			}
			used.Cells, peak.Cells = append(used.Cells, decimals(r.CPUS, 1)), append(peak.Cells, decimals(mib, 0))
		}
		cpu, memory = append(cpu, used), append(memory, peak)
	}
	return append(cpu, memory...)
}

// totalCPU is nil where a part of it is not known: a sum that leaves out the servers would pass for a cheap run.
func totalCPU(r *results.Record) *float64 {
	var total float64
	for _, part := range r.Resources {
		if part.CPUS == nil {
			return nil
		}
		total += *part.CPUS
	}
	if !slices.ContainsFunc(r.Resources, func(part results.Resource) bool { return part.Component == "database" }) {
		return nil
	}
	return &total
}

// componentNames lists the components of all runs, those around the architectures last.
func componentNames(runs []*Run) []string {
	around := []string{"broker", "broker-1", "broker-2", "broker-3", "database", "harness"}
	var names []string
	for _, run := range runs {
		for _, r := range run.Record.Resources {
			if !slices.Contains(names, r.Component) {
				names = append(names, r.Component)
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return slices.Index(around, a) - slices.Index(around, b) })
	return names
}

// headings name the runs: by architecture, and by the end of the run's id where that is not enough.
func headings(runs []*Run) []string {
	var names []string
	for i, run := range runs {
		name := run.Record.Arch
		same := func(o *Run) bool { return o.Record.Arch == name }
		if slices.ContainsFunc(runs[:i], same) || slices.ContainsFunc(runs[i+1:], same) {
			name += " " + run.Record.RunID[strings.LastIndexByte(run.Record.RunID, '-')+1:]
		}
		names = append(names, name)
	}
	return names
}

// throughput of a run that did not drain does not exist.
func throughput(r *results.Record) string {
	if r.ThroughputS == 0 {
		return none
	}
	return decimals(&r.ThroughputS, 0)
}

func verdict(s results.Status) string { return strings.ReplaceAll(s.String(), "_", " ") }

// decimals writes a number without thousands separators.
func decimals(v *float64, digits int) string {
	if v == nil {
		return none
	}
	return strconv.FormatFloat(*v, 'f', digits, 64)
}

// printable replaces what would act on a terminal instead of being shown on it.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}
