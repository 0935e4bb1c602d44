package report

import (
	"fmt"

	"lkbench/results"
)

func recoverySection(faults []results.Fault) section {
	b := &builder{section: section{Title: "faults and recovery"}}
	var notes []string
	for i, f := range faults {
		b.Heads = append(b.Heads, fmt.Sprintf("%d %s", i+1, f.Kind))
		if f.What != "" {
			notes = append(notes, fmt.Sprintf("%d: %s", i+1, f.What))
		}
		if f.Recovery != nil {
			for _, n := range f.Recovery.Notes {
				notes = append(notes, fmt.Sprintf("%d: %s", i+1, n))
			}
		}
	}
	add := func(label string, cell func(f results.Fault) string) {
		b.add(label, len(faults), func(i int) string { return cell(faults[i]) })
	}
	const never, stays = "it did not take effect", "its cause was not taken away"
	recovered := func(label string, cell func(r *results.Recovery) string) {
		add(label, func(f results.Fault) string {
			switch {
			case f.InjectedAtS == nil:
				return b.missing(because(never, f.Failure))
			case f.Recovery == nil:
				return b.missing("recovery was not measured")
			}
			return cell(f.Recovery)
		})
	}
	add("target", func(f results.Fault) string { return f.Target })
	add("injected at", func(f results.Fault) string { return b.unit(f.InjectedAtS, 2, "s", because(never, f.Failure)) })
	add("lasted", func(f results.Fault) string {
		if f.InjectedAtS == nil {
			return b.missing(because(never, f.Failure))
		}
		if f.EndedAtS == nil {
			return b.missing(stays)
		}
		return b.unit(new(*f.EndedAtS-*f.InjectedAtS), 2, "s", "")
	})
	recovered("bands from", func(r *results.Recovery) string { return r.Baseline })
	recovered("observed for", func(r *results.Recovery) string { return b.unit(&r.ObservedS, 1, "s", "") })
	recovered("detected", func(r *results.Recovery) string { return b.span(r.Detection) })
	recovered("first output", func(r *results.Recovery) string { return b.span(r.FirstOutput) })
	recovered("downtime", func(r *results.Recovery) string {
		return b.unit(r.DowntimeS, 1, "s", "no baseline, or nobody could say what was processed")
	})
	recovered("lag back", func(r *results.Recovery) string { return b.span(r.LagBack) })
	recovered("alert p99 back", func(r *results.Recovery) string { return b.span(r.P99Back) })
	recovered("freshness back", func(r *results.Recovery) string { return b.span(r.FreshnessBack) })
	recovered("all answers right", func(r *results.Recovery) string { return b.span(r.AllRight) })
	recovered("peak lag, events", func(r *results.Recovery) string { return count(r.PeakLag) })
	recovered("peak alert p99", func(r *results.Recovery) string { return b.unit(r.PeakP99MS, 0, "ms", "") })
	recovered("excess, event-s", func(r *results.Recovery) string { return b.unit(r.ExcessEventSeconds, 0, "", "") })
	recovered("wrong answers", func(r *results.Recovery) string { return count(&r.WrongAnswers) })
	recovered("failed queries", func(r *results.Recovery) string { return count(&r.FailedQueries) })
	return b.finish(notes)
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
