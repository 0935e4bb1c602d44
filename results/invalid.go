package results

import (
	"fmt"
	"maps"
	"slices"
)

// invalidity lists why the measurement cannot be trusted. A run that checked nothing is among them.
func invalidity(r *Record) []string {
	var reasons []string
	because := func(is bool, format string, args ...any) {
		if is {
			reasons = append(reasons, fmt.Sprintf(format, args...))
		}
	}
	c, l, o := r.Correctness, r.Load, r.Observer

	because(r.Interrupted, "the run was interrupted before its load was over")
	because(!r.Drained, "not drained: the system had not processed everything %g s after the load", r.Limits.DrainS)
	because(o.Failure != "", "failed to watch the run to its end: %s", o.Failure)
	reasons = append(reasons, unexplained(o.Gaps, r.Faults)...)
	reasons = append(reasons, withoutEffect(r.Faults)...)
	reasons = append(reasons, uncorrected(r.Reprocess)...)

	because(c.Expected == 0, "nothing was checked: the oracle expected no row")
	because(c.Answers == 0, "nothing was checked: no query was answered")
	because(c.Answers != c.RightAnswers+c.StaleAnswers+c.WrongAnswers, "answers to queries that were not judged: %d of %d",
		c.Answers-c.RightAnswers-c.StaleAnswers-c.WrongAnswers, c.Answers)
	because(c.BrokerCutUnknown != 0, "cannot be judged: the broker has thrown away %d records whose sends were never acknowledged", c.BrokerCutUnknown)
	because(r.Latency.Alert.Count == 0, "nothing was measured: no alert was seen")
	because(o.Missed != 0, "alerts that the served view holds and the observer never saw: %d of %d", o.Missed, o.AlertsServed)
	because(o.AlertsServed == 0, "nothing was checked: the served view holds no alert")
	because(o.Alerts+o.Reprocessed < o.AlertsServed && o.Reprocessed == 0, "the observer saw %d alerts, but the served view holds %d", o.Alerts, o.AlertsServed)
	because(o.Alerts+o.Reprocessed < o.AlertsServed && o.Reprocessed != 0, "the observer saw %d alerts and found %d of corrected history, but the served view holds %d",
		o.Alerts, o.Reprocessed, o.AlertsServed)
	because(o.Undecoded != 0, "rows the observer could not trace to an event: %d", o.Undecoded)
	because(o.Lag.Count == 0, "observer lag was not measured")
	because(!(o.MaxLagMS <= r.Limits.ObserverLagMS), "the observer fell behind by %.1f ms; the limit is %g ms", o.MaxLagMS, r.Limits.ObserverLagMS)

	reasons = append(reasons, MissedRate(l, r.Limits)...)
	because(l.InFlightLimited, "the bound on bytes in flight was reached: %d bytes unacknowledged; the limit is %d", l.InFlightBytes, r.Limits.InFlightBytes)

	for _, s := range series(r) {
		because(s.Negative != 0, "%s below zero: %d samples, which means a clock went wrong", s.name, s.Negative)
		because(s.Overflow != 0, "%s beyond one hour: %d samples are missing from the percentiles", s.name, s.Overflow)
	}
	return reasons
}

// MissedRate lists how the load that was made differs from the load that was intended.
func MissedRate(l Load, limits Limits) []string {
	if l.Offered == 0 {
		return []string{"nothing was offered: the schedule intended no event"}
	}
	var reasons []string
	allowed := 1 - limits.OfferedShortfall
	percent := 100 * limits.OfferedShortfall
	if float64(l.Sent) < allowed*float64(l.Offered) || l.Sent > l.Offered {
		reasons = append(reasons, fmt.Sprintf("sent %d of %d offered events; the limit is %g%% fewer", l.Sent, l.Offered, percent))
	}
	if !(l.SentPerS >= allowed*l.OfferedPerS) {
		reasons = append(reasons, fmt.Sprintf("sent %.1f events/s of %.1f offered; the limit is %g%% less", l.SentPerS, l.OfferedPerS, percent))
	}
	switch d := l.ScheduleDelay; {
	case d.Max == nil:
		reasons = append(reasons, "schedule delay was not measured")
	case d.P999 != nil && !(*d.P999 <= limits.ScheduleDelayP999MS):
		reasons = append(reasons, fmt.Sprintf("schedule delay p99.9 was %.1f ms; the limit is %g ms", *d.P999, limits.ScheduleDelayP999MS))
	case d.P999 == nil && !(*d.Max <= limits.ScheduleDelayP999MS):
		reasons = append(reasons, fmt.Sprintf("schedule delay reached %.1f ms (too few events for a p99.9); the limit is %g ms", *d.Max, limits.ScheduleDelayP999MS))
	}
	return reasons
}

type namedSummary struct {
	name string
	Summary
}

// series lists every latency block of the record.
func series(r *Record) []namedSummary {
	all := []namedSummary{
		{"alert latency", r.Latency.Alert},
		{"acknowledgement latency", r.Latency.Ack},
		{"query latency", r.Latency.Query},
		{"freshness", r.Freshness},
		{"schedule delay", r.Load.ScheduleDelay},
		{"observer lag", r.Observer.Lag},
	}
	for _, rule := range slices.Sorted(maps.Keys(r.Latency.AlertByRule)) {
		all = append(all, namedSummary{"alert latency of " + rule, r.Latency.AlertByRule[rule]})
	}
	return all
}
