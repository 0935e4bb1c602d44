package recovery

import (
	"fmt"
	"testing"

	"lkbench/results"
)

func format(v float64) string { return fmt.Sprintf("%.3f", v) }

// every one of five rows is seen from 25 s on
func sparse() []span {
	var all []span
	for s := 25.0; s < runEnd; s += 0.5 {
		all = append(all, span{s, s + 0.4})
	}
	return all
}

// Each case holds for lag, for alert p99 and for freshness, whatever the noise. step is the time from the last sample out of band to the
// first in it: 100 ms for rows, 20 ms for answers.
func TestBackInItsBand(t *testing.T) {
	whole := []span{{24.9, 60}}
	for _, c := range []struct {
		name     string
		scene    scene
		want     func(step, end float64) any // seconds, or a part of the reason
		censored bool
		note     string
	}{
		{"once", scene{out: []span{{25, 29}}}, func(step, _ float64) any { return 4 + step }, false, ""},
		{"after a blip too short to matter", scene{out: []span{{25, 29}, {35, 35.5}}}, func(step, _ float64) any { return 4 + step }, false,
			"left its band again after its return, 1 times, for at most"},
		{"twice", scene{out: []span{{25, 29}, {35, 38}}}, func(step, _ float64) any { return 13 + step }, false,
			"was back before and left its band again; the last return counts"},
		{"three times", scene{out: []span{{25, 26}, {30, 33}, {40, 43}}}, func(step, _ float64) any { return 18 + step }, false, "the last return counts"},
		{"in between not long enough to count", scene{out: []span{{25, 27}, {28, 29}}}, func(step, _ float64) any { return 4 + step }, false, ""},
		{"for exactly the time to hold", scene{out: []span{{25, 27}, {29.1, 29.5}}}, func(step, _ float64) any { return 2 + step }, false, "left its band again after its return"},
		{"never left", scene{}, func(_, _ float64) any { return 0.0 }, false, "never left its band"},
		{"before the fault ended", scene{out: []span{{25, 29}}, input: func(in *Input) { in.EndedS = new(40.0) }},
			func(step, _ float64) any { return 4 + step }, false, "s before the fault ended"},
		{"a blip while the fault is there", scene{out: []span{{25, 29}, {35, 35.5}}, input: func(in *Input) { in.EndedS = new(40.0) }},
			func(step, _ float64) any { return 10.5 + step }, false, "s before the fault ended"},
		{"a blow that falls when the fault ends", scene{out: []span{{30.5, 31}}, input: func(in *Input) { in.EndedS = new(30.0) }},
			func(step, _ float64) any { return 6 + step }, false, ""},
		{"a fault that never ended, and a blip", scene{out: []span{{25, 29}, {35, 35.5}}, input: func(in *Input) { in.EndedS = nil }},
			func(step, _ float64) any { return 10.5 + step }, false, "was back before and left its band again"},
		{"a fault that shows late", scene{out: []span{{28, 31}}, input: func(in *Input) { in.EndedS = new(35.0) }},
			func(step, _ float64) any { return 6 + step }, false, "before the fault ended"},
		{"never", scene{out: whole}, func(_, end float64) any { return end - 25 }, true, ""},
		{"back, and gone again for good", scene{out: []span{{25, 29}, {40, 60}}}, func(_, end float64) any { return end - 25 }, true, ""},
		{"too late to be held", scene{out: []span{{25, 53.8}}, input: func(in *Input) { in.UntilS = 55 }},
			func(step, _ float64) any { return 28.8 + step }, true, "less than the time to hold"},

		{"through a gap in the fault", scene{out: []span{{25, 29}}, missing: []span{{25.2, 27}}}, func(step, _ float64) any { return 4 + step }, false, "are missing 1 times"},
		{"somewhere in a gap", scene{out: []span{{25, 27}}, missing: []span{{27, 29}}}, func(step, _ float64) any { return 4 + step }, false, "are missing 1 times"},
		{"not held over a gap", scene{out: []span{{25, 29}}, missing: []span{{30, 30.5}}}, func(step, _ float64) any { return 5.5 + step }, false, "are missing 1 times"},
		{"held over two rows that are missing", scene{out: []span{{25, 29}}, missing: []span{{30, 30.2}}}, func(step, _ float64) any { return 4 + step }, false, ""},
		{"nobody looked for long", scene{out: []span{{25, 29}}, missing: []span{{40, 45}}}, func(step, _ float64) any { return 20 + step }, false, "the last return counts"},
		{"from a gap on", scene{missing: []span{{25, 27}}}, func(step, _ float64) any { return 2 + step }, false, "are missing 1 times"},

		{"no sample", scene{missing: whole}, func(_, _ float64) any { return "no samples of" }, false, ""},
		{"no samples at the end", scene{out: []span{{25, 29}}, missing: []span{{50, 60}}}, func(_, _ float64) any { return "in the last" }, false, ""},
		{"gaps everywhere", scene{out: []span{{25, 26}}, missing: sparse()}, func(_, _ float64) any { return "have gaps" }, false, ""},
		{"no baseline", scene{out: []span{{25, 29}}, input: func(in *Input) { in.BaselineFromS = 24.9 }}, func(_, _ float64) any { return "no baseline" }, false, ""},
		{"observed too shortly", scene{input: func(in *Input) { in.UntilS = 26 }}, func(_, _ float64) any { return "was observed for 1.0 s" }, false, ""},
	} {
		for seed := range uint64(3) {
			c.scene.seed = seed
			in := c.scene.make()
			r := Measure(in)
			for _, m := range []struct {
				name string
				got  results.Span
				step float64
				end  float64
			}{
				{"lag", r.LagBack, 0.1, in.UntilS}, {"alert p99", r.P99Back, 0.1, in.UntilS}, {"freshness", r.FreshnessBack, 0.02, min(in.UntilS, loadEnd)},
			} {
				if m.name == "freshness" && c.name == "no baseline" {
					continue // five answers in the time of one row; see TestNoBaseline
				}
				if want := c.want(m.step, m.end); !is(m.got, want, c.censored) {
					t.Errorf("%s, %s: %s, want %v (notes %q)", c.name, m.name, show(m.got), want, r.Notes)
				}
				if c.note != "" {
					if c.note[0] == 'a' && !noted(r, "samples of "+m.name+" "+c.note) || !noted(r, c.note) {
						t.Errorf("%s, %s: no note %q in %q", c.name, m.name, c.note, r.Notes)
					}
				}
			}
			if c.note == "" && len(r.Notes) > 2 {
				t.Errorf("%s: notes %q", c.name, r.Notes)
			}
		}
	}
}

// Nine samples make no baseline, ten do.
func TestNoBaseline(t *testing.T) {
	for _, c := range []struct {
		from float64
		ok   bool
	}{{24.1, false}, {24.0, true}} {
		r := scene{out: []span{{25, 29}}, input: func(in *Input) { in.BaselineFromS = c.from }}.measure()
		for _, s := range []results.Span{r.LagBack, r.P99Back} {
			if (s.S != nil) != c.ok {
				t.Errorf("baseline from %v s: %s", c.from, show(s))
			}
		}
	}
	r := scene{input: func(in *Input) { in.BaselineFromS = 25 }}.measure()
	for name, s := range map[string]results.Span{"first output": r.FirstOutput, "lag": r.LagBack, "p99": r.P99Back, "freshness": r.FreshnessBack, "all right": r.AllRight} {
		if !is(s, "no baseline", false) {
			t.Errorf("%s: %s", name, show(s))
		}
	}
	if r.DowntimeS != nil || r.ExcessEventSeconds != nil {
		t.Error("figures against a baseline that does not exist")
	}
	if r.PeakLag == nil || r.PeakP99MS == nil {
		t.Error("peaks need no baseline")
	}
}

// The edge of a band by hand.
func TestEdgeOfABand(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values        []float64
		factor, floor float64
		want          float64
		ok            bool
	}{
		{hundred, 1.5, 50, 148.5, true},              // 1.5 × the 99th of 100
		{hundred, 1.5, 100, 150, true},               // the median, the 50th of 100, and the floor
		{hundred[:10], 1, 0, 100, true},              // of ten values the highest is the 99th percentile
		{hundred[:9], 1, 0, 0, false},                // too few
		{make([]float64, 10), 1.5, 500, 500, true},   // a lag that was always zero
		{[]float64{}, 1.5, 500, 0, false},            // nothing
		{append(hundred, 1e6), 1, 0, 100, true},      // one value of 101 is beyond the percentile
		{append(hundred, 1e6, 1e6), 1, 0, 1e6, true}, // two are not
	} {
		if got, ok := edge(c.values, c.factor, c.floor); got != c.want || ok != c.ok {
			t.Errorf("%d values × %v, floor %v: %v %v, want %v", len(c.values), c.factor, c.floor, got, ok, c.want)
		}
	}
}

// What a note must not say.
func TestNotesThatWouldBeWrong(t *testing.T) {
	late := scene{out: []span{{28, 31}}, input: func(in *Input) { in.EndedS = new(35.0) }}.measure()
	if noted(late, "was back before") {
		t.Errorf("a fault that showed late: %q", late.Notes)
	}
	blip := scene{out: []span{{35, 35.5}}}.measure()
	if !is(blip.LagBack, 0.0, false) || noted(blip, "lag never left") || !noted(blip, "lag left its band again") {
		t.Errorf("a blip long after the fault: %s %q", show(blip.LagBack), blip.Notes)
	}
}

// The observation need not end with a row, and alerts end with the load.
func TestEndsOfSeries(t *testing.T) {
	r := scene{out: []span{{25, 29}}, input: func(in *Input) { in.UntilS, in.EndedS = 57.95, nil }}.measure()
	if !is(r.LagBack, 4.1, false) || noted(r, "again") {
		t.Errorf("half a row at the end: lag %s %q", show(r.LagBack), r.Notes)
	}
	r = scene{out: []span{{25, 29}}, missing: []span{{55.1, 60}}}.measure()
	if !is(r.P99Back, 4.1, false) || !is(r.LagBack, "in the last 2.9 s", false) {
		t.Errorf("nothing after the load: p99 %s, lag %s", show(r.P99Back), show(r.LagBack))
	}
	r = scene{out: []span{{25, 29}, {54, 60}}}.measure()
	if !is(r.P99Back, 33.0, true) {
		t.Errorf("away at the end of the load and after it: p99 %s", show(r.P99Back))
	}
	r = scene{input: func(in *Input) {
		for i := range in.Tenths {
			in.Tenths[i].Offered = nil
		}
	}}.measure()
	if !is(r.LagBack, "no baseline: 0 samples of lag", false) {
		t.Errorf("nobody knows what was offered: lag %s", show(r.LagBack))
	}
}

// Latencies have their own factor and floor: 10 ms before the fault allow 60 ms after it.
func TestBandOfLatencies(t *testing.T) {
	for ms, back := range map[float64]bool{60: true, 61: false} {
		in := scene{}.make()
		for i := range in.Tenths {
			in.Tenths[i].AlertP99MS = new(10.0)
			if in.Tenths[i].AtMS >= 25000 {
				in.Tenths[i].AlertP99MS = &ms
			}
		}
		for i := range in.Answers {
			in.Answers[i].AgeMS = 10
			if in.Answers[i].AtMS > 25000 {
				in.Answers[i].AgeMS = ms
			}
		}
		if r := Measure(in); r.P99Back.Censored == back || r.FreshnessBack.Censored == back || r.AllRight.Censored == back {
			t.Errorf("%v ms: p99 %s, freshness %s, all right %s", ms, show(r.P99Back), show(r.FreshnessBack), show(r.AllRight))
		}
	}
}

// The floor of lag is a time: so many events as are offered in it.
func TestFloorOfLagIsInEventsAtTheOfferedRate(t *testing.T) {
	for _, c := range []struct {
		perRow, lag int64
		back        bool
	}{{500, 510, true}, {500, 511, false}, {50, 60, true}, {50, 61, false}} {
		in := scene{}.make()
		for i := range in.Tenths {
			row := &in.Tenths[i]
			row.Lag = new(int64(10))
			if *row.Offered > 0 {
				row.Offered = &c.perRow
			}
			if row.AtMS >= 25000 {
				row.Lag = &c.lag
			}
		}
		if r := Measure(in); r.LagBack.Censored == c.back {
			t.Errorf("%d events a row, lag %d: %s", c.perRow, c.lag, show(r.LagBack))
		}
	}
}

// A backlog that goes only when nothing more comes was not overcome.
func TestLagThatIsBackWithoutLoad(t *testing.T) {
	r := scene{out: []span{{25, 55.5}}}.measure()
	if !is(r.LagBack, 30.6, false) {
		t.Error(show(r.LagBack))
	}
	wantNote(t, r, "lag was back only after the load had ended")
	if noted(scene{out: []span{{25, 50}}}.measure(), "after the load") {
		t.Error("noted of a return under load")
	}
}
