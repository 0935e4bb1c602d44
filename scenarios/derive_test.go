package scenarios

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full has something of everything that is scaled, resolved or copied.
const full = `
events: {burst: {every: 10s, for: 2s, share: 0.5}, missing: 0.5}
warmup: 4s
load:
- {shape: spike, for: 20s, rate: 50%, peak: 900, rise: 2s, hold: 4s, fall: 6s}
- {shape: step, for: 10s, from: 100, to: 75%, steps: 5}
- {shape: replay, for: 10s, events: 1001}
faults:
- {at: 10s, kind: restart-loop, target: stream, times: 2, every: 2s}
- {at: 20s, kind: latency, target: stream, to: kafka, for: 4s, mean: 30ms, jitter: 10ms}
reprocess: [{at: 20s, rules: {absolute_inr: 40000, velocity_count: 5}}]
recovery: {hold: 2s, before: 4s, lag_floor: 100ms, latency_floor: 50ms}
lambda: {batch_every: 8s}
expect: [recovery.lag_back < 5s, correctness.missing == 0]
`

func parsed(t *testing.T, text string, sets ...string) *Scenario {
	t.Helper()
	s, err := Parse("x.yaml", []byte(text), sets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScales(t *testing.T) {
	const second = Duration(time.Second)
	want := parsed(t, full)
	want.Warmup, want.Lambda.BatchEvery = 2*second, 4*second
	want.Events.Burst.Every, want.Events.Burst.For = 5*second, second
	spike, steps, replay := &want.Load[0], &want.Load[1], &want.Load[2]
	spike.For, spike.Rise, spike.Hold, spike.Fall, spike.Peak.PerS = 10*second, second, 2*second, 3*second, 270
	steps.For, steps.From.PerS = 5*second, 30
	replay.For, replay.Events = 5*second, 300
	want.Faults[0].At, want.Faults[0].Every = 5*second, second
	want.Faults[1].At, want.Faults[1].For = 10*second, 2*second
	want.Reprocess[0].At, want.Reprocess[0].Grace = 10*second, defaultGrace/2
	want.Recovery.Hold, want.Recovery.Before = second, 2*second
	got := parsed(t, full, "time_scale=0.5", "load_scale=0.3")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	checkReadsBack(t, got)
	if least := parsed(t, full, "load_scale=0.001", "load.2.events=3"); least.Load[2].Events != 1 {
		t.Errorf("%d events left of 3, want 1", least.Load[2].Events)
	}
}

// TestSetsOfParts: what a --set does not name of a mapping that may be missing stays.
func TestSetsOfParts(t *testing.T) {
	want := parsed(t, full)
	want.Events.Burst.Share = 0.25
	if diff := cmp.Diff(want, parsed(t, full, "events.burst.share=0.25")); diff != "" {
		t.Error(diff)
	}
	given := parsed(t, base, "events.burst.every=2s", "events.burst.for=1s", "events.burst.share=1").Events.Burst
	if diff := cmp.Diff(&Burst{Every: Duration(2 * time.Second), For: Duration(time.Second), Share: 1}, given); diff != "" {
		t.Error(diff)
	}
}

func TestResolve(t *testing.T) {
	s := parsed(t, full)
	if !s.NeedsCapacity() {
		t.Error("needs no capacity")
	}
	want := parsed(t, full)
	want.Load[0].Rate, want.Load[1].To = Rate{PerS: 617}, Rate{PerS: 925}
	got, err := s.Resolve(1233.3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.NeedsCapacity() || !s.NeedsCapacity() {
		t.Error("a resolved scenario needs a capacity, or it was resolved in place")
	}
	if diff := cmp.Diff(parsed(t, full), s); diff != "" {
		t.Errorf("Resolve changed its scenario\n%s", diff)
	}
	for capacity, problem := range map[float64]string{
		0:           "scenario x: the capacity is 0 events/s, expected more than 0",
		-1:          "scenario x: the capacity is -1 events/s, expected more than 0",
		math.Inf(1): "scenario x: the capacity is +Inf events/s, expected more than 0",
		math.NaN():  "scenario x: the capacity is NaN events/s, expected more than 0",
		1e8:         "scenario x at a capacity of 100000000 events/s: load[0].rate: is 50000000, expected 0.001 to 10000000",
		0.1:         "scenario x at a capacity of 0.1 events/s: load[0]: has a rate of 50%, which is less than an event a second, expected more",
	} {
		_, err := s.Resolve(capacity)
		if err == nil || !strings.HasPrefix(err.Error(), problem) {
			t.Errorf("at a capacity of %v: %v, want %s", capacity, err, problem)
		}
	}
}

func TestWithoutFaults(t *testing.T) {
	s := parsed(t, full)
	control := s.WithoutFaults()
	want := parsed(t, full, "faults=[]", "expect=[]")
	if diff := cmp.Diff(want, control); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	checkReadsBack(t, control)
	control.Load[0].Rate, control.Events.Burst.Share, *control.Events.Missing = Rate{}, 0, 0
	*control.Reprocess[0].Rules.AbsoluteINR, control.Reprocess[0].At = 1, 1
	if diff := cmp.Diff(parsed(t, full), s); diff != "" {
		t.Errorf("a change of the control changed the scenario\n%s", diff)
	}
}

func TestLength(t *testing.T) {
	if got := parsed(t, full).Length(); got != Duration(44*time.Second) {
		t.Errorf("%v", got)
	}
}

func TestEnd(t *testing.T) {
	for text, want := range map[string]Duration{
		"kind: crash, target: stream":                                    10,
		"kind: crash, target: stream, for: 2s":                           12,
		"kind: restart-loop, target: stream, times: 3, every: 2s":        16,
		"kind: latency, target: stream, to: kafka, mean: 9ms, for: 1s":   11,
		"kind: leader-move":                                              10,
		"kind: slow-query, for: 3s, view: anomalies, target: serving":    13,
		"kind: zombie, target: batch, for: 4s":                           14,
		"kind: reset, target: all, to: postgres":                         10,
		"kind: cpu, target: database, for: 5s, share: 0.5":               15,
		"kind: drop, target: all, to: kafka, direction: out, for: 500ms": 10,
	} {
		s := parsed(t, base+"faults: [{at: 10s, "+text+"}]")
		if got := s.Faults[0].End() / Duration(time.Second); got != want {
			t.Errorf("%s ends at %v, want %d s", text, s.Faults[0].End(), want)
		}
	}
}

func TestRuleChange(t *testing.T) {
	s := parsed(t, base+"reprocess: [{at: 20s}]", "reprocess.0.rules.absolute_inr=30000.5", "reprocess.0.rules.frequent_count=0", "reprocess.0.grace=0s")
	change := s.Reprocess[0].Rules
	if diff := cmp.Diff(map[string]string{"absolute_inr": "30000.5", "frequent_count": "0"}, RulesChanged(change)); diff != "" {
		t.Error(diff)
	}
	want := s.Rules
	want.AbsoluteINR, want.FrequentCount = 30000.5, 0
	if diff := cmp.Diff(want, s.Rules.With(change)); diff != "" {
		t.Error(diff)
	}
	if s.Reprocess[0].Grace != 0 {
		t.Errorf("a grace of 0s became %v", s.Reprocess[0].Grace)
	}
	checkReadsBack(t, s)
	if same := parsed(t, base+"reprocess: [{at: 20s, rules: {absolute_inr: 50000}}]"); same.Rules.With(same.Reprocess[0].Rules) != same.Rules {
		t.Error("the present value of a rule is no change")
	}
	if changed := RulesChanged(RuleChange{}); len(changed) != 0 {
		t.Errorf("nothing changed: %v", changed)
	}
}

func TestRateReadsBack(t *testing.T) {
	for text, want := range map[string]Rate{
		"60%": {Share: 0.6}, "7%": {Share: 0.07}, "0.5%": {Share: 0.005}, "12.345%": {Share: 0.12345}, "100%": {Share: 1}, "200%": {Share: 2}, "110.5%": {Share: 1.105},
		"5000": {PerS: 5000}, "0.25": {PerS: 0.25},
	} {
		s := parsed(t, "warmup: 0s\nload: [{for: 10s, rate: "+text+"}]")
		written, err := s.Load[0].Rate.MarshalYAML()
		if err != nil || s.Load[0].Rate != want || string(written) != text {
			t.Errorf("%s was read as %+v and is written as %s, %v", text, s.Load[0].Rate, written, err)
		}
	}
}
