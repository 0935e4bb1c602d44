package report

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"lkbench/results"
)

// known is a run whose figures are round.
func known(arch string) *Run {
	block := results.Summary{Count: 20000, P50: new(8.25), P99: new(1234.5), P999: new(2000.0)}
	return &Run{Record: &results.Record{
		RunID: "20261123-164201-" + arch + "-spike-3f9a", Arch: arch, Engine: "native", Infra: "embedded", Scenario: "spike", Seed: 42, StartS: 1.618, ThroughputS: 8999.6,
		Verdict: results.Verdict{Status: results.Passed},
		Latency: results.Latencies{Alert: block, AlertCommit: block, Query: results.Summary{Count: 100, P50: new(0.5)}}, Freshness: block,
		Correctness: results.Correctness{Expected: 1000, Answers: 100},
		Resources: []results.Resource{
			{Component: "stream", CPUS: new(12.34), MaxRSSBytes: new(int64(64 << 20))},
			{Component: "harness", CPUS: new(1.0), MaxRSSBytes: new(int64(1 << 30))},
			{Component: "database", CPUS: new(2.0), MaxRSSBytes: new(int64(128 << 20))},
		},
	}}
}

func drawn(t testing.TB, width int, color bool, runs ...*Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Table(&b, width, color, runs...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Servers of others are not accounted: what the rest used is no total. Neither is a sum with an unknown part.
func TestNoTotalOfParts(t *testing.T) {
	whole, foreign, unknown := known("kappa").Record, known("kappa").Record, known("kappa").Record
	foreign.Resources = foreign.Resources[:2]
	unknown.Resources[2].CPUS = nil
	if got := totalCPU(whole); got == nil || *got != 15.34 {
		t.Errorf("the total of all parts is %v, want 15.34", got)
	}
	if totalCPU(foreign) != nil || totalCPU(unknown) != nil {
		t.Error("a sum without the database passes for a total")
	}
}

// A reader must know that alerts were not seen in the log, and why.
func TestTableTellsOfASequence(t *testing.T) {
	r := known("kappa")
	r.Record.Observer = results.Observer{Method: results.MethodSequence, MethodReason: "wal_level is replica", ResolutionMS: 10}
	got := strings.Join(strings.Fields(drawn(t, 80, false, r)), " ")
	if want := "alerts are seen by reading the tables every 10 ms (wal_level is replica)"; !strings.Contains(got, want) {
		t.Errorf("no %q in %s", want, got)
	}
}

func TestTableOfTwoRuns(t *testing.T) {
	lambda := known("lambda")
	lambda.Record.Verdict = results.Verdict{Status: results.ThresholdFailed, Reasons: []string{"expected alert.p99 < 1000 ms, measured 1234.5 ms"}}
	lambda.Record.Resources[0] = results.Resource{Component: "speed", CPUS: new(3.0), MaxRSSBytes: new(int64(32 << 20))}
	want := `scenario spike, seed 42, engine native, infra embedded

                                     lambda    kappa
────────────────────────────────────────────────────
verdict                    threshold failed   passed

alert latency p50, ms                  8.25     8.25
alert latency p99, ms               1234.50  1234.50
alert latency p99.9, ms             2000.00  2000.00
alert committed p99, ms             1234.50  1234.50
throughput, events/s                   9000     9000
freshness p99, ms                   1234.50  1234.50
query latency p99, ms                     –        –

wrong answers                             0        0
rows missing                              0        0
rows duplicate                            0        0
rows wrong                                0        0
rows unexpected                           0        0

CPU of all, s                           6.0     15.3
CPU of speed, s                         3.0        –
CPU of stream, s                          –     12.3
CPU of database, s                      2.0      2.0
CPU of harness, s                       1.0      1.0

peak memory of speed, MiB                32        –
peak memory of stream, MiB                –       64
peak memory of database, MiB            128      128
peak memory of harness, MiB            1024     1024

time to start, s                       1.62     1.62

lambda: threshold failed
- expected alert.p99 < 1000 ms, measured 1234.5 ms
`
	got := drawn(t, 80, false, lambda, known("kappa"))
	// Columns are as wide as the widest verdict; the test is of the text.
	squeeze := func(s string) string {
		var lines []string
		for line := range strings.Lines(s) {
			lines = append(lines, strings.Trim(strings.Join(strings.Fields(line), " "), "─"))
		}
		return strings.Join(lines, "\n")
	}
	if diff := cmp.Diff(squeeze(want), squeeze(got)); diff != "" {
		t.Error(diff)
	}
}

// Numbers of one column end in the same place, and every line fits.
func TestTableFitsAndAligns(t *testing.T) {
	real := map[string]*Run{"lambda": sample(t, "lambda", 1), "kappa": sample(t, "kappa", 1)}
	for _, c := range []struct {
		width  int
		arches []string
		tables int
	}{
		{80, []string{"lambda"}, 1},
		{80, []string{"lambda", "kappa"}, 1},
		{80, []string{"lambda", "kappa", "lambda", "kappa"}, 1},
		{60, []string{"lambda", "kappa", "lambda", "kappa"}, 2},
		{40, []string{"lambda", "kappa"}, 2},
		{30, []string{"lambda", "kappa"}, 2},
		{20, []string{"lambda"}, 1},
		{1, []string{"lambda"}, 1}, // drawn for the narrowest width there is
		{0, []string{"lambda", "kappa", "lambda", "kappa"}, 1},
	} {
		var runs []*Run
		for i, arch := range c.arches {
			record := *real[arch].Record
			run := &Run{Record: &record}
			record.RunID = fmt.Sprintf("20261123-164201-%s-spike-%04x", arch, i)
			record.Verdict = results.Verdict{Status: results.Invalid, Reasons: []string{strings.Repeat("long ", 30) + strings.Repeat("word", 30)}}
			runs = append(runs, run)
		}
		got := drawn(t, c.width, false, runs...)
		limit := max(c.width, narrowest)
		if c.width == 0 {
			limit = 1000
		}
		ends := map[int]bool{}
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if w := twwidth.Width(line); w > limit {
				t.Errorf("width %d: %d columns: %q", c.width, w, line)
			}
			if strings.HasPrefix(line, "rows missing") || strings.HasPrefix(line, "rows wrong") {
				ends[twwidth.Width(line)] = true
			}
		}
		if len(ends) != 1 && c.tables == 1 {
			t.Errorf("width %d: columns end at %v\n%s", c.width, ends, got)
		}
		if n := strings.Count(got, "\nverdict"); n != c.tables {
			t.Errorf("width %d: %d tables, want %d\n%s", c.width, n, c.tables, got)
		}
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	good, bad := known("kappa"), known("lambda")
	bad.Record.Verdict = results.Verdict{Status: results.Incorrect, Reasons: []string{"rows missing from the served views: 1; 1000 expected"}}
	if got := drawn(t, 80, false, good, bad); strings.Contains(got, "\x1b") {
		t.Errorf("escape sequences without colour: %q", got)
	}
	got := drawn(t, 80, true, good, bad)
	if !strings.Contains(got, ansiGreen+"passed") || !strings.Contains(got, ansiRed+"incorrect") {
		t.Errorf("no colour: %q", got)
	}
	for _, code := range []string{ansiGreen, ansiRed, ansiBold, ansiNoColour} {
		got = strings.ReplaceAll(got, code, "")
	}
	if diff := cmp.Diff(drawn(t, 80, false, good, bad), got); diff != "" {
		t.Errorf("colour moves the text:\n%s", diff)
	}
}

func TestWhatWasNotMeasuredIsNotZero(t *testing.T) {
	got := drawn(t, 80, false, &Run{Record: &results.Record{RunID: "x", Arch: "kappa"}})
	for _, label := range []string{"alert latency p50, ms", "alert latency p99.9, ms", "wrong answers", "rows missing", "rows unexpected"} {
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, label) && !strings.HasSuffix(line, " "+none+"\n") {
				t.Errorf("%q", line)
			}
		}
	}
	if !strings.Contains(got, "unverified") {
		t.Errorf("the verdict is missing:\n%s", got)
	}
}

func TestDifferencesStandUnderTheTable(t *testing.T) {
	run := known("kappa")
	run.Record.Verdict = results.Verdict{Status: results.Incorrect, Reasons: []string{"rows missing from the served views: 7; 1000 expected"}}
	for range 7 {
		run.Record.Correctness.Differences = append(run.Record.Correctness.Differences,
			results.Difference{View: "customer_profiles", Kind: "wrong", Key: "C1\x1b[2J", Expected: "12", Observed: "11"})
	}
	got := drawn(t, 80, false, run)
	if n := strings.Count(got, "  wrong in customer_profiles: C1?[2J; expected 12; observed 11\n"); n != 5 {
		t.Errorf("%d differences\n%s", n, got)
	}
	if !strings.Contains(got, "  … and 2 more in run.json\n") {
		t.Error(got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestTableTellsThatItWasNotWritten(t *testing.T) {
	if err := Table(broken{}, 80, false, known("kappa")); err == nil {
		t.Error("no error")
	}
}
