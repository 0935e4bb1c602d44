package recovery

import (
	"math/rand/v2"
	"strings"
	"testing"

	"lkbench/results"
)

// span is a time (from, to] in seconds.
type span struct{ from, to float64 }

func within(spans []span, at float64) bool {
	for _, s := range spans {
		if at > s.from+1e-9 && at <= s.to+1e-9 {
			return true
		}
	}
	return false
}

// scene is a run of 55 s at 5,000 events/s with 3 s of drain, a fault at 25 s that ends at 26 s, and noise on everything. Lag, alert p99 and
// freshness are out of their bands in out, and not measured in missing.
type scene struct {
	out, missing []span
	silent       []span // rows without alerts
	stopped      []span // rows without processed events
	unasked      []span // rows of which nobody knows the processed events
	bad          func(at float64) Kind
	input        func(in *Input)
	seed         uint64
}

const (
	usualLag, highLag = 50, 9000 // events
	usualAge, highAge = 10, 900  // ms
	loadEnd, runEnd   = 55.0, 58.0
)

func (s scene) make() Input {
	random := rand.New(rand.NewPCG(s.seed, 7))
	noise := func(around float64) float64 { return around * (0.8 + 0.4*random.Float64()) }
	in := Input{
		InjectedS: 25, EndedS: new(26.0), UntilS: runEnd, BaselineFromS: 15, BaselineToS: 25,
		Bands: Bands{HoldMS: 2000, LagFactor: 1.5, LagFloorMS: 100, LatencyFactor: 1.5, LatencyFloorMS: 50},
	}
	for i := range int64(runEnd * 10) {
		end := float64(i+1) / 10
		t := results.Tenth{AtMS: 100 * i, Offered: new(int64(500)), Acked: new(int64(500)), Processed: new(int64(noise(500))), Alerts: new(int64(noise(100)))}
		if end > loadEnd {
			t.Offered, t.Acked = new(int64(0)), new(int64(0))
		}
		lag, p99 := noise(usualLag), noise(usualAge)
		if within(s.out, end) {
			lag, p99 = noise(highLag), noise(highAge)
		}
		if !within(s.missing, end) {
			t.Lag, t.AlertP99MS, t.AlertMaxMS = new(int64(lag)), &p99, new(p99*1.2)
		}
		if within(s.silent, end) {
			t.Alerts = new(int64(0))
		}
		if within(s.stopped, end) {
			t.Processed = new(int64(0))
		}
		if within(s.unasked, end) {
			t.Processed = nil
		}
		in.Tenths = append(in.Tenths, t)
	}
	for ms := int64(20); float64(ms) <= loadEnd*1000; ms += 20 {
		at := float64(ms) / 1000
		a := Answer{AtMS: ms, Kind: Stale, AgeMS: noise(usualAge)}
		if within(s.out, at) {
			a.AgeMS = noise(highAge)
		}
		if s.bad != nil {
			if kind := s.bad(at); kind != "" {
				a.Kind = kind
			}
		}
		if !within(s.missing, at) {
			in.Answers = append(in.Answers, a)
		}
	}
	if s.input != nil {
		s.input(&in)
	}
	return in
}

func (s scene) measure() results.Recovery { return Measure(s.make()) }

// is says whether a span is what was expected: a number of seconds, censored or not, or the reason why there is none.
func is(got results.Span, want any, censored bool) bool {
	if why, ok := want.(string); ok {
		return got.S == nil && !got.Censored && got.Why != "" && strings.Contains(got.Why, why)
	}
	return got.S != nil && got.Censored == censored && got.Why == "" && seconds(*got.S*1000) == seconds(want.(float64)*1000)
}

func show(s results.Span) string {
	switch {
	case s.S == nil:
		return "n/a: " + s.Why
	case s.Censored:
		return "> " + show(results.Span{S: s.S})
	}
	return strings.TrimSuffix(strings.TrimRight(format(*s.S), "0"), ".") + " s"
}

func noted(r results.Recovery, what string) bool {
	for _, n := range r.Notes {
		if strings.Contains(n, what) {
			return true
		}
	}
	return false
}

func wantNote(t *testing.T, r results.Recovery, what string) {
	t.Helper()
	if what != "" && !noted(r, what) {
		t.Errorf("no note %q in %q", what, r.Notes)
	}
}
