package recovery

import (
	"cmp"
	"slices"

	"lkbench/results"
)

// Fault is when one fault happened, in seconds from the first intended send.
type Fault struct {
	InjectedS *float64 // nil: it never took effect
	EndedS    *float64 // nil: its cause stayed
	DetectedS *float64 // nil: it ended nothing, or nobody saw it
}

// Run is a whole run with its faults, in any order.
type Run struct {
	Seen
	Faults  []Fault
	WarmupS float64  // the end of warm-up
	EndS    float64  // the end of the observation
	BeforeS float64  // how much of the time before a fault is its baseline
	Control *Control // nil: there was none
	Bands   Bands
}

// Each measures the recovery from every fault of a run, in the order of Faults; nil for those that never took effect.
//
// A fault is observed until the next one. Faults that follow each other within the time to hold are one blow: each is observed until the
// next fault after that time. The baseline lies before the fault and behind the recovery from those before it; where less than a second
// is left, that of the first fault serves.
func Each(run Run) []*results.Recovery {
	all := make([]*results.Recovery, len(run.Faults))
	var order []int
	for i, f := range run.Faults {
		if f.InjectedS != nil {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(*run.Faults[a].InjectedS, *run.Faults[b].InjectedS) })
	over := 0.0 // when the system was over the faults before
	var first Input
	for k, i := range order {
		in := run.input(run.Faults[i])
		in.BaselineFromS = max(in.BaselineFromS, over)
		if k == 0 {
			first = in
		}
		borrowed := in.Control == nil && in.BaselineToS-in.BaselineFromS < fewest*rowMS/1000. && k > 0
		if borrowed {
			in.BaselineFromS, in.BaselineToS = first.BaselineFromS, first.BaselineToS
		}
		r := Measure(in)
		if borrowed {
			r.Notes = append(r.Notes, "the baseline is that of the first fault: the system had not recovered for a second before this one")
		}
		if k > 0 && in.InjectedS-*run.Faults[order[k-1]].InjectedS <= run.Bands.HoldMS/1000 {
			r.Notes = append(r.Notes, "another fault came so shortly before this one that the figures are of both")
		}
		over = max(over, in.over(r))
		all[i] = &r
	}
	return all
}

// input is one fault as if it were the only one, but for the end of its observation.
func (run Run) input(f Fault) Input {
	in := Input{
		Seen: run.Seen, InjectedS: *f.InjectedS, EndedS: f.EndedS, DetectedS: f.DetectedS, UntilS: run.EndS,
		BaselineFromS: max(run.WarmupS, *f.InjectedS-run.BeforeS), BaselineToS: *f.InjectedS, Control: run.Control, Bands: run.Bands,
	}
	for _, other := range run.Faults {
		if other.InjectedS != nil && *other.InjectedS > in.InjectedS+run.Bands.HoldMS/1000 && *other.InjectedS < in.UntilS {
			in.UntilS, in.NextFault = *other.InjectedS, true
		}
	}
	return in
}

// over is when the system was over the fault: it had ended, and every value was back or last seen away.
func (in Input) over(r results.Recovery) float64 {
	end := in.InjectedS
	if in.EndedS != nil {
		end = max(end, *in.EndedS)
	}
	for _, s := range []results.Span{r.LagBack, r.P99Back, r.FreshnessBack} {
		if s.S != nil {
			end = max(end, in.InjectedS+*s.S)
		}
	}
	return end
}
