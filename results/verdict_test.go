package results

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// good is a record in which nothing is wrong.
func good() *Record {
	block := func() Summary {
		return Summary{Count: 20_000, Min: new(0.1), Mean: new(1.0), P50: new(1.0), P90: new(2.0), P95: new(3.0), P99: new(4.0), P999: new(5.0), Max: new(6.0)}
	}
	return &Record{
		RunID: "20261123-164201-kappa-spike-3f9a", Arch: "kappa", StartedAt: time.Date(2026, 11, 23, 16, 42, 1, 0, time.UTC),
		Drained: true, ThroughputS: 5000,
		Limits: Limits{ScheduleDelayP999MS: 100, ObserverLagMS: 1000, OfferedShortfall: 0.001, InFlightBytes: 1 << 20, DrainS: 60},
		Load: Load{OfferedPerS: 5000, SentPerS: 4999, Offered: 100_000, Sent: 99_950, Acked: 99_950,
			ScheduleDelay: block()},
		Latency:   Latencies{Alert: block(), Ack: block(), Query: block(), AlertByRule: map[string]Summary{"velocity": block()}},
		Freshness: block(),
		Correctness: Correctness{Expected: 7000, Observed: 7000, MalformedSent: 50, DeadLettered: 50, LateExpected: 9, LateCounted: 9,
			Answers: 1000, RightAnswers: 900, StaleAnswers: 100},
		Observer:   Observer{Alerts: 2000, AlertsServed: 2000, Lag: block(), MaxLagMS: 6},
		Thresholds: []Threshold{{Expression: "alert.p99 < 2000 ms", Value: new(4.0), Unit: "ms", Met: true}},
	}
}

func TestEveryCauseOfAVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(r *Record)
		status Status
		reason string
	}{
		{"nothing", func(r *Record) {}, Passed, ""},

		{"missing row", func(r *Record) { r.Correctness.Missing = 1 }, Incorrect, "rows missing from the served views: 1; 7000 expected"},
		{"duplicate row", func(r *Record) { r.Correctness.Duplicate = 2 }, Incorrect, "rows more than once in the served views: 2; 7000 expected"},
		{"wrong row", func(r *Record) { r.Correctness.Wrong = 3 }, Incorrect, "rows with wrong values in the served views: 3; 7000 expected"},
		{"unexpected row", func(r *Record) { r.Correctness.Unexpected = 4 }, Incorrect, "rows in the served views that should not exist: 4; 7000 expected"},
		{"wrong answer", func(r *Record) {
			r.Correctness.WrongAnswers, r.Correctness.RightAnswers, r.Correctness.WrongAnswerSeconds = 5, 895, 2
		}, Incorrect, "answers to queries that were right at no moment: 5 of 1000, in 2 different seconds"},
		{"broker loses", func(r *Record) { r.Correctness.BrokerLost = 1 }, Incorrect, "acknowledged events lost by the broker: 1"},
		{"broker duplicates", func(r *Record) { r.Correctness.BrokerDuplicate = 1 }, Incorrect, "stored more than once: 1"},
		{"broker corrupts", func(r *Record) { r.Correctness.BrokerCorrupt = 1 }, Incorrect, "with other bytes than were sent: 1"},
		{"foreign record", func(r *Record) { r.Correctness.ForeignRecords = 1 }, Incorrect, "that this run never sent: 1"},
		{"dead letter missing", func(r *Record) { r.Correctness.DeadLettered = 48 }, Incorrect, "malformed records missing from the dead-letter topic: 2 of 50"},
		{"dead letter too many", func(r *Record) { r.Correctness.DeadLettered = 53 }, Incorrect, "dead letters beyond the malformed records: 3; 50 were malformed"},
		{"late event not counted", func(r *Record) { r.Correctness.LateCounted = 8 }, Incorrect, "late events not counted as late: 1 of 9"},
		{"late events too many", func(r *Record) { r.Correctness.LateCounted = 10 }, Incorrect, "late events counted too many: 1; 9 expected"},

		{"interrupted", func(r *Record) { r.Interrupted = true }, Invalid, "the run was interrupted before its load was over"},
		{"not drained", func(r *Record) { r.Drained = false }, Invalid, "not drained: the system had not processed everything 60 s after the load"},
		{"not watched", func(r *Record) { r.Observer.Failure = "connection lost" }, Invalid, "failed to watch the run to its end: connection lost"},
		{"nothing expected", func(r *Record) { r.Correctness.Expected = 0 }, Invalid, "nothing was checked: the oracle expected no row"},
		{"no answer", func(r *Record) {
			r.Correctness.Answers, r.Correctness.RightAnswers, r.Correctness.StaleAnswers = 0, 0, 0
		}, Invalid, "nothing was checked: no query was answered"},
		{"answer not judged", func(r *Record) { r.Correctness.RightAnswers = 890 }, Invalid, "answers to queries that were not judged: 10 of 1000"},
		{"no alert", func(r *Record) { r.Latency.Alert = Summary{} }, Invalid, "nothing was measured: no alert was seen"},
		{"an alert never seen", func(r *Record) { r.Observer.Missed = 1 }, Invalid, "the served view holds and the observer never saw: 1 of 2000"},
		{"no alert served", func(r *Record) { r.Observer.AlertsServed = 0 }, Invalid, "the served view holds no alert"},
		{"alert not seen", func(r *Record) { r.Observer.Alerts = 1999 }, Invalid, "the observer saw 1999 alerts, but the served view holds 2000"},
		{"row not decoded", func(r *Record) { r.Observer.Undecoded = 1 }, Invalid, "rows the observer could not trace to an event: 1"},
		{"observer lag not measured", func(r *Record) { r.Observer.Lag = Summary{} }, Invalid, "observer lag was not measured"},
		{"observer behind", func(r *Record) { r.Observer.MaxLagMS = 1000.5 }, Invalid, "the observer fell behind by 1000.5 ms; the limit is 1000 ms"},
		{"observer lag not a number", func(r *Record) { r.Observer.MaxLagMS = math.NaN() }, Invalid, "the observer fell behind"},
		{"nothing offered", func(r *Record) { r.Load.Offered, r.Load.Sent = 0, 0 }, Invalid, "nothing was offered"},
		{"too few sent", func(r *Record) { r.Load.Sent = 99_899 }, Invalid, "sent 99899 of 100000 offered events; the limit is 0.1% fewer"},
		{"too many sent", func(r *Record) { r.Load.Sent = 100_001 }, Invalid, "sent 100001 of 100000 offered events"},
		{"sent too slowly", func(r *Record) { r.Load.SentPerS = 4994 }, Invalid, "sent 4994.0 events/s of 5000.0 offered; the limit is 0.1% less"},
		{"schedule delay", func(r *Record) { r.Load.ScheduleDelay.P999 = new(100.5) }, Invalid, "schedule delay p99.9 was 100.5 ms; the limit is 100 ms"},
		{"schedule delay of a short run", func(r *Record) { r.Load.ScheduleDelay.P999, r.Load.ScheduleDelay.Max = nil, new(100.5) }, Invalid,
			"schedule delay reached 100.5 ms (too few events for a p99.9); the limit is 100 ms"},
		{"schedule delay not measured", func(r *Record) { r.Load.ScheduleDelay = Summary{} }, Invalid, "schedule delay was not measured"},
		{"in flight", func(r *Record) { r.Load.InFlightLimited, r.Load.InFlightBytes = true, 1<<20 }, Invalid,
			"the bound on bytes in flight was reached: 1048576 bytes unacknowledged; the limit is 1048576"},
		{"alert below zero", func(r *Record) { r.Latency.Alert.Negative = 1 }, Invalid, "alert latency below zero: 1 samples"},
		{"alert of a rule below zero", func(r *Record) { r.Latency.AlertByRule["velocity"] = Summary{Negative: 1} }, Invalid, "alert latency of velocity below zero"},
		{"acknowledgement beyond an hour", func(r *Record) { r.Latency.Ack.Overflow = 1 }, Invalid, "acknowledgement latency beyond one hour: 1 samples"},
		{"query beyond an hour", func(r *Record) { r.Latency.Query.Overflow = 1 }, Invalid, "query latency beyond one hour"},
		{"freshness below zero", func(r *Record) { r.Freshness.Negative = 1 }, Invalid, "freshness below zero"},
		{"schedule delay below zero", func(r *Record) { r.Load.ScheduleDelay.Negative = 1 }, Invalid, "schedule delay below zero"},
		{"observer lag below zero", func(r *Record) { r.Observer.Lag.Negative = 1 }, Invalid, "observer lag below zero"},

		{"threshold", func(r *Record) {
			r.Thresholds = []Threshold{{Expression: "alert.p99 < 2 ms", Value: new(4.0), Unit: "ms"}}
		}, ThresholdFailed,
			"expected alert.p99 < 2 ms, measured 4 ms"},
		{"threshold not measured", func(r *Record) { r.Thresholds = []Threshold{{Expression: "alert.p99 < 2 ms", Unit: "ms"}} }, ThresholdFailed,
			"expected alert.p99 < 2 ms, but it was not measured, or by too few samples"},

		{"missing while not drained", func(r *Record) { r.Drained, r.Correctness.Missing = false, 1 }, Invalid, "may still have been on their way"},
		{"missing while interrupted", func(r *Record) { r.Interrupted, r.Correctness.Missing = true, 1 }, Invalid, "may still have been on their way"},
		{"missing, and the log was cut", func(r *Record) { r.Correctness.BrokerCut, r.Correctness.Missing = 9, 1 }, Incorrect, "rows missing"},
		{"missing where what was cut is unknown", func(r *Record) { r.Correctness.BrokerCutUnknown, r.Correctness.Missing = 1, 1 }, Invalid, "has thrown away)"},
		{"unexpected where what was cut is unknown", func(r *Record) { r.Correctness.BrokerCutUnknown, r.Correctness.Unexpected = 1, 1 }, Invalid, "has thrown away)"},
		{"duplicate where what was cut is unknown", func(r *Record) { r.Correctness.BrokerCutUnknown, r.Correctness.Duplicate = 1, 1 }, Incorrect, "rows more than once"},
		{"duplicate while interrupted", func(r *Record) { r.Interrupted, r.Correctness.Duplicate = true, 1 }, Incorrect, "rows more than once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good()
			c.spoil(r)
			v := Decide(r)
			if v.Status != c.status {
				t.Errorf("status %v, want %v; reasons %q", v.Status, c.status, v.Reasons)
			}
			if c.status == Passed {
				if v.Reasons == nil || len(v.Reasons) > 0 {
					t.Errorf("reasons %#v, want an empty list", v.Reasons)
				}
			} else if !strings.Contains(strings.Join(v.Reasons, "\n"), c.reason) {
				t.Errorf("reasons %q lack %q", v.Reasons, c.reason)
			}
		})
	}
}

// Whatever count of the record's correctness is not zero, a judge that overlooked a new field would pass it.
func TestDecideLooksAtEveryCountOfDefects(t *testing.T) {
	harmless := []string{"Expected", "Observed", "Answers", "RightAnswers", "StaleAnswers", "FailedQueries", "WrongAnswerSeconds", "BrokerCut"}
	for i := range reflect.TypeFor[Correctness]().NumField() {
		r := good()
		f := reflect.ValueOf(&r.Correctness).Elem().Field(i)
		name := reflect.TypeFor[Correctness]().Field(i).Name
		if !f.CanInt() || slices.Contains(harmless, name) {
			continue
		}
		f.SetInt(f.Int() + 1)
		want := Incorrect
		if name == "BrokerCutUnknown" {
			want = Invalid
		}
		if v := Decide(r); v.Status != want {
			t.Errorf("one more %s: %v %q", name, v.Status, v.Reasons)
		}
	}
}

func TestReasonsAreListedWorstFirst(t *testing.T) {
	r := good()
	r.Thresholds[0].Met = false
	r.Load.InFlightLimited = true
	r.Correctness.Duplicate = 1
	v := Decide(r)
	if len(v.Reasons) != 3 || v.Status != Incorrect || !strings.HasPrefix(v.Reasons[0], "rows more than once") ||
		!strings.HasPrefix(v.Reasons[1], "the bound") || !strings.HasPrefix(v.Reasons[2], "expected") {
		t.Errorf("%v %q", v.Status, v.Reasons)
	}
}

func TestEmptyRecordHasNotPassed(t *testing.T) {
	if v := Decide(&Record{}); v.Status != Invalid {
		t.Errorf("an empty record is %v", v.Status)
	}
	if code := (Verdict{}).ExitCode(); code != 1 {
		t.Errorf("exit code of a run nobody judged: %d", code)
	}
}

func TestExitCodes(t *testing.T) {
	for status, want := range map[Status]int{Unverified: 1, Passed: 0, ThresholdFailed: 3, Invalid: 4, Incorrect: 5, "made up": 1} {
		if got := (Verdict{Status: status}).ExitCode(); got != want {
			t.Errorf("%v: exit code %d, want %d", status, got, want)
		}
	}
}

func TestStatusInJSON(t *testing.T) {
	for status, want := range map[Status]string{Unverified: `"unverified"`, Passed: `"passed"`, ThresholdFailed: `"threshold_failed"`, Invalid: `"invalid"`, Incorrect: `"incorrect"`} {
		got, err := json.Marshal(status)
		if err != nil || string(got) != want {
			t.Errorf("%#v is written as %s (%v), want %s", status, got, err, want)
		}
		back := Status("something else")
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != status {
			t.Errorf("%s is read as %#v (%v)", want, back, err)
		}
	}
	for _, bad := range []string{`"PASSED"`, `""`, `"ok"`, `1`} {
		var s Status
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s is read as %#v", bad, s)
		}
	}
	if _, err := json.Marshal(Status("ok")); err == nil {
		t.Error("an unknown status was written")
	}
}

func TestThresholds(t *testing.T) {
	r := good()
	for _, c := range []struct {
		metric, op string
		value      float64
		met        bool
		expression string
	}{
		{"alert.p99", "<", 4, false, "alert.p99 < 4 ms"},
		{"alert.p99", "<=", 4, true, "alert.p99 <= 4 ms"},
		{"alert.p99", ">", 4, false, "alert.p99 > 4 ms"},
		{"alert.p99", ">=", 4, true, "alert.p99 >= 4 ms"},
		{"alert.p99", "==", 4, true, "alert.p99 == 4 ms"},
		{"alert.p99", "<", 4.5, true, "alert.p99 < 4.5 ms"},
		{"alert.p99", "==", 4.5, false, "alert.p99 == 4.5 ms"},
		{"alert.p99", "!=", 5, false, "alert.p99 != 5 ms"},
		{"alert.p98", "<", 5, false, "alert.p98 < 5"},
		{"throughput", ">=", 5000, true, "throughput >= 5000 events/s"},
		{"correctness.missing", "==", 0, true, "correctness.missing == 0"},
		{"correctness.wrong_answer_seconds", "<=", 1, true, "correctness.wrong_answer_seconds <= 1 s"},
		{"restarts", "==", 0, true, "restarts == 0"},
	} {
		got := Evaluate(c.metric, c.op, c.value, r)
		if got.Met != c.met || got.Expression != c.expression {
			t.Errorf("%s %s %v: met %v, %q", c.metric, c.op, c.value, got.Met, got.Expression)
		}
	}
}

// What was not measured meets no expectation, whatever the operator.
func TestNothingMeasuredMeetsNothing(t *testing.T) {
	for _, name := range MetricNames() {
		if name == "restarts" { // none happened, and that is known
			continue
		}
		for _, op := range []string{"<", "<=", ">", ">=", "=="} {
			if got := Evaluate(name, op, 0, &Record{}); got.Met || got.Value != nil {
				t.Errorf("%s %s 0 on an empty record: %+v", name, op, got)
			}
		}
	}
}

// Every metric reads its own field: all of them get different values here.
func TestEveryMetricReadsItsOwnField(t *testing.T) {
	next := 0.0
	block := func() Summary {
		var s Summary
		for _, f := range []**float64{&s.P50, &s.P90, &s.P95, &s.P99, &s.P999, &s.Max, &s.Mean} {
			next++
			*f = new(next)
		}
		return s
	}
	r := &Record{}
	r.Latency.Alert, r.Latency.Query, r.Freshness, r.Latency.Ack, r.Load.ScheduleDelay = block(), block(), block(), block(), block()
	r.ThroughputS = 36
	r.Correctness = Correctness{Expected: 1, Answers: 1, Missing: 37, Duplicate: 38, Wrong: 39, Unexpected: 40, WrongAnswers: 41, WrongAnswerSeconds: 42, BrokerLost: 43}
	r.Restarts = make([]Restart, 44)
	after := func(ms float64) Span { return Span{S: new(ms / 1000)} }
	r.Faults = []Fault{{Recovery: &Recovery{Detection: after(45), FirstOutput: after(46), DowntimeS: new(0.047), LagBack: after(48), P99Back: after(49),
		FreshnessBack: after(50), AllRight: after(51)}}}
	r.Reprocess = []Reprocess{{FirstRight: after(52), AllRight: after(53)}}
	for i, name := range MetricNames() {
		if got := Evaluate(name, "==", float64(i+1), r); !got.Met {
			t.Errorf("%s reads %+v, want %d", name, got, i+1)
		}
	}
	if len(MetricNames()) != 53 {
		t.Errorf("%d metrics", len(MetricNames()))
	}
}

func TestRunIDs(t *testing.T) {
	at := time.Date(2026, 11, 23, 17, 42, 1, 0, time.FixedZone("", 3600))
	id := NewRunID(at, "kappa", "../a b/Ü\n"+strings.Repeat("x", 99))
	if !strings.HasPrefix(id, "20261123-164201-kappa-") || filepath.Base(id) != id || len(id) > 100 || strings.ContainsAny(id, " /\n.") {
		t.Errorf("id %q", id)
	}
	if later := NewRunID(at.Add(time.Second), "a", "a"); later <= id {
		t.Errorf("%q does not sort after %q", later, id)
	}
	if _, err := os.Stat(id); err == nil {
		t.Error("naming a run made a file")
	}
}
