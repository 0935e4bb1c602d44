package chaos

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lkbench/results"
)

func f(v float64) *float64 { return &v }

func crash(target string, lag results.Span, wrong int64) results.Fault {
	return results.Fault{
		Kind: "crash", Target: "random", Components: []string{target}, InjectedAtS: f(3), EndedAtS: f(4),
		Recovery: &results.Recovery{LagBack: lag, AllRight: results.Span{Why: "no answers"}, DowntimeS: f(0.5), WrongAnswers: wrong},
	}
}

func record(arch string, status results.Status, faults ...results.Fault) *results.Record {
	return &results.Record{Arch: arch, Verdict: results.Verdict{Status: status}, Faults: faults}
}

// TestWrite: what was not measured is no zero, what did not happen is no survival, and neither is a run that nobody can trust.
func TestWrite(t *testing.T) {
	records := []*results.Record{
		record("kappa", results.Passed, crash("stream", results.Span{S: f(1)}, 0), crash("stream", results.Span{S: f(3)}, 0)),
		record("kappa", results.Incorrect, crash("stream", results.Span{S: f(9), Censored: true}, 2)),
		record("lambda", results.Invalid, crash("speed", results.Span{S: f(1)}, 0)),
		record("lambda", results.ThresholdFailed, crash("speed", results.Span{S: f(2), Censored: true}, 0)),
		record("lambda", results.Invalid, results.Fault{Kind: "pause", Target: "database", Failure: "not paused"}),
	}
	var out strings.Builder
	if err := Write(&out, records); err != nil {
		t.Fatal(err)
	}
	const want = `| fault | architecture | runs | faults | survived | downtime, median / longest | lag back | all answers right | wrong answers |
|---|---|--:|--:|--:|--:|--:|--:|--:|
| crash speed | lambda | 2 | 2 | 1 | 0.5 / 0.5 s | 1.0 / >2.0 s | - | 0 |
| crash stream | kappa | 2 | 3 | 2 | 0.5 / 0.5 s | 3.0 / >9.0 s | - | 2 |
| pause database | lambda | 1 | 1 | 0 (1 without effect) | - | - | - | 0 |

kappa: incorrect 1
kappa: passed 1
lambda: invalid 2
lambda: threshold_failed 1
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestDrifts finds what grows, and leaves out what has too few seconds.
func TestDrifts(t *testing.T) {
	var seconds []results.Second
	for i := range 40 {
		s := results.Second{Second: i, Phase: "baseline", AlertP99MS: f(10), RSS: map[string]int64{"stream": int64(100+i) << 20}}
		if i < 15 {
			s.QueryP99MS = f(5)
		}
		seconds = append(seconds, s)
	}
	seconds = append(seconds, results.Second{Second: 40, Phase: "drain", AlertP99MS: f(9999)})
	want := []Drift{{"alert p99", "ms", 10, 10}, {"memory of stream", "MiB", 110, 130}}
	got := Drifts(seconds)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if share := got[1].Share(); share < 0.18 || share > 0.19 {
		t.Errorf("memory grew by %v", share)
	}
}

// TestMedian holds the estimate against known answers: without censoring it is the median, a time that is lost sight of early says nothing
// of how long it took, and where most were lost there is none.
func TestMedian(t *testing.T) {
	over, lost := func(s float64) Time { return Time{s, false} }, func(s float64) Time { return Time{s, true} }
	for name, c := range map[string]struct {
		times Times
		want  float64
		known bool
	}{
		"none":               {nil, 0, false},
		"odd":                {Times{over(3), over(1), over(2)}, 2, true},
		"even":               {Times{over(4), over(1), over(2), over(3)}, 2, true},
		"lost early":         {Times{lost(0.1), lost(0.1), over(5), over(6), over(7)}, 6, true},
		"lost at the end":    {Times{over(1), over(2), over(3), lost(9)}, 2, true},
		"lost at one's time": {Times{over(1), lost(1)}, 1, true},
		"most were lost":     {Times{over(1), lost(2), lost(2), lost(2)}, 0, false},
	} {
		if got, known := c.times.Median(); got != c.want || known != c.known {
			t.Errorf("%s: %v %v, want %v %v", name, got, known, c.want, c.known)
		}
	}
}
