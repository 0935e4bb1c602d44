package capacity

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lkbench/results"
)

const rate = 50_000

// lags is a timeline with this lag, in seconds of load, at the end of every second of the load, between others that say nothing.
func lags(seconds ...float64) []results.Second {
	offered := int64(rate)
	enormous := int64(1e12)
	timeline := []results.Second{{Second: 0, Phase: "warm-up", Lag: &enormous, Offered: &offered}}
	for i, s := range seconds {
		lag := int64(s * rate)
		timeline = append(timeline, results.Second{Second: i + 1, Phase: baseline, Lag: &lag, Offered: &offered})
	}
	return append(timeline, results.Second{Second: len(timeline), Phase: "drain", Lag: &enormous, Offered: &offered})
}

// passed is the record of a sound run.
func passed() *results.Record {
	p99, delay := 80.0, 2.0
	return &results.Record{
		RunID: "run", Drained: true, Verdict: results.Verdict{Status: results.Passed},
		Limits:  results.Limits{ScheduleDelayP999MS: 100, OfferedShortfall: 0.01, DrainS: 60},
		Load:    results.Load{Offered: 100, Sent: 100, OfferedPerS: rate, SentPerS: rate, ScheduleDelay: results.Summary{P999: &delay, Max: &delay}},
		Latency: results.Latencies{Alert: results.Summary{P99: &p99}},
	}
}

func TestLagSlope(t *testing.T) {
	for _, c := range []struct {
		name string
		lag  []float64
		want float64
	}{
		{"flat", []float64{0.2, 0.2, 0.2, 0.2}, 0},
		{"growing by a tenth", []float64{0.1, 0.2, 0.3, 0.4, 0.5}, 0.1},
		{"shrinking", []float64{0.5, 0.4, 0.3}, -0.1},
		{"a peak in the middle", []float64{0.1, 0.1, 0.8, 0.1, 0.1}, 0},
	} {
		got, measured := lagTrend(lags(c.lag...))
		if !measured || math.Abs(got.slope-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, few := range [][]results.Second{lags(0.1, 0.2), {{Phase: baseline}, {Phase: baseline}, {Phase: baseline}}} {
		if _, measured := lagTrend(few); measured {
			t.Error("a slope of what was not measured")
		}
	}
}

// TestLagUnderNoise: a rate 5% beyond the limit is told from one that is held, in lag that varies by a tenth of a second of load,
// and seldom is one that is held taken for too much.
func TestLagUnderNoise(t *testing.T) {
	for _, c := range []struct {
		seconds     int
		growth      float64
		least, most int // how many of 400 are not held
	}{{20, 0, 0, 16}, {20, 0.05, 400, 400}, {5, 0, 0, 16}, {5, 0.2, 360, 400}} {
		failed := 0
		for seed := range uint64(400) {
			random := rand.New(rand.NewPCG(seed, 2))
			var noisy []float64
			for i := range c.seconds {
				noisy = append(noisy, 0.1+c.growth*float64(i)+0.1*(2*random.Float64()-1))
			}
			if p := Sustained(passed(), lags(noisy...)); !p.Held {
				failed++
			}
		}
		if failed < c.least || failed > c.most {
			t.Errorf("%d s, lag growing by %v: %d of 400 not held, want %d to %d", c.seconds, c.growth, failed, c.least, c.most)
		}
	}
}

func TestSustained(t *testing.T) {
	steady := []float64{0.1, 0.1, 0.11, 0.1, 0.1}
	for _, c := range []struct {
		name  string
		lag   []float64
		spoil func(*results.Record)
		why   string // part of it; empty if held
	}{
		{"sound", steady, func(*results.Record) {}, ""},
		{"just within the slope", []float64{0.10, 0.109, 0.118, 0.127}, func(*results.Record) {}, ""},
		{"just beyond the slope", []float64{0.10, 0.111, 0.122, 0.133}, func(*results.Record) {}, "the lag grew by 1.1%"},
		{"lag unknown", nil, func(*results.Record) {}, "the lag was not measured"},
		{"the objective was missed", steady, func(r *results.Record) {
			r.Verdict = results.Verdict{Status: results.ThresholdFailed, Reasons: []string{"expected alert.p99 < 500ms, measured 800 ms"}}
		}, "measured 800 ms"},
		{"lost", steady, func(r *results.Record) {
			r.Verdict = results.Verdict{Status: results.Incorrect, Reasons: []string{"rows missing"}}
		}, "the answers were wrong: rows missing"},
		{"not drained", steady, func(r *results.Record) { r.Drained = false }, "not drained"},
		{"the driver was slow", steady, func(r *results.Record) {
			r.Load.SentPerS = 0.9 * rate
			r.Verdict = results.Verdict{Status: results.Invalid, Reasons: []string{"sent too few"}}
		}, "the generator did not make the load: sent 45000.0 events/s"},
		{"the driver was late", steady, func(r *results.Record) {
			late := 300.0
			r.Load.ScheduleDelay.P999 = &late
		}, "the generator did not make the load: schedule delay p99.9 was 300.0 ms"},
		{"the broker was slow", steady, func(r *results.Record) { r.Load.InFlightLimited = true }, "the broker did not take the load"},
		{"invalid otherwise", steady, func(r *results.Record) {
			r.Verdict = results.Verdict{Status: results.Invalid, Reasons: []string{"nothing was checked"}}
		}, "the measurement is invalid: nothing was checked"},
		{"nobody judged it", steady, func(r *results.Record) { r.Verdict = results.Verdict{} }, "the measurement is invalid: unverified"},
	} {
		r := passed()
		c.spoil(r)
		p := Sustained(r, lags(c.lag...))
		if p.Held != (c.why == "") || !strings.Contains(p.Why, c.why) || p.RunID != "run" || *p.P99MS != 80 {
			t.Errorf("%s: %+v, want %q", c.name, p, c.why)
		}
	}
}

func TestRecoverable(t *testing.T) {
	after := func(s float64) results.Span { return results.Span{S: &s} }
	for _, c := range []struct {
		name  string
		spoil func(*results.Record)
		why   string
	}{
		{"in time", func(*results.Record) {}, ""},
		{"the lag late", func(r *results.Record) { r.Faults[0].Recovery.LagBack = after(5.1) }, "the lag was back 5.1 s after the crash; the limit is 5s"},
		{"the latency late", func(r *results.Record) { r.Faults[0].Recovery.P99Back = after(6) }, "alert p99 was back 6.0 s"},
		{"the answers late", func(r *results.Record) { r.Faults[0].Recovery.AllRight = after(7) }, "all answers were right 7.0 s"},
		{"censored within the limit", func(r *results.Record) {
			s := after(4)
			s.Censored = true
			r.Faults[0].Recovery.LagBack = s
		}, "4.0 s after the crash it was not yet so that the lag was back"},
		{"not measured", func(r *results.Record) { r.Faults[0].Recovery.P99Back = results.Span{Why: "no baseline"} }, "it is not known when alert p99 was back: no baseline"},
		{"no recovery", func(r *results.Record) { r.Faults[0].Recovery = nil }, "the recovery was not measured"},
		{"no fault", func(r *results.Record) { r.Faults = nil }, "the recovery was not measured"},
		{"lost", func(r *results.Record) { r.Verdict = results.Verdict{Status: results.Incorrect} }, "the answers were wrong"},
		{"an expectation", func(r *results.Record) {
			r.Verdict = results.Verdict{Status: results.ThresholdFailed, Reasons: []string{"expected"}}
		}, "expected"},
	} {
		r := passed()
		r.Faults = []results.Fault{{Recovery: &results.Recovery{LagBack: after(1), P99Back: after(5), AllRight: after(0)}}}
		c.spoil(r)
		p := Recoverable(r, lags(0.1, 0.1, 0.1), 5*time.Second)
		if p.Held != (c.why == "") || !strings.Contains(p.Why, c.why) {
			t.Errorf("%s: %+v, want %q", c.name, p, c.why)
		}
	}
}
