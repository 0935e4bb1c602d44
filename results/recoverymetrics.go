package results

import (
	"fmt"
	"math"
)

// recoveryMetrics are the spans of recovery, in milliseconds: the worst over all faults that have a recovery.
func recoveryMetrics() []metric {
	var all []metric
	for _, s := range []struct {
		name string
		of   func(r *Recovery) Span
	}{
		{"detection", func(r *Recovery) Span { return r.Detection }},
		{"first_output", func(r *Recovery) Span { return r.FirstOutput }},
		{"downtime", func(r *Recovery) Span { return Span{S: r.DowntimeS} }},
		{"lag_back", func(r *Recovery) Span { return r.LagBack }},
		{"p99_back", func(r *Recovery) Span { return r.P99Back }},
		{"freshness_back", func(r *Recovery) Span { return r.FreshnessBack }},
		{"all_right", func(r *Recovery) Span { return r.AllRight }},
	} {
		// Some faults end nothing that could be detected: what they lack is no reason to distrust the others.
		optional := s.name == "detection"
		all = append(all, metric{"recovery." + s.name, "ms", func(r *Record) (*float64, string) {
			var spans []namedSpan
			for _, f := range r.Faults {
				if f.Recovery == nil {
					continue
				}
				if span := s.of(f.Recovery); span.S != nil || !optional {
					spans = append(spans, namedSpan{f.Kind + " of " + f.Target, span})
				}
			}
			return worst(spans)
		}})
	}
	return all
}

// reprocessMetrics are the spans of corrections of history, in milliseconds: the worst over all of them.
func reprocessMetrics() []metric {
	worstOf := func(of func(p Reprocess) Span) func(r *Record) (*float64, string) {
		return func(r *Record) (*float64, string) {
			var spans []namedSpan
			for _, p := range r.Reprocess {
				spans = append(spans, namedSpan{fmt.Sprintf("reprocess at %s s", decimal(p.RequestedAtS)), of(p)})
			}
			return worst(spans)
		}
	}
	return []metric{
		{"reprocess.first_right", "ms", worstOf(func(p Reprocess) Span { return p.FirstRight })},
		{"reprocess.all_right", "ms", worstOf(func(p Reprocess) Span { return p.AllRight })},
	}
}

type namedSpan struct {
	name string
	Span
}

// worst is the longest span in milliseconds. It is nil, with the reason, if one of them was censored or not measured: that one
// may be the longest.
func worst(spans []namedSpan) (*float64, string) {
	if len(spans) == 0 {
		return nil, ""
	}
	longest := 0.0
	for _, s := range spans {
		switch {
		case s.Censored && s.S != nil:
			return nil, fmt.Sprintf("censored: not within %s s (%s)", decimal(*s.S), s.name)
		case s.S == nil && s.Why != "":
			return nil, fmt.Sprintf("not measured: %s (%s)", s.Why, s.name)
		case s.S == nil:
			return nil, fmt.Sprintf("not measured (%s)", s.name)
		}
		longest = max(longest, math.Round(1e6**s.S)/1e3) // to the microsecond: 2.3 s are 2300 ms
	}
	return &longest, ""
}
