package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lkbench/results"
)

// crashed is a run whose stream is killed at 25 s and down until 27.3 s, at half of what it can process, and a second fault from which it has
// not recovered when the run ends. Rows of 100 ms and of a second agree with each other and with the record.
func crashed(t testing.TB) *Run {
	t.Helper()
	run := sample(t, "kappa", 1)
	r := run.Record
	r.Scenario, r.DurationS = "crash-stream", 50
	r.Phases = []results.Phase{{Name: "warm-up", ToS: 5}, {Name: "baseline", FromS: 5, ToS: 25}, {Name: "fault", FromS: 25, ToS: 27}, {Name: "recovery", FromS: 27, ToS: 50},
		{Name: "fault", FromS: 50, ToS: 55}, {Name: "drain", FromS: 55, ToS: 58}}
	r.Faults = []results.Fault{
		{Kind: "crash", Target: "stream", Components: []string{"stream"}, How: "signal", What: "SIGKILL to process 4711, gone after 0.3 ms", PlannedAtS: 25,
			InjectedAtS: new(25.003), EndedAtS: new(27.0), Recovery: &results.Recovery{
				Baseline: "before the fault", ObservedS: 24.997, Detection: results.Span{S: new(0.004)}, FirstOutput: results.Span{S: new(2.397)},
				LagBack: results.Span{S: new(4.497)}, P99Back: results.Span{S: new(5.397)}, FreshnessBack: results.Span{S: new(4.617)}, AllRight: results.Span{S: new(4.637)},
				DowntimeS: new(2.3), PeakLag: new(int64(11550)), PeakP99MS: new(2305.5), ExcessEventSeconds: new(26450.0), FailedQueries: 3,
				Notes: []string{"observed until the next fault only, for 25.0 s"}}},
		{Kind: "latency", Target: "stream", Components: []string{"stream"}, How: "dialer", What: "400 ms to postgres", PlannedAtS: 50, InjectedAtS: new(50.001), Recovery: &results.Recovery{
			Baseline: "control", ControlRun: "20261123-163001-kappa-steady-11aa", ObservedS: 7.999, Detection: results.Span{Why: "nobody saw the target end"},
			FirstOutput: results.Span{S: new(0.0)}, LagBack: results.Span{S: new(7.999), Censored: true}, P99Back: results.Span{S: new(4.999), Censored: true},
			FreshnessBack: results.Span{S: new(4.999), Censored: true}, AllRight: results.Span{Why: "no answers in the last 3.0 s of the observation"},
			PeakLag: new(int64(9000)), Notes: []string{}}},
	}
	random := rand.New(rand.NewPCG(5, 1))
	run.Timeline = nil
	lag := 0.0
	for i := range int64(580) {
		at := float64(i) / 10
		offered, capacity := 500.0, 1000.0
		switch {
		case at >= 55:
			offered, capacity = 0, 20
		case at >= 50:
			capacity = 320
		case at >= 25 && at < 27.3:
			capacity = 0
		}
		lag += offered
		processed := min(lag-min(lag, 40+20*random.Float64()), capacity)
		if capacity == 0 {
			processed = 0
		}
		lag -= processed
		row := results.Tenth{AtMS: 100 * i, Offered: new(int64(offered)), Acked: new(int64(offered)), Processed: new(int64(processed)), Lag: new(int64(lag)), Alerts: new(int64(processed / 5))}
		if *row.Alerts > 0 {
			p99 := 8 + 4*random.Float64() + lag/5
			row.AlertMaxMS, row.AlertP99MS = new(p99*1.3), &p99
		}
		if at >= 25.5 && at < 26 { // nobody answered
			row.Processed, row.Lag = nil, nil
		}
		run.Tenths = append(run.Tenths, row)
		if s := int(at); i%10 == 9 {
			second := results.Second{Second: s, Phase: "baseline", Offered: new(int64(10 * offered)), Processed: new(int64(10 * processed)), Lag: new(int64(lag))}
			if row.AlertP99MS != nil {
				second.AlertP99MS, second.AlertP50MS = row.AlertP99MS, new(*row.AlertP99MS/2)
			}
			run.Timeline = append(run.Timeline, second)
		}
	}
	if !slices.ContainsFunc(run.Tenths, func(t results.Tenth) bool {
		return *t.Offered > 0 && t.Lag != nil && math.Abs(float64(*t.Lag)-11550) < 100
	}) {
		t.Fatal("the made-up run does not have the lag that its record states")
	}
	r.Reprocess = []results.Reprocess{
		{Rules: map[string]string{"absolute_inr": "40000", "premium_inr": "12000"}, RequestedAtS: 20, StartedAtS: new(20.05), SwitchedAtS: new(23.25), DoneAtS: new(28.3),
			Attempts: 1, Events: 100_000, EventsPerS: new(31_250.0), FirstRight: results.Span{S: new(3.26)}, AllRight: results.Span{S: new(3.31)}, Alerts: 1234,
			ExtraCPUS: new(2.5), ExtraMemoryBytes: new(int64(64 << 20)), ExtraDiskBytes: new(int64(32 << 20)), AlertP99BeforeMS: new(12.5), AlertP99DuringMS: new(48.25),
			FreshnessBeforeMS: new(11.0), FreshnessDuringMS: new(40.5)},
		{RequestedAtS: 50, Attempts: 2, FirstRight: results.Span{S: new(8.0), Censored: true}, AllRight: results.Span{Why: "history was not corrected"}},
	}
	return run
}
