package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lkbench/internal/bank"
	"lkbench/results"
)

func TestDefaults(t *testing.T) {
	got, err := Parse("dir/tiny.yaml", []byte("load: [{for: 20s, rate: 5000}]"))
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Name = "tiny"
	want.Load = []Step{{For: Duration(20 * time.Second), Rate: Rate{PerS: 5000}}}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(bank.DefaultRules(), bankRules(got.Rules)); diff != "" {
		t.Errorf("the thresholds differ from those of bank.DefaultRules\n%s", diff)
	}
}

// bankRules converts rules the way the runner does.
func bankRules(r Rules) bank.Rules {
	return bank.Rules{
		RelativePercent: int64(r.RelativePercent), AbsolutePaise: bank.Paise(r.AbsolutePaise()), VelocityCount: int64(r.VelocityCount),
		Window: time.Duration(r.Window), Watermark: time.Duration(r.Watermark), DedupHorizon: time.Duration(r.DedupHorizon),
		PremiumPaise: bank.Paise(r.PremiumPaise()), FrequentCount: int64(r.FrequentCount),
	}
}

func TestMetricsAreThoseOfResults(t *testing.T) {
	if diff := cmp.Diff(results.MetricNames(), metricNames(Metrics())); diff != "" {
		t.Errorf("an expectation could be accepted that nothing evaluates, or the other way round (-results +scenarios)\n%s", diff)
	}
}

func TestParseEverything(t *testing.T) {
	const text = `---
name: all
description: 'everything: "given"'
seed: 0x2a
time_scale: 0.5
partitions: 8
events:
  source: csv
  file: "my data.csv"
  order: file
  speed: 1e2
  customers: 7
  skew: 0
  hot_key: 0.1
  disorder: {share: 1e-1, max: 90s}
  duplicates: 0.2
  malformed: 0.3
  late: {share: 0.9, by: 1h}
  missing: 0
  boundary: 0.5
warmup: 4s
load:
- {for: 10s, rate: 0.5}
- for: 1m30s
  from: 10
  to: 0
- {for: 1s, to: 20}
queries: {rate: 0}
faults: []
recovery: {hold: 1s, before: 10s, lag_factor: 2, lag_floor: 1s, latency_factor: 3, latency_floor: 2s}
lambda: {batch_every: 3s}
native: {commit_interval: 0}
rules:
  relative_percent: 60
  absolute_inr: 12345.67
  velocity_count: 4
  window: 60s
  watermark: 0s
  dedup_horizon: 2h
  premium_inr: 0.1
  frequent_count: 0
drain: 5s
limits: {schedule_delay_p999: 1ms, observer_lag: 2s, offered_shortfall: 0.5, in_flight_mib: 1}
expect: [ "alert.p99<2s", throughput >= 4000, "correctness.missing == 0" , 'freshness.max <= 1m0.5s', correctness.wrong_answer_seconds < 3]
`
	none := Share(0)
	want := &Scenario{
		Name: "all", Description: `everything: "given"`, Seed: 42, TimeScale: 1, LoadScale: 1, Partitions: 8,
		Events: Events{
			Source: "csv", File: "my data.csv", Order: "file", Speed: 100, Customers: 7, HotKey: 0.1,
			Disorder: Disorder{0.1, Duration(90 * time.Second)}, Duplicates: 0.2, Malformed: 0.3,
			Late: Late{0.9, Duration(time.Hour)}, Missing: &none, Boundary: 0.5,
		},
		Warmup: Duration(2 * time.Second),
		Load: []Step{
			{For: Duration(5 * time.Second), Rate: Rate{PerS: 0.5}},
			{For: Duration(45 * time.Second), From: Rate{PerS: 10}},
			{For: Duration(500 * time.Millisecond), To: Rate{PerS: 20}},
		},
		Recovery: Recovery{Duration(500 * time.Millisecond), Duration(5 * time.Second), 2, Duration(time.Second), 3, Duration(2 * time.Second)},
		Lambda:   Lambda{Duration(1500 * time.Millisecond)},
		Rules: Rules{
			RelativePercent: 60, AbsoluteINR: 12345.67, VelocityCount: 4, Window: Duration(time.Minute),
			DedupHorizon: Duration(2 * time.Hour), PremiumINR: 0.1,
		},
		Drain:  Duration(5 * time.Second),
		Limits: Limits{Duration(time.Millisecond), Duration(2 * time.Second), 0.5, 1},
		Expect: []Expect{
			{"alert.p99 < 2s", "alert.p99", "<", 2000},
			{"throughput >= 4000", "throughput", ">=", 4000},
			{"correctness.missing == 0", "correctness.missing", "==", 0},
			{"freshness.max <= 1m0.5s", "freshness.max", "<=", 60_500},
			{"correctness.wrong_answer_seconds < 3", "correctness.wrong_answer_seconds", "<", 3},
		},
	}
	got, err := Parse("all.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if a, p := got.Rules.AbsolutePaise(), got.Rules.PremiumPaise(); a != 1_234_567 || p != 10 {
		t.Errorf("%d and %d paise", a, p)
	}
	checkReadsBack(t, got)
}

func TestSets(t *testing.T) {
	s, err := Load("spike", "seed=7", "seed=8", "time_scale=0.1", "load.1.rate=1000", "events.late={share: 0.5}", "events.late.by=20m",
		"events.source=csv", `events.file="C:\\my data.csv"`, "description=a = b: c # d", "expect=[]", "queries.rate=1e-3", "events.missing=0.5")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load("spike")
	if err != nil {
		t.Fatal(err)
	}
	half := Share(0.5)
	want.Seed, want.Description, want.Expect, want.Queries.Rate = 8, "a = b: c # d", nil, 0.001
	want.Warmup, want.Lambda.BatchEvery = want.Warmup/10, want.Lambda.BatchEvery/10
	want.Recovery.Hold, want.Recovery.Before = want.Recovery.Hold/10, want.Recovery.Before/10
	for i := range want.Load {
		want.Load[i].For /= 10
	}
	want.Load[1].Rate.PerS = 1000
	want.Events.Late, want.Events.Missing = Late{0.5, Duration(20 * time.Minute)}, &half
	want.Events.Source, want.Events.File = "csv", `C:\my data.csv`
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSetReplacesAList(t *testing.T) {
	s, err := Parse("x.yaml", []byte("load: [{for: 5s, from: 5, to: 6}, {for: 5s, rate: 9}]"), "load=[{for: 5s, rate: 7}]")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Step{{For: Duration(5 * time.Second), Rate: Rate{PerS: 7}}}, s.Load); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("load: [{for: 5s, rate: 10}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(path, "seed=3"); err != nil || s.Name != "mine" || s.Seed != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	_, err := Load(path + ".not")
	var bad *Error
	if want := "scenario: open " + path + ".not: no such file or directory"; !errors.As(err, &bad) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 5 * time.Minute: "5m", time.Hour: "1h", 10 * time.Hour: "10h",
		time.Hour + time.Second: "1h0m1s", 90 * time.Minute: "1h30m", 20 * time.Minute: "20m", 10 * time.Millisecond: "10ms", -time.Hour: "-1h",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v is written as %s, want %s", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64().Draw(t, "d"))
		if back, err := time.ParseDuration(d.String()); err != nil || Duration(back) != d {
			t.Fatalf("%s reads back as %v, %v", d, back, err)
		}
	})
}
