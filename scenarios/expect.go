package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metric is something an expectation can be about.
type Metric struct {
	Name string
	Unit string // "ms", "count", "seconds" or "per second"
}

var (
	series     = []string{"alert", "query", "freshness", "ack", "schedule_delay"}
	statistics = []string{"p50", "p90", "p95", "p99", "p999", "max", "mean"}
	others     = []Metric{
		{"throughput", "per second"},
		{"correctness.missing", "count"},
		{"correctness.duplicate", "count"},
		{"correctness.wrong", "count"},
		{"correctness.unexpected", "count"},
		{"correctness.wrong_answers", "count"},
		{"correctness.wrong_answer_seconds", "seconds"},
		{"correctness.broker_lost", "count"},
		{"restarts", "count"},
		// The worst over all faults; never met by one that is not over when the observation ends.
		{"recovery.detection", "ms"},
		{"recovery.first_output", "ms"},
		{"recovery.downtime", "ms"},
		{"recovery.lag_back", "ms"},
		{"recovery.p99_back", "ms"},
		{"recovery.freshness_back", "ms"},
		{"recovery.all_right", "ms"},
		{"reprocess.first_right", "ms"},
		{"reprocess.all_right", "ms"},
	}
)

// Metrics lists every metric that an expectation can name.
func Metrics() []Metric {
	var all []Metric
	for _, s := range series {
		for _, statistic := range statistics {
			all = append(all, Metric{s + "." + statistic, "ms"})
		}
	}
	return append(all, others...)
}

// operators are the ones of an Expect, each before its own beginning.
var operators = []string{"<=", ">=", "==", "<", ">"}

// parseExpect reads an expectation such as "alert.p99 < 2s". The error says what was expected.
func parseExpect(text string) (Expect, error) {
	start := strings.IndexAny(text, "<>=")
	var op string
	if start >= 0 {
		for _, o := range operators {
			if strings.HasPrefix(text[start:], o) {
				op = o
				break
			}
		}
	}
	if op == "" {
		return Expect{}, fmt.Errorf(`is %s, expected a metric, one of < <= > >= == and a value, such as "alert.p99 < 2s"`, shorten(strconv.Quote(text)))
	}
	name, value := strings.TrimSpace(text[:start]), strings.TrimSpace(text[start+len(op):])
	metrics := Metrics()
	i := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Expect{}, fmt.Errorf("names the unknown metric %s, %sexpected %s, each with .%s; %s",
			shorten(strconv.Quote(name)), suggest(name, metricNames(metrics)), oneOf(series), oneOf(statistics), oneOf(metricNames(others)))
	}
	number, err := metrics[i].parse(value)
	if err != nil {
		return Expect{}, err
	}
	if number == 0 && (op == ">=" || op == "<") {
		return Expect{}, fmt.Errorf("compares %s %s 0, which has the same outcome whatever happens, expected another bound", name, op)
	}
	return Expect{Text: name + " " + op + " " + value, Metric: name, Op: op, Value: number}, nil
}

// parse reads a value of the metric, in its unit.
func (m Metric) parse(text string) (float64, error) {
	if m.Unit == "ms" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("compares %s with %s, expected a duration with its unit, such as 50ms or 2s", m.Name, shorten(strconv.Quote(text)))
		}
		return float64(d) / float64(time.Millisecond), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	whole := f == math.Trunc(f) || m.Unit == "per second"
	if err != nil || !(f >= 0 && f <= math.MaxInt64) || !whole {
		what := map[string]string{"count": "a whole number", "seconds": "a whole number of seconds without unit", "per second": "a number per second without unit"}
		return 0, fmt.Errorf("compares %s with %s, expected %s", m.Name, shorten(strconv.Quote(text)), what[m.Unit])
	}
	return f, nil
}

func metricNames(metrics []Metric) []string {
	var names []string
	for _, m := range metrics {
		names = append(names, m.Name)
	}
	return names
}

// MarshalYAML writes the expectation as it is read.
func (e Expect) MarshalYAML() ([]byte, error) { return []byte(strconv.Quote(e.Text)), nil }
