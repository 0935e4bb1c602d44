package runner

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/observe"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

// shape is an architecture of which only the components matter.
type shape []architectures.Component

func (shape) Name() string { return "shape" }

func (shape) Deploy(context.Context, architectures.Environment) (architectures.System, error) {
	return nil, nil
}

func (s shape) Components() []architectures.Component { return s }

var twoStreams = shape{{Name: "ingest", Consumes: true}, {Name: "speed", Consumes: true}, {Name: "batch"}}

func at(component string, partition int32, next int64) architectures.Position {
	return architectures.Position{Component: component, Partition: partition, Next: next}
}

// TestBehind: a record counts as processed when the last component that reads the topic has passed it.
func TestBehind(t *testing.T) {
	progress := architectures.Progress{Positions: []architectures.Position{
		at("ingest", 0, 10), at("ingest", 1, 20), at("speed", 0, 12), at("speed", 1, 15), at("batch", 0, 3), at("ingest", 7, 1),
	}}
	if got := behind(twoStreams, 2, progress); !slices.Equal(got, []int64{10, 15}) {
		t.Errorf("behind = %v, want the lesser of ingest and speed: [10 15]", got)
	}
	if got := processed(twoStreams, 2, progress); got != 25 {
		t.Errorf("processed = %d, want 25", got)
	}
}

// TestNoPositionIsZero: a partition that a component has said nothing about is not drained.
func TestNoPositionIsZero(t *testing.T) {
	progress := architectures.Progress{Positions: []architectures.Position{at("ingest", 0, 10), at("speed", 0, 10)}}
	if got := behind(twoStreams, 2, progress); !slices.Equal(got, []int64{10, 0}) {
		t.Errorf("behind = %v, want [10 0]", got)
	}
	if got := waitingFor(twoStreams, 2, progress); !slices.Equal(got, []string{"ingest", "speed"}) {
		t.Errorf("waiting for %v, want both streams", got)
	}
}

// TestRulesOf: the defaults of a scenario are those of the workload, in paise.
func TestRulesOf(t *testing.T) {
	s, err := scenarios.Load("smoke")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bank.DefaultRules(), rulesOf(s.Rules)); diff != "" {
		t.Error(diff)
	}
}

// TestExpectationsCanBeMeasured: whatever a scenario may expect, a record can answer.
func TestExpectationsCanBeMeasured(t *testing.T) {
	record := fullRecord()
	for _, m := range scenarios.Metrics() {
		if got := results.Evaluate(m.Name, ">=", 0, record); got.Value == nil {
			t.Errorf("%s: no value in a record that has everything", m.Name)
		}
		if got := results.Evaluate(m.Name, ">=", 0, &results.Record{}); got.Value == nil && got.Met {
			t.Errorf("%s: met without a value", m.Name)
		}
	}
}

// fullRecord has a value for every percentile.
func fullRecord() *results.Record {
	one := 1.0
	span := results.Span{S: &one}
	s := results.Summary{Count: 1, Min: &one, Mean: &one, P50: &one, P90: &one, P95: &one, P99: &one, P999: &one, Max: &one}
	return &results.Record{
		Latency: results.Latencies{Alert: s, Query: s, Ack: s}, Freshness: s,
		Load: results.Load{ScheduleDelay: s}, Correctness: results.Correctness{Expected: 1, Answers: 1},
		ThroughputS: 1,
		Faults: []results.Fault{{InjectedAtS: &one, Recovery: &results.Recovery{
			Detection: span, FirstOutput: span, LagBack: span, P99Back: span, FreshnessBack: span, AllRight: span, DowntimeS: &one,
		}}},
		Reprocess: []results.Reprocess{{FirstRight: span, AllRight: span}},
	}
}

// TestPickAsksForCustomersThatExist: every key comes from an event that was sent, also when most are malformed.
func TestPickAsksForCustomersThatExist(t *testing.T) {
	s, err := scenarios.Load("odd", "events.malformed=0.5")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := loadgen.NewSchedule(s)
	if err != nil {
		t.Fatal(err)
	}
	source, err := loadgen.OpenSource(s, schedule)
	if err != nil {
		t.Fatal(err)
	}
	const sent = 500
	known := map[string]bool{}
	for n := range uint64(sent) {
		known[string(source.Event(n, nil).Key)] = true
	}
	asked := map[string]bool{}
	for i := range uint64(400) {
		customer, window := pick(source, bank.DefaultRules(), s.Seed, i, sent)
		if !known[customer] {
			t.Fatalf("probe %d asks for %q, of whom nothing was sent", i, customer)
		}
		if window != bank.DefaultRules().WindowStart(window) {
			t.Fatalf("probe %d asks for a window that starts at %d", i, window)
		}
		asked[customer] = true
	}
	if len(asked) < 20 {
		t.Errorf("only %d customers are ever asked for", len(asked))
	}
}

// TestFirstDifference names the line that a person must look at.
func TestFirstDifference(t *testing.T) {
	for _, c := range []struct{ before, now, want string }{
		{"a\nb\n", "a\nb\n", ""},
		{"a\n  b\n", "a\n  c\n", `"c" instead of "b"`},
		{"a\n", "a\nb\n", `"b" instead of ""`},
	} {
		if got := firstDifference([]byte(c.before), []byte(c.now)); got != c.want {
			t.Errorf("firstDifference(%q, %q) = %s, want %s", c.before, c.now, got, c.want)
		}
	}
}

// A container's usage can be unknown for a while: that is no zero, and no jump.
func TestAccount(t *testing.T) {
	sample := func(cpu ...time.Duration) observe.Sample {
		s := observe.Sample{CPU: map[string]time.Duration{}, RSS: map[string]int64{}}
		for _, c := range cpu {
			s.CPU["broker"], s.RSS["broker"] = c, int64(c/time.Second)
		}
		return s
	}
	unknown := sample()
	for name, c := range map[string]struct {
		samples []observe.Sample
		from    int
		cpu     *float64
		rss     *int64
	}{
		"known throughout":     {[]observe.Sample{sample(2e9), sample(3e9), sample(7e9)}, 1, new(4.0), new(int64(7))},
		"unknown at the start": {[]observe.Sample{sample(2e9), unknown, sample(7e9)}, 1, new(5.0), new(int64(7))},
		"known only later":     {[]observe.Sample{unknown, unknown, sample(5e9), sample(7e9)}, 1, new(2.0), new(int64(7))},
		"unknown at the end":   {[]observe.Sample{sample(2e9), sample(3e9), unknown}, 0, new(1.0), new(int64(3))},
		"never known":          {[]observe.Sample{unknown, unknown}, 0, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			u := results.Resource{Component: "broker"}
			account(&u, c.samples, c.from)
			if diff := cmp.Diff(results.Resource{Component: "broker", CPUS: c.cpu, MaxRSSBytes: c.rss}, u); diff != "" {
				t.Error(diff)
			}
		})
	}
}
