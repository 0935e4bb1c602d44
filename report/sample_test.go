package report

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"lkbench/results"
)

// sample is a run as a real one looks: 5 s of warm-up, 20 s at 5,000/s, 10 s at 25,000/s, 20 s at 5,000/s, drain.
// Its series, its timeline and its record agree with each other.
func sample(t testing.TB, arch string, seed uint64) *Run {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	slow, capacity := 1.0, 24600.0
	components := []string{"stream"}
	if arch == "lambda" {
		slow, capacity = 1.6, 23500
		components = []string{"ingest", "speed", "batch"}
	}
	origin := time.Date(2026, 11, 23, 16, 42, 1, 0, time.UTC)
	r := &results.Record{
		SchemaVersion: results.SchemaVersion, RunID: fmt.Sprintf("20261123-164201-%s-spike-%04x", arch, 0x3f9a+seed), Arch: arch,
		Engine: "native", Infra: "embedded", InfraLabel: "single copy; broker without fsync", Scenario: "spike", Seed: 42,
		StartedAt: origin, DurationS: 50, StartS: 1.62, FinishS: 2.31, Drained: true,
		Limits: results.Limits{ScheduleDelayP999MS: 100, ObserverLagMS: 1000, OfferedShortfall: 0.001, InFlightBytes: 256 << 20, DrainS: 60},
		Phases: []results.Phase{{Name: "warm-up", FromS: 0, ToS: 5}, {Name: "baseline", FromS: 5, ToS: 55}, {Name: "drain", FromS: 55, ToS: 56.2}},
	}
	run := &Run{Record: r, Series: map[string]*results.Histogram{}}

	var log bytes.Buffer
	writer, err := results.NewLogWriter(&log, origin)
	if err != nil {
		t.Fatal(err)
	}
	rules := []string{"high_value_absolute", "high_value_relative", "overdraft_attempt", "velocity"}
	whole := map[string]*results.Histogram{}
	lag := int64(0)
	for s := range 57 {
		rate := int64(5000)
		if s >= 25 && s < 35 {
			rate = 25000
		}
		phase := "baseline"
		if s < 5 {
			phase = "warm-up"
		}
		if s >= 55 {
			phase, rate = "drain", 0
		}
		lag += rate
		processed := min(lag, int64(capacity))
		lag -= processed
		second := map[string]*results.Histogram{}
		record := func(tag string, ms float64) {
			if second[tag] == nil {
				second[tag] = results.NewHistogram()
			}
			second[tag].Record(time.Duration(ms * float64(time.Millisecond)))
		}
		spread := func() float64 { return math.Exp(random.NormFloat64() * 0.55) }
		behind := float64(lag) / capacity * 1000
		for i := range rate / 5 {
			ms := 7*slow*spread() + behind
			record("alert", ms)
			record("alert."+rules[i%4], ms)
		}
		// A tenth of what a real run has is enough for every percentile, and quicker.
		for range rate / 10 {
			record("ack", 1.1*spread())
			record("schedule_delay", 0.05*spread())
		}
		for range 50 {
			record("query", 0.9*spread())
			record("freshness", 6*slow*spread()+behind)
		}
		row := results.Second{
			Second: s, Phase: phase, Offered: new(rate), Sent: new(rate), Acked: new(rate), Processed: new(processed), Lag: new(lag),
			Queries: new(int64(50)), CPU: map[string]float64{}, RSS: map[string]int64{},
		}
		if h := second["alert"]; h != nil {
			row.Alerts, row.AlertP50MS, row.AlertP99MS = new(h.Count()), h.Summary().P50, h.Summary().P99
		}
		row.QueryP99MS = new(float64(second["query"].Quantile(0.99)) / 1e6)
		busy := float64(processed) / 25000
		for i, name := range append(components, "broker", "database", "harness") {
			row.CPU[name] = busy * (0.3 + 0.1*float64(i)) * (1 + 0.1*random.Float64())
			row.RSS[name] = int64(float64(40+35*i+s) * (1 << 20))
		}
		run.Timeline = append(run.Timeline, row)
		for tag, h := range second {
			if err := writer.Write(tag, time.Duration(s)*time.Second, time.Duration(s+1)*time.Second, h); err != nil {
				t.Fatal(err)
			}
			if s >= 5 {
				if whole[tag] == nil {
					whole[tag] = results.NewHistogram()
				}
				whole[tag].Merge(h)
			}
		}
	}
	run.Series = whole

	r.Load = results.Load{OfferedPerS: 9000, SentPerS: 9000, Offered: 450000, Sent: 450000, Acked: 450000, Warmup: 25000,
		ScheduleDelay: whole["schedule_delay"].Summary(), InFlightBytes: 3 << 20}
	r.ThroughputS = 8789
	r.Latency = results.Latencies{Alert: whole["alert"].Summary(), Ack: whole["ack"].Summary(), Query: whole["query"].Summary(),
		AlertByRule: map[string]results.Summary{}}
	for _, rule := range rules {
		r.Latency.AlertByRule[rule] = whole["alert."+rule].Summary()
	}
	r.Freshness = whole["freshness"].Summary()
	r.Correctness = results.Correctness{Expected: 312480, Observed: 312480, MalformedSent: 231, DeadLettered: 231, LateExpected: 12,
		LateCounted: 12, Answers: 2600, RightAnswers: 2100, StaleAnswers: 500}
	watched := results.NewHistogram()
	for range 20000 {
		watched.Record(time.Duration(3e6 * (1 + random.Float64())))
	}
	r.Observer = results.Observer{Alerts: 95000, AlertsServed: 95000, Lag: watched.Summary(), MaxLagMS: *watched.Summary().Max}
	for i, name := range append(components, "broker", "database", "harness") {
		disk := int64(i) * 9 << 20
		res := results.Resource{Component: name, DiskBytes: &disk, StartS: 0.1 * float64(i), CPUS: new(0.0), MaxRSSBytes: new(int64(0))}
		for _, s := range run.Timeline {
			*res.CPUS += s.CPU[name]
			*res.MaxRSSBytes = max(*res.MaxRSSBytes, s.RSS[name])
		}
		r.Resources = append(r.Resources, res)
	}
	for _, name := range components {
		if name == "batch" {
			continue
		}
		r.Positions = append(r.Positions, results.ComponentPosition{Component: name, Processed: 475000, Late: 12, Duplicates: 480, DeadLetters: 231})
	}
	if arch == "lambda" {
		for g := range int64(3) {
			at := float64(15 * (g + 1))
			r.Batch = append(r.Batch, results.Batch{Generation: g + 1, StartedAtS: at, PublishedS: at + 0.9, Rows: 75000 * (g + 1),
				ChangedRows: 41000, Mode: "changes", WaitS: 0.05, ReadS: 0.31, WriteS: 0.38, PublishS: 0.12})
		}
	}
	r.Environment = results.Environment{
		Command: []string{"lkbench", "run", "--arch=lambda,kappa", "--scenario=spike"}, Version: "v0.1.0", GoVersion: "go1.26.8",
		OS: "linux", Arch: "amd64", Kernel: "6.1.0-18-amd64", CPU: "AMD EPYC 7763", Cores: 2, MemoryBytes: 24 << 30,
		Kafka: "kfake", KafkaSettings: map[string]string{"partitions": "4"}, Postgres: "PostgreSQL 18.3",
		PostgresSettings: map[string]string{"fsync": "on", "synchronous_commit": "on", "wal_level": "logical"},
		Settings:         map[string]string{"commit_interval": "10ms", "batch_every": "15s", "restart_delay": "1s"},
	}
	r.Thresholds = []results.Threshold{results.Evaluate("alert.p99", "<", 60000, r), results.Evaluate("correctness.missing", "==", 0, r)}
	r.Verdict = results.Decide(r)
	if r.Verdict.Status != results.Passed {
		t.Fatalf("the sample run does not pass: %v", r.Verdict.Reasons)
	}
	return run
}
