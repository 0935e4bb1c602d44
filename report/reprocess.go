package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lkbench/results"
)

func reprocessSection(all []results.Reprocess) section {
	b := &builder{section: section{Title: "reprocessing"}}
	var notes []string
	for i, p := range all {
		b.Heads = append(b.Heads, strconv.Itoa(i+1))
		rules := "the same rules again"
		if len(p.Rules) > 0 {
			var changed []string
			for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
				changed = append(changed, name+" = "+p.Rules[name])
			}
			rules = "rules changed: " + strings.Join(changed, ", ")
		}
		notes = append(notes, fmt.Sprintf("%d: %s", i+1, rules))
	}
	add := func(label string, cell func(p results.Reprocess) string) {
		b.add(label, len(all), func(i int) string { return cell(all[i]) })
	}
	at := func(v *float64) string { return b.unit(v, 2, "s", "not reached by the end of the run") }
	mib := func(v *int64) string {
		if v == nil {
			return notMeasured
		}
		return mebibytes(*v) + " MiB"
	}
	add("requested at", func(p results.Reprocess) string { return b.unit(&p.RequestedAtS, 2, "s", "") })
	add("started at", func(p results.Reprocess) string { return at(p.StartedAtS) })
	add("switched at", func(p results.Reprocess) string { return at(p.SwitchedAtS) })
	add("done at", func(p results.Reprocess) string { return at(p.DoneAtS) })
	add("attempts", func(p results.Reprocess) string { return strconv.Itoa(p.Attempts) })
	add("events", func(p results.Reprocess) string { return count(&p.Events) })
	add("events/s", func(p results.Reprocess) string { return b.unit(p.EventsPerS, 0, "", "") })
	add("first right answer", func(p results.Reprocess) string { return b.span(p.FirstRight) })
	add("all answers right", func(p results.Reprocess) string { return b.span(p.AllRight) })
	add("wrong answers", func(p results.Reprocess) string { return count(&p.WrongAnswers) })
	add("alerts of history", func(p results.Reprocess) string { return count(&p.Alerts) })
	add("extra CPU", func(p results.Reprocess) string { return b.unit(p.ExtraCPUS, 1, "s", "") })
	add("extra memory", func(p results.Reprocess) string { return mib(p.ExtraMemoryBytes) })
	add("extra disk", func(p results.Reprocess) string { return mib(p.ExtraDiskBytes) })
	add("alert p99 before", func(p results.Reprocess) string { return b.unit(p.AlertP99BeforeMS, 2, "ms", "") })
	add("alert p99 during", func(p results.Reprocess) string { return b.unit(p.AlertP99DuringMS, 2, "ms", "") })
	add("freshness before", func(p results.Reprocess) string { return b.unit(p.FreshnessBeforeMS, 2, "ms", "") })
	add("freshness during", func(p results.Reprocess) string { return b.unit(p.FreshnessDuringMS, 2, "ms", "") })
	return b.finish(notes)
}
