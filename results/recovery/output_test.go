package recovery

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lkbench/results"
)

func TestFirstOutput(t *testing.T) {
	rarely := func(in *Input) { // an alert every 2 s
		for i := range in.Tenths {
			if i%20 != 0 {
				in.Tenths[i].Alerts = new(int64(0))
			}
		}
	}
	for _, c := range []struct {
		name     string
		scene    scene
		want     any
		censored bool
		note     string
	}{
		{"after a silence", scene{silent: []span{{25, 27.3}}}, 2.4, false, ""},
		{"of several the longest", scene{silent: []span{{25, 25.8}, {25.9, 27}, {40, 42}}}, 2.1, false, ""},
		{"which may begin before the injection", scene{silent: []span{{24.7, 26.4}}}, 1.5, false, ""},
		{"what was under way still comes out", scene{silent: []span{{25.3, 27.3}}}, 2.4, false, ""},
		{"a silence after the fault is not the fault's", scene{silent: []span{{40, 42}}}, 0.0, false, "output never stopped"},
		{"a silence while a long fault is there", scene{silent: []span{{40, 42}}, input: func(in *Input) { in.EndedS = new(41.0) }}, 17.1, false, ""},
		{"a silence of a fault that was over at once", scene{silent: []span{{25.8, 27.3}}, input: func(in *Input) { in.EndedS = &in.InjectedS }}, 2.4, false, ""},
		{"which counts from its beginning", scene{silent: []span{{20, 20.5}, {24.6, 25.3}}}, 0.4, false, ""},
		{"a silence after the load", scene{silent: []span{{55.2, 57}}, input: func(in *Input) { in.EndedS = nil }}, 0.0, false, "output never stopped"},
		{"never silent", scene{}, 0.0, false, "output never stopped for longer than before (0.0 s of alerts)"},
		{"as silent as before", scene{silent: []span{{20, 20.5}, {25, 25.5}}}, 0.0, false, "never stopped for longer than before (0.5 s"},
		{"more silent than before", scene{silent: []span{{20, 20.5}, {25, 25.6}}}, 0.7, false, ""},
		{"silent for good", scene{silent: []span{{25, 60}}}, 33.0, true, ""},
		{"silent until the load is over", scene{silent: []span{{25, 56}}}, 31.1, false, ""},
		{"silent without load", scene{silent: []span{{55, 60}}}, 0.0, false, "output never stopped"},
		{"alerts too rare", scene{stopped: []span{{25, 27.3}}, input: rarely}, 2.4, false, "by processed events"},
		{"rare alerts, nothing processed", scene{stopped: []span{{25, 60}}, input: rarely}, 33.0, true, "by processed events"},
		{"nothing came out before either", scene{stopped: []span{{0, 60}}, silent: []span{{0, 60}}}, "no baseline", false, ""},
	} {
		for seed := range uint64(3) {
			c.scene.seed = seed
			r := c.scene.measure()
			if !is(r.FirstOutput, c.want, c.censored) {
				t.Errorf("%s: %s, want %v (notes %q)", c.name, show(r.FirstOutput), c.want, r.Notes)
			}
			wantNote(t, r, c.note)
		}
	}
}

func TestDetection(t *testing.T) {
	r := scene{input: func(in *Input) { in.DetectedS = new(25.004) }}.measure()
	if !is(r.Detection, 0.004, false) {
		t.Error(show(r.Detection))
	}
	if r := (scene{}).measure(); !is(r.Detection, "nobody saw the target end", false) {
		t.Error(show(r.Detection))
	}
}

func TestDowntime(t *testing.T) {
	for _, c := range []struct {
		name  string
		scene scene
		want  *float64
		note  string
	}{
		{"none", scene{}, new(0.0), ""},
		{"one", scene{stopped: []span{{25, 27.3}}}, new(2.3), ""},
		{"two", scene{stopped: []span{{25, 27.3}, {30, 31}}}, new(3.3), ""},
		{"before the fault", scene{stopped: []span{{10, 14}}}, new(0.0), ""},
		{"without load", scene{stopped: []span{{53, 60}}}, new(2.0), ""},
		// One row in five is empty because commits are rarer than rows, so 2.3 s hold 18 of 23 that the fault is to blame for, to the row.
		{"beyond the usual", scene{stopped: append(commits(0, 25), append(commits(27.5, 55), span{25, 27.5})...)}, new(2.0), ""},
		{"as usual", scene{stopped: commits(0, 55)}, new(0.0), ""},
		{"nobody could be asked", scene{unasked: []span{{25, 26}}, stopped: []span{{26, 27}}}, new(2.0), "downtime counts 1.0 s in which nobody could say"},
		{"nobody looked at all", scene{stopped: []span{{26, 27}}, input: func(in *Input) {
			for i := 250; i < 260; i++ {
				in.Tenths[i] = results.Tenth{AtMS: in.Tenths[i].AtMS}
			}
			for i := 550; i < 580; i++ { // after the load that is no downtime
				in.Tenths[i] = results.Tenth{AtMS: in.Tenths[i].AtMS}
			}
		}}, new(2.0), "downtime counts 1.0 s in which nobody could say"},
		{"nobody was asked", scene{unasked: []span{{25, 60}}}, nil, ""},
		{"nobody was asked before", scene{unasked: []span{{0, 25}}}, nil, ""},
	} {
		r := c.scene.measure()
		if (r.DowntimeS == nil) != (c.want == nil) || c.want != nil && math.Abs(*r.DowntimeS-*c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, r.DowntimeS, c.want)
		}
		wantNote(t, r, c.note)
	}
}

// commits are the rows without a commit of a stream that commits in four of five.
func commits(from, to float64) []span {
	var all []span
	for s := from; s < to; s += 0.5 {
		all = append(all, span{s, s + 0.1})
	}
	return all
}

// ramp is a lag without noise that is 100 events, climbs to 11,600 from 25 to 27.3 s and is down again at 29.6 s.
func ramp(in *Input) {
	for i := range in.Tenths {
		at := rowEnd(in.Tenths[i]) / 1000
		lag := 100.0
		switch {
		case at > 25 && at <= 27.3:
			lag += 5000 * (at - 25)
		case at > 27.3 && at <= 29.6:
			lag += 5000 * (29.6 - at)
		}
		in.Tenths[i].Lag = new(int64(math.Round(lag)))
	}
}

func TestExcessAndPeaks(t *testing.T) {
	// The area of the triangle, 2.3 s × 11,500 events, until lag is back in its band: 500 events above the median from 29.5 s on, where
	// 500 × 0.1 s / 2 are left. Rows are steps, so the last row in band counts whole.
	const area = 2.3*11_500 - 25 + 25
	r := scene{input: ramp}.measure()
	if !is(r.LagBack, 4.5, false) || r.ExcessEventSeconds == nil || math.Abs(*r.ExcessEventSeconds-area) > 1 {
		t.Errorf("lag back after %s, area %v, want %v", show(r.LagBack), *r.ExcessEventSeconds, area)
	}
	if *r.PeakLag != 11_600 {
		t.Errorf("peak lag %d", *r.PeakLag)
	}
	// Missing rows are a straight line, as this lag is: what is missing on the way up costs nothing.
	r = scene{input: func(in *Input) {
		ramp(in)
		for i := 252; i < 270; i++ {
			in.Tenths[i].Lag = nil
		}
	}}.measure()
	if math.Abs(*r.ExcessEventSeconds-area) > 600 {
		t.Errorf("with a gap %v, want about %v", *r.ExcessEventSeconds, area)
	}
	// What happens after lag is back is not the fault's; nor is what the baseline had.
	r = scene{out: []span{{40, 41}}}.measure()
	if *r.ExcessEventSeconds != 0 {
		t.Errorf("area of a lag that was in its band: %v", *r.ExcessEventSeconds)
	}
	// A lag below the usual does not make up for one above it.
	r = scene{input: func(in *Input) {
		for i := range in.Tenths {
			in.Tenths[i].Lag = new(int64(100))
			if i >= 250 && i < 260 {
				in.Tenths[i].Lag = new(int64(0))
			} else if i >= 260 && i < 290 {
				in.Tenths[i].Lag = new(int64(2100))
			}
		}
	}}.measure()
	if !is(r.LagBack, 4.1, false) || math.Abs(*r.ExcessEventSeconds-3*2000) > 1 {
		t.Errorf("%s, area %v", show(r.LagBack), *r.ExcessEventSeconds)
	}
	// A lag that never comes back has the area of all that was observed.
	r = scene{input: func(in *Input) {
		for i := range in.Tenths {
			in.Tenths[i].Lag = new(int64(100))
			if i >= 250 {
				in.Tenths[i].Lag = new(int64(2100))
			}
		}
	}}.measure()
	if !is(r.LagBack, 33.0, true) || math.Abs(*r.ExcessEventSeconds-33*2000) > 1 {
		t.Errorf("%s, area %v", show(r.LagBack), *r.ExcessEventSeconds)
	}
	r = scene{input: func(in *Input) { in.Tenths[300].AlertP99MS, in.Tenths[200].AlertP99MS = new(7777.0), new(9999.0) }}.measure()
	if *r.PeakP99MS != 7777 {
		t.Errorf("peak p99 %v", *r.PeakP99MS)
	}
	if r := (scene{missing: []span{{24.9, 60}}}).measure(); r.PeakLag != nil || r.PeakP99MS != nil || r.ExcessEventSeconds != nil {
		t.Error("figures of what was not measured")
	}
}

func TestAnswers(t *testing.T) {
	kind := func(k Kind, spans ...span) func(float64) Kind {
		return func(at float64) Kind {
			if within(spans, at) {
				return k
			}
			return ""
		}
	}
	for _, c := range []struct {
		name            string
		scene           scene
		right, fresh    any
		censored        bool
		wrong, failures int64
		note            string
	}{
		{"all right", scene{}, 0.0, 0.0, false, 0, 0, "every answer was right"},
		{"wrong ones", scene{bad: kind(Wrong, span{25, 26})}, 1.02, 1.02, false, 50, 0, ""},
		{"failed ones", scene{bad: kind(Failed, span{25, 26})}, 1.02, 1.02, false, 0, 50, ""},
		{"a single wrong one late", scene{bad: kind(Wrong, span{40, 40.02})}, 15.04, 0.0, false, 1, 0, "freshness left its band again"},
		{"a single stale one late", scene{out: []span{{40, 40.02}}}, 15.04, 0.0, false, 0, 0, ""},
		{"the last one wrong", scene{bad: kind(Wrong, span{54.98, 55})}, 30.0, 0.0, true, 1, 0, ""},
		{"all failed", scene{bad: kind(Failed, span{25, 55})}, 30.0, 30.0, true, 0, 1500, ""},
		{"wrong before the fault", scene{bad: kind(Wrong, span{24, 25})}, 0.0, 0.0, false, 0, 0, ""},
		{"no answers", scene{missing: []span{{25, 55}}}, "no answers after the fault", "no samples of freshness", false, 0, 0, ""},
		{"no answers at the end", scene{missing: []span{{50, 55}}}, "no answers in the last 5.0 s", "in the last 5.0 s", false, 0, 0, ""},
	} {
		r := c.scene.measure()
		freshCensored := c.censored && c.fresh != 0.0
		if !is(r.AllRight, c.right, c.censored) || !is(r.FreshnessBack, c.fresh, freshCensored) {
			t.Errorf("%s: all right %s, want %v; freshness %s, want %v", c.name, show(r.AllRight), c.right, show(r.FreshnessBack), c.fresh)
		}
		if r.WrongAnswers != c.wrong || r.FailedQueries != c.failures {
			t.Errorf("%s: %d wrong, %d failed", c.name, r.WrongAnswers, r.FailedQueries)
		}
		wantNote(t, r, c.note)
	}
}

// Where queries are rare their distance is no gap.
func TestRareQueries(t *testing.T) {
	r := scene{out: []span{{25, 29}}, input: func(in *Input) {
		var rare []Answer
		for i, a := range in.Answers {
			if i%25 == 24 { // every 500 ms
				rare = append(rare, a)
			}
		}
		in.Answers = rare
	}}.measure()
	if !is(r.FreshnessBack, 4.5, false) || !is(r.AllRight, 4.5, false) {
		t.Errorf("freshness %s, all right %s", show(r.FreshnessBack), show(r.AllRight))
	}
}

// Queries overtake each other, so answers come in any order.
func TestOrderOfAnswersDoesNotMatter(t *testing.T) {
	s := scene{out: []span{{25, 29}}, bad: func(at float64) Kind {
		if within([]span{{25, 26}, {33, 33.1}}, at) {
			return Wrong
		}
		return ""
	}}
	want := s.measure()
	s.input = func(in *Input) {
		for i := 0; i+5 < len(in.Answers); i += 3 {
			in.Answers[i], in.Answers[i+5] = in.Answers[i+5], in.Answers[i]
		}
	}
	first := s.make()
	was := first.Answers[0]
	if diff := cmp.Diff(want, Measure(first)); diff != "" {
		t.Error(diff)
	}
	if first.Answers[0] != was {
		t.Error("the answers of the caller were moved")
	}
}

// With a control the bands are those of the same seconds without the fault: here load and lag are nine times as high from 25 s on, fault or not.
func TestControl(t *testing.T) {
	busy := func(in *Input) {
		for i := range in.Tenths {
			if in.Tenths[i].AtMS >= 25000 && *in.Tenths[i].Offered > 0 {
				*in.Tenths[i].Lag, *in.Tenths[i].AlertP99MS = *in.Tenths[i].Lag+2000, *in.Tenths[i].AlertP99MS+200
			}
		}
	}
	control := scene{seed: 9, input: busy}.make().Seen
	with := scene{out: []span{{25, 29}}, input: func(in *Input) { busy(in); in.Control = &Control{"20261123-kappa-control", control} }}.measure()
	without := scene{out: []span{{25, 29}}, input: busy}.measure()
	if !is(with.LagBack, 4.1, false) || !is(with.P99Back, 4.1, false) || with.Baseline != "control" || with.ControlRun != "20261123-kappa-control" {
		t.Errorf("with a control: lag %s, p99 %s, %q %q", show(with.LagBack), show(with.P99Back), with.Baseline, with.ControlRun)
	}
	if without.LagBack.Censored || *without.LagBack.S < 30 || without.Baseline != "before the fault" || without.ControlRun != "" {
		t.Errorf("without: lag %s, %q", show(without.LagBack), without.Baseline)
	}
	empty := scene{input: func(in *Input) { in.Control = &Control{Run: "x"} }}.measure()
	if !is(empty.LagBack, "no baseline", false) {
		t.Errorf("an empty control: %s", show(empty.LagBack))
	}
}
