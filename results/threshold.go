package results

import (
	"fmt"
	"strconv"
	"strings"
)

// metric is a figure of the record that an expectation may name. value is nil where it was not measured; why says so in words
// where there is more to say than that.
type metric struct {
	name, unit string
	value      func(r *Record) (value *float64, why string)
}

// metrics lists every metric in the order it is offered to people.
func metrics() []metric {
	var all []metric
	for _, s := range []struct {
		name string
		of   func(r *Record) Summary
	}{
		{"alert", func(r *Record) Summary { return r.Latency.Alert }},
		{"query", func(r *Record) Summary { return r.Latency.Query }},
		{"freshness", func(r *Record) Summary { return r.Freshness }},
		{"ack", func(r *Record) Summary { return r.Latency.Ack }},
		{"schedule_delay", func(r *Record) Summary { return r.Load.ScheduleDelay }},
	} {
		for _, f := range []struct {
			name string
			of   func(s Summary) *float64
		}{
			{"p50", func(s Summary) *float64 { return s.P50 }},
			{"p90", func(s Summary) *float64 { return s.P90 }},
			{"p95", func(s Summary) *float64 { return s.P95 }},
			{"p99", func(s Summary) *float64 { return s.P99 }},
			{"p999", func(s Summary) *float64 { return s.P999 }},
			{"max", func(s Summary) *float64 { return s.Max }},
			{"mean", func(s Summary) *float64 { return s.Mean }},
		} {
			all = append(all, metric{s.name + "." + f.name, "ms", func(r *Record) (*float64, string) { return f.of(s.of(r)), "" }})
		}
	}
	all = append(all, metric{"throughput", "events/s", func(r *Record) (*float64, string) {
		// A run that did not drain has no throughput.
		if r.ThroughputS == 0 {
			return nil, ""
		}
		return &r.ThroughputS, ""
	}})
	// Zero rows missing of zero expected is not a good result but none.
	rows := func(name string, count func(c Correctness) int64) metric {
		return metric{"correctness." + name, "", func(r *Record) (*float64, string) {
			return counted(count(r.Correctness), r.Correctness.Expected), ""
		}}
	}
	answers := func(name, unit string, count func(c Correctness) int64) metric {
		return metric{"correctness." + name, unit, func(r *Record) (*float64, string) {
			return counted(count(r.Correctness), r.Correctness.Answers), ""
		}}
	}
	all = append(all,
		rows("missing", func(c Correctness) int64 { return c.Missing }),
		rows("duplicate", func(c Correctness) int64 { return c.Duplicate }),
		rows("wrong", func(c Correctness) int64 { return c.Wrong }),
		rows("unexpected", func(c Correctness) int64 { return c.Unexpected }),
		answers("wrong_answers", "", func(c Correctness) int64 { return c.WrongAnswers }),
		answers("wrong_answer_seconds", "s", func(c Correctness) int64 { return c.WrongAnswerSeconds }),
		rows("broker_lost", func(c Correctness) int64 { return c.BrokerLost }),
		metric{"restarts", "", func(r *Record) (*float64, string) { return counted(int64(len(r.Restarts)), 1), "" }},
	)
	return append(append(all, recoveryMetrics()...), reprocessMetrics()...)
}

func counted(n, of int64) *float64 {
	if of == 0 {
		return nil
	}
	v := float64(n)
	return &v
}

// MetricNames lists the metrics that Evaluate knows.
func MetricNames() []string {
	var names []string
	for _, m := range metrics() {
		names = append(names, m.name)
	}
	return names
}

// Evaluate holds one expectation against a record: metric (see MetricNames) op (< <= > >= ==) value, value in the
// metric's unit, milliseconds for latencies. What was not measured, and a metric or operator that does not exist, is
// never met.
func Evaluate(name, op string, value float64, r *Record) Threshold {
	t := Threshold{Expression: fmt.Sprintf("%s %s %s", name, op, strconv.FormatFloat(value, 'f', -1, 64))}
	for _, m := range metrics() {
		if m.name == name {
			t.Unit = m.unit
			t.Value, t.Why = m.value(r)
		}
	}
	if t.Unit != "" {
		t.Expression += " " + t.Unit
	}
	if t.Value == nil {
		return t
	}
	switch v := *t.Value; op {
	case "<":
		t.Met = v < value
	case "<=":
		t.Met = v <= value
	case ">":
		t.Met = v > value
	case ">=":
		t.Met = v >= value
	case "==":
		t.Met = v == value
	}
	return t
}

// reason says how the threshold came out, for one that was not met.
func (t Threshold) reason() string {
	if t.Value == nil && t.Why != "" {
		return fmt.Sprintf("expected %s, but it was not met: %s", t.Expression, t.Why)
	}
	if t.Value == nil {
		return fmt.Sprintf("expected %s, but it was not measured, or by too few samples", t.Expression)
	}
	return strings.TrimSpace(fmt.Sprintf("expected %s, measured %s %s", t.Expression, decimal(*t.Value), t.Unit))
}

// decimal writes a number with at most three decimals and without an exponent.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
