package results

import (
	"encoding/json"
	"fmt"
	"slices"
)

// FaultsFile holds the faults of a run, as they stand in run.json too.
const FaultsFile = "faults.json"

// EncodeFaults gives the bytes of FaultsFile: a list, empty where there were no faults.
func EncodeFaults(faults []Fault) ([]byte, error) {
	content, err := json.MarshalIndent(filledFaults(faults), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the faults of the run: %w", err)
	}
	return append(content, '\n'), nil
}

// filledFaults copies faults, with empty lists where they are nil.
func filledFaults(faults []Fault) []Fault {
	filled := append([]Fault{}, faults...)
	for i := range filled {
		fill(&filled[i].Components)
		if filled[i].Recovery != nil {
			r := *filled[i].Recovery
			fill(&r.Notes)
			filled[i].Recovery = &r
		}
	}
	return filled
}

// withoutEffect lists the faults that never took effect: a system that was not hurt has not survived.
func withoutEffect(faults []Fault) []string {
	var reasons []string
	for _, f := range faults {
		switch {
		case f.InjectedAtS == nil && f.Failure == "":
			reasons = append(reasons, fmt.Sprintf("the fault %s of %s, planned at %s s, did not take effect", f.Kind, f.Target, decimal(f.PlannedAtS)))
		case f.InjectedAtS == nil:
			reasons = append(reasons, fmt.Sprintf("the fault %s of %s, planned at %s s, did not take effect: %s", f.Kind, f.Target, decimal(f.PlannedAtS), f.Failure))
		case f.Failure != "":
			reasons = append(reasons, fmt.Sprintf("the fault %s of %s, injected at %s s, went wrong: %s", f.Kind, f.Target, decimal(*f.InjectedAtS), f.Failure))
		case f.EndedAtS != nil && *f.EndedAtS < *f.InjectedAtS:
			reasons = append(reasons, fmt.Sprintf("the fault %s of %s ended at %s s, before it began at %s s", f.Kind, f.Target, decimal(*f.EndedAtS), decimal(*f.InjectedAtS)))
		}
	}
	return reasons
}

const (
	// gapBefore is how much earlier than the injector the observer may learn that the database is gone.
	gapBefore = 0.5
	// gapAfter is how long after the end of a fault the observer may take to find its connection again, in seconds.
	gapAfter = 30
)

// disconnecting are the kinds of fault that, done to the database, can end the observer's connection.
var disconnecting = []string{"crash", "stop", "pause", "restart-loop", "memory", "disk-full", "partition", "drop", "reset"}

// explains says whether a fault took the observer's connection: the gap lies between its injection and 30 s after its end.
func (f Fault) explains(g ObserverGap) bool {
	takes := f.Kind == "connections" || slices.Contains(disconnecting, f.Kind) && slices.Contains(f.Components, "database")
	if !takes || f.InjectedAtS == nil || g.BackS == nil || g.LostS < *f.InjectedAtS-gapBefore {
		return false
	}
	return f.EndedAtS == nil || *g.BackS <= *f.EndedAtS+gapAfter
}

// unexplained lists the times without a connection of the observer that no fault explains.
func unexplained(gaps []ObserverGap, faults []Fault) []string {
	var reasons []string
	for _, g := range gaps {
		switch {
		case g.BackS == nil:
			reasons = append(reasons, fmt.Sprintf("the observer lost its connection at %s s and never had one again: %s", decimal(g.LostS), g.Reason))
		case !slices.ContainsFunc(faults, func(f Fault) bool { return f.explains(g) }):
			reasons = append(reasons, fmt.Sprintf("the observer had no connection from %s to %s s, which no fault explains: %s", decimal(g.LostS), decimal(*g.BackS), g.Reason))
		}
	}
	return reasons
}

// uncorrected lists the corrections of history that were asked for and not there when the run ended. That is no wrong answer, as the
// old rules were served rightly, and no missed expectation, as none was named: the run has not measured what it was made for.
func uncorrected(reprocess []Reprocess) []string {
	var reasons []string
	for _, p := range reprocess {
		if p.SwitchedAtS == nil {
			reasons = append(reasons, fmt.Sprintf("history was not corrected by the end: the reprocess requested at %s s has not switched", decimal(p.RequestedAtS)))
		}
	}
	return reasons
}
