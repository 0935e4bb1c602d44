package recovery

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lkbench/results"
)

func runOf(s scene, faults ...Fault) Run {
	in := s.make()
	return Run{Seen: in.Seen, Faults: faults, WarmupS: 5, EndS: runEnd, BeforeS: 10, Bands: in.Bands}
}

func at(injected, ended float64) Fault { return Fault{InjectedS: &injected, EndedS: &ended} }

func TestEachFaultByItself(t *testing.T) {
	// In another order than they happened; one never did.
	all := Each(runOf(scene{out: []span{{20, 22}, {40, 43}}}, at(40, 41), Fault{}, at(20, 21)))
	if len(all) != 3 || all[1] != nil || all[0] == nil || all[2] == nil {
		t.Fatalf("%+v", all)
	}
	if !is(all[2].LagBack, 2.1, false) || all[2].ObservedS != 20 {
		t.Errorf("the first: lag %s, observed for %v s", show(all[2].LagBack), all[2].ObservedS)
	}
	wantNote(t, *all[2], "observed until the next fault only, for 20.0 s")
	if !is(all[0].LagBack, 3.1, false) || all[0].ObservedS != 18 || noted(*all[0], "next fault") {
		t.Errorf("the second: lag %s, observed for %v s, %q", show(all[0].LagBack), all[0].ObservedS, all[0].Notes)
	}
	if noted(*all[0], "the baseline is that") || noted(*all[2], "the baseline is that") {
		t.Errorf("both have a baseline of their own: %q %q", all[0].Notes, all[2].Notes)
	}
	three := Each(runOf(scene{}, at(20, 21), at(30, 31), at(40, 41)))
	for i, want := range []float64{10, 10, 18} {
		if three[i].ObservedS != want {
			t.Errorf("fault %d of three was observed for %v s", i, three[i].ObservedS)
		}
	}
	if got := Each(Run{}); len(got) != 0 {
		t.Errorf("of no faults: %v", got)
	}
}

// The time of an earlier fault's recovery is no baseline of a later one.
func TestBaselineBehindTheFaultBefore(t *testing.T) {
	// Half of the ten seconds before the second fault are out of band. As a baseline they would hide its effect.
	s := scene{out: []span{{20, 26}, {30, 33}}}
	all := Each(runOf(s, at(20, 21), at(30, 31)))
	if !is(all[1].LagBack, 3.1, false) {
		t.Errorf("lag %s: the recovery from the first fault is in the baseline", show(all[1].LagBack))
	}
	// A system that had no quiet second before the second fault is held against that before the first.
	s = scene{out: []span{{20, 29.5}, {30, 33}}}
	all = Each(runOf(s, at(20, 21), at(30, 31)))
	if !is(all[1].LagBack, 3.1, false) {
		t.Errorf("lag %s", show(all[1].LagBack))
	}
	wantNote(t, *all[1], "the baseline is that of the first fault")
	// Warm-up is no baseline either.
	s = scene{out: []span{{0, 15}, {20, 23}}}
	run := runOf(s, at(20, 21))
	run.WarmupS = 15
	if got := Each(run)[0]; !is(got.LagBack, 3.1, false) {
		t.Errorf("lag %s: the warm-up is in the baseline", show(got.LagBack))
	}
}

func TestBaselineIsNoLongerThanAsked(t *testing.T) {
	run := runOf(scene{out: []span{{5, 10}, {20, 23}}}, at(20, 21))
	if got := Each(run)[0]; !is(got.LagBack, 3.1, false) {
		t.Errorf("lag %s: more than %v s are in the baseline", show(got.LagBack), run.BeforeS)
	}
	// As long as a fault is there the system is not over it.
	if got := (Input{InjectedS: 20, EndedS: new(28.0)}).over(results.Recovery{LagBack: after(3000)}); got != 28 {
		t.Errorf("over at %v s", got)
	}
}

func TestFaultsAtOnce(t *testing.T) {
	all := Each(runOf(scene{out: []span{{20, 24}}}, at(20, 21), at(20.5, 21)))
	for i, want := range []float64{4.1, 3.6} {
		if !is(all[i].LagBack, want, false) {
			t.Errorf("fault %d: lag %s, want %v", i, show(all[i].LagBack), want)
		}
	}
	wantNote(t, *all[1], "the figures are of both")
}

// A fault that was not overcome when the next came is censored, not forgotten.
func TestNextFaultCensors(t *testing.T) {
	all := Each(runOf(scene{out: []span{{20, 34}}}, at(20, 21), at(30, 31)))
	if !is(all[0].LagBack, 10.0, true) {
		t.Errorf("lag %s", show(all[0].LagBack))
	}
}

// random is a scene with absences, gaps, silences and bad answers anywhere after the fault.
func random(r *rand.Rand) scene {
	some := func(n int) []span {
		var all []span
		for range r.IntN(n + 1) {
			from := 25 + math.Round(r.Float64()*350)/10
			all = append(all, span{from, from + math.Round(math.Exp(r.NormFloat64())*10)/10})
		}
		return all
	}
	wrong, failed := some(2), some(2)
	ended, until, control := 25+math.Round(r.Float64()*100)/10, 30+math.Round(r.Float64()*280)/10, r.IntN(4) == 0
	s := scene{out: some(5), missing: some(3), silent: some(3), stopped: some(3), unasked: some(2), seed: r.Uint64(),
		bad: func(at float64) Kind {
			switch {
			case within(wrong, at):
				return Wrong
			case within(failed, at):
				return Failed
			}
			return ""
		}}
	s.input = func(in *Input) {
		in.EndedS, in.UntilS, in.DetectedS = &ended, until, new(25.5)
		if control {
			in.Control = &Control{"control", scene{seed: 3}.make().Seen}
		}
	}
	return s
}

// When a run happened changes nothing about its recovery.
func TestShiftingTheWholeTimelineShiftsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s := random(r)
		here := s.make()
		there := moved(here, 3_600_000+100*r.Int64N(1000))
		if diff := cmp.Diff(Measure(here), Measure(there)); diff != "" {
			t.Fatalf("shifted: %s", diff)
		}
	}
}

// moved is the same input later.
func moved(in Input, ms int64) Input {
	seen := func(s Seen) Seen {
		var later Seen
		for _, t := range s.Tenths {
			t.AtMS += ms
			later.Tenths = append(later.Tenths, t)
		}
		for _, a := range s.Answers {
			a.AtMS += ms
			later.Answers = append(later.Answers, a)
		}
		return later
	}
	by := float64(ms) / 1000
	in.Seen = seen(in.Seen)
	in.InjectedS, in.UntilS, in.BaselineFromS, in.BaselineToS = in.InjectedS+by, in.UntilS+by, in.BaselineFromS+by, in.BaselineToS+by
	in.EndedS, in.DetectedS = new(*in.EndedS+by), new(*in.DetectedS+by)
	if in.Control != nil {
		in.Control = &Control{in.Control.Run, seen(in.Control.Seen)}
	}
	return in
}

// Lag is censored if and only if it was not back: what the words say, without the arithmetic of back. And whatever happened, every span is a
// number, a bound or a reason.
func TestEverySpanIsANumberABoundOrAReason(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	kinds := map[string]int{}
	for range 400 {
		in := random(r).make()
		got := Measure(in)
		for name, s := range map[string]results.Span{"first output": got.FirstOutput, "lag": got.LagBack, "p99": got.P99Back, "freshness": got.FreshnessBack, "all right": got.AllRight} {
			switch {
			case s.S == nil && (s.Why == "" || s.Censored):
				t.Errorf("%s: no number and no reason", name)
			case s.S != nil && (s.Why != "" || *s.S < 0 || *s.S > got.ObservedS):
				t.Errorf("%s: %s of %v s observed", name, show(s), got.ObservedS)
			}
		}
		s := got.LagBack
		switch {
		case s.S == nil:
			kinds["unknown"]++
			continue
		case s.Censored:
			kinds["censored"]++
		default:
			kinds["measured"]++
		}
		if !s.Censored && !heldFrom(in, *s.S) {
			t.Errorf("lag back after %s, but it was not held from there on", show(s))
		}
		if s.Censored && endsInBand(in) {
			t.Errorf("lag %s, but it was in its band for the last %v ms", show(s), in.Bands.HoldMS)
		}
	}
	for _, kind := range []string{"unknown", "censored", "measured"} {
		if kinds[kind] < 10 {
			t.Errorf("only %d of 400 are %s: the test is weak", kinds[kind], kind)
		}
	}
}

// A lag between the highest usual and the lowest out of band is in neither.
const between50And9000 = 3000

// heldFrom says whether every row for the time to hold, from s after the injection on, was in band.
func heldFrom(in Input, s float64) bool {
	for _, t := range in.Tenths {
		at := rowEnd(t) - 1000*in.InjectedS
		if at >= 1000*s-0.5 && at > 0 && at <= 1000*s+in.Bands.HoldMS && t.Lag != nil && *t.Lag > between50And9000 {
			return false
		}
	}
	return true
}

// endsInBand says whether the last rows, for more than the time to hold, are there and in band.
func endsInBand(in Input) bool {
	rows := 0
	for _, t := range in.Tenths {
		if at := rowEnd(t); at > 1000*(in.UntilS)-in.Bands.HoldMS-200 && at <= 1000*in.UntilS && t.Lag != nil && *t.Lag < between50And9000 {
			rows++
		}
	}
	return float64(rows) >= in.Bands.HoldMS/rowMS+1
}
