package results

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultsThereAndBack(t *testing.T) {
	faults := []Fault{
		{Kind: "crash", Target: "stream", Components: []string{"stream"}, How: "signal", What: "SIGKILL", PlannedAtS: 25, InjectedAtS: new(25.01), EndedAtS: new(27.0),
			Recovery: &Recovery{Baseline: "control", ControlRun: "x", ObservedS: 30, LagBack: Span{S: new(0.0)}, P99Back: Span{S: new(30.0), Censored: true},
				AllRight: Span{Why: "no queries"}, DowntimeS: new(0.0), PeakLag: new(int64(7)), WrongAnswers: 3, Notes: []string{"a"}}},
		{Kind: "pause", Failure: "no such process", Components: []string{}},
	}
	content, err := EncodeFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	var got []Fault
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(faults, got); diff != "" {
		t.Error(diff)
	}
	// Zero is written as zero, and what was not measured as null.
	for _, want := range []string{`"downtime_s": 0,`, `"peak_p99_ms": null`, `"injected_at_s": null`, `"recovery": null`} {
		if !strings.Contains(string(content), want) {
			t.Errorf("no %s in %s", want, content)
		}
	}
	r := good()
	r.Faults = faults
	if content, err = EncodeRecord(r); err != nil {
		t.Fatal(err)
	}
	back, err := DecodeRecord(content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(faults, back.Faults); diff != "" {
		t.Error(diff)
	}
	for _, none := range [][]Fault{nil, {}} {
		if content, err := EncodeFaults(none); err != nil || string(content) != "[]\n" {
			t.Errorf("no faults are written as %q (%v)", content, err)
		}
	}
}

// Reading a record again must not change the one that was written.
func TestEncodingLeavesTheRecordAlone(t *testing.T) {
	r := good()
	r.Faults = []Fault{{InjectedAtS: new(1.0), Recovery: &Recovery{}}}
	if _, err := EncodeRecord(r); err != nil {
		t.Fatal(err)
	}
	if r.Faults[0].Components != nil || r.Faults[0].Recovery.Notes != nil {
		t.Errorf("%+v", r.Faults[0])
	}
}

func TestContradictionsAreNotWritten(t *testing.T) {
	r := good()
	r.Faults = []Fault{{InjectedAtS: new(1.0), Recovery: &Recovery{FirstOutput: Span{S: new(-0.1)}}}}
	if _, err := EncodeRecord(r); err == nil || !strings.Contains(err.Error(), "faults[0].recovery: first_output is -0.1 s") {
		t.Error(err)
	}
}

func TestFaultsAndReprocessesInTheVerdict(t *testing.T) {
	crash := func() Fault {
		return Fault{Kind: "crash", Target: "stream", Components: []string{"stream"}, PlannedAtS: 25, InjectedAtS: new(25.0), EndedAtS: new(27.0)}
	}
	for _, c := range []struct {
		name   string
		spoil  func(r *Record)
		reason string // empty: passed
	}{
		{"a fault", func(r *Record) { r.Faults = []Fault{crash()} }, ""},
		{"a fault without effect", func(r *Record) {
			f := crash()
			f.InjectedAtS, f.Failure = nil, "no process runs"
			r.Faults = []Fault{crash(), f}
		}, "the fault crash of stream, planned at 25 s, did not take effect: no process runs"},
		{"a fault without effect or reason", func(r *Record) {
			f := crash()
			f.InjectedAtS = nil
			r.Faults = []Fault{f}
		}, "the fault crash of stream, planned at 25 s, did not take effect"},
		{"a fault that could not be undone", func(r *Record) {
			f := crash()
			f.Failure = "tbl is still locked"
			r.Faults = []Fault{f}
		}, "the fault crash of stream, injected at 25 s, went wrong: tbl is still locked"},
		{"a fault that ended first", func(r *Record) {
			f := crash()
			f.EndedAtS = new(24.0)
			r.Faults = []Fault{f}
		}, "ended at 24 s, before it began at 25 s"},
		{"corrected history", func(r *Record) { r.Reprocess = []Reprocess{{RequestedAtS: 20, SwitchedAtS: new(24.0)}} }, ""},
		{"history not corrected", func(r *Record) {
			r.Reprocess = []Reprocess{{RequestedAtS: 20, SwitchedAtS: new(24.0)}, {RequestedAtS: 30.5}}
		}, "history was not corrected by the end: the reprocess requested at 30.5 s has not switched"},
		{"alerts of corrected history", func(r *Record) { r.Observer.Alerts, r.Observer.Reprocessed = 1500, 500 }, ""},
		{"an alert missed beside corrected history", func(r *Record) { r.Observer.Alerts, r.Observer.Reprocessed = 1500, 499 },
			"the observer saw 1500 alerts and found 499 of corrected history, but the served view holds 2000"},
	} {
		r := good()
		c.spoil(r)
		v := Decide(r)
		if c.reason == "" && v.Status != Passed || c.reason != "" && (v.Status != Invalid || !strings.Contains(strings.Join(v.Reasons, "\n"), c.reason)) {
			t.Errorf("%s: %v %q", c.name, v.Status, v.Reasons)
		}
	}
}

// A wrong answer stays worse than a correction that did not come.
func TestWrongAnswersOfAReprocessAreIncorrect(t *testing.T) {
	r := good()
	r.Reprocess = []Reprocess{{RequestedAtS: 20}}
	r.Correctness.WrongAnswers, r.Correctness.RightAnswers = 1, 899
	if v := Decide(r); v.Status != Incorrect || len(v.Reasons) != 2 {
		t.Errorf("%v %q", v.Status, v.Reasons)
	}
}

func TestGapsThatAFaultExplains(t *testing.T) {
	fault := func(kind string, components ...string) Fault {
		return Fault{Kind: kind, Components: components, InjectedAtS: new(25.0), EndedAtS: new(27.0)}
	}
	unended := fault("crash", "database")
	unended.EndedAtS = nil
	for _, c := range []struct {
		name       string
		fault      Fault
		lost       float64
		back       *float64
		unexpected string // empty: explained
	}{
		{"the database crashed", fault("crash", "database"), 25, new(27.5), ""},
		{"seen before the injector did", fault("crash", "database"), 24.6, new(27.5), ""},
		{"back within 30 s", fault("crash", "database"), 25.1, new(57.0), ""},
		{"the end of the fault is not known", unended, 25.1, new(99.0), ""},
		{"lost again after the end", fault("crash", "database"), 29, new(31.0), ""},
		{"all crashed", fault("crash", "stream", "database"), 25, new(27.5), ""},
		{"no connection is left", fault("connections"), 25, new(27.5), ""},
		{"a partition of the database", fault("partition", "database"), 25, new(27.5), ""},

		{"before the fault", fault("crash", "database"), 24.4, new(27.5), "no connection from 24.4 to 27.5 s, which no fault explains: reset"},
		{"too long after", fault("crash", "database"), 25.1, new(57.1), "which no fault explains"},
		{"never back", fault("crash", "database"), 25.1, nil, "lost its connection at 25.1 s and never had one again: reset"},
		{"something else crashed", fault("crash", "stream"), 25, new(27.5), "which no fault explains"},
		{"a fault that takes no connection", fault("vacuum", "database"), 25, new(27.5), "which no fault explains"},
		{"a fault without effect", Fault{Kind: "crash", Components: []string{"database"}, Failure: "x"}, 25, new(27.5), "which no fault explains"},
	} {
		r := good()
		r.Faults = []Fault{fault("latency", "stream"), c.fault}
		r.Observer.Gaps = []ObserverGap{{LostS: c.lost, BackS: c.back, Reason: "reset"}}
		v := Decide(r)
		got := strings.Join(v.Reasons, "\n")
		if c.unexpected == "" && v.Status != Passed || c.unexpected != "" && (v.Status != Invalid || !strings.Contains(got, c.unexpected)) {
			t.Errorf("%s: %v %q", c.name, v.Status, v.Reasons)
		}
	}
}
