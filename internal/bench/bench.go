// Package bench answers docs/performance.md's questions: how fast the program is, always as a ratio measured in one go
// against something named, A and B alternating. It drives the program as a user would, and is not part of it.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"lkbench/architectures"
	"lkbench/internal/infra"
	"lkbench/internal/runner"
	"lkbench/results"
	"lkbench/scenarios"
)

// Bench is what every part works with.
type Bench struct {
	Executable string    // the program lkbench, for its hidden verbs and as a user would call it
	Dir        string    // where to write; the caller removes it
	Size       Size      // how much to measure
	Out        io.Writer // Markdown
	// Log tells a person what is going on.
	Log func(format string, args ...any)
}

// Size is how much the parts measure.
type Size struct {
	Repeat     int // how often every A and B is measured
	RepeatRuns int // the same for whole runs, of which each takes half a minute

	Events      int           // a: events sent as fast as possible
	OnSchedule  time.Duration // a: at half the rate
	Probe, Hold time.Duration // b: load while searching, load to be held
	Tolerance   float64       // b: the search ends when the lowest rate not held is this share above the highest one held
	FirstRates  [2]float64    // b: where to begin, Kappa and Lambda, in events per second
	Upserts     int           // b: events of the bare loop
	Commits     []int         // b: its events per commit
	Replay      int           // c: events that stand in the topic
	MasterRows  []int         // d: rows of the master dataset
	FreshRows   int           // d: rows that come before the second generation
	Latency     time.Duration // e: load
	Rates       []float64     // e: in events per second
	Watch       time.Duration // f: load
	Tools       int           // h: records a tool sends or reads
	WatchRates  [2]float64    // f: one that leaves room, and one that does not
	SpikeScale  float64       // g: how much of the scenario spike's time
	CrashRates  [2]float64    // k: half of what part b found, Kappa and Lambda
	Crash       time.Duration // k: load before a crash, and after it
}

// Full is the size of the published figures, Quick shows only that everything works.
func Full() Size {
	return Size{
		Repeat: 3, RepeatRuns: 2, Events: 1_500_000, OnSchedule: 8 * time.Second,
		Probe: 6 * time.Second, Hold: 20 * time.Second, Tolerance: 0.08, FirstRates: [2]float64{120_000, 50_000},
		Upserts: 1_000_000, Commits: []int{10_000, 100_000}, Replay: 3_000_000,
		MasterRows: []int{1_000_000, 10_000_000}, FreshRows: 131_072,
		Latency: 20 * time.Second, Rates: []float64{5_000, 20_000},
		Tools: 2_000_000, Watch: 12 * time.Second, WatchRates: [2]float64{20_000, 400_000}, SpikeScale: 0.5,
		CrashRates: [2]float64{55_000, 14_000}, Crash: 10 * time.Second,
	}
}

// Quick is so small that its figures mean nothing.
func Quick() Size {
	return Size{
		Repeat: 1, RepeatRuns: 1, Events: 20_000, OnSchedule: time.Second,
		Probe: 3 * time.Second, Hold: 3 * time.Second, Tolerance: 1, FirstRates: [2]float64{2_000, 2_000},
		Upserts: 10_000, Commits: []int{1_000, 5_000}, Replay: 30_000,
		MasterRows: []int{10_000}, FreshRows: 1_000,
		Latency: 3 * time.Second, Rates: []float64{1_000},
		Tools: 50_000, Watch: 3 * time.Second, WatchRates: [2]float64{1_000, 5_000}, SpikeScale: 0.1,
		CrashRates: [2]float64{1_000, 1_000}, Crash: 3 * time.Second,
	}
}

// Part is one question.
type Part struct {
	Name, Title string
	Run         func(*Bench, context.Context) error
}

// Parts are all questions, in the order of docs/performance.md.
func Parts() []Part {
	return []Part{
		{"micro", "Building blocks", (*Bench).micro},
		{"a", "The generator against a bare producer", (*Bench).generator},
		{"b", "The highest rate held, against PostgreSQL's own limit", (*Bench).capacity},
		{"c", "Replay from offset zero, against consuming and decoding alone", (*Bench).replay},
		{"d", "The batch, against reading and writing alone", (*Bench).batch},
		{"e", "Alert latency, against what broker and log take", (*Bench).latency},
		{"f", "What watching costs: on against off", (*Bench).watching},
		{"g", "From the command to the load, from the load to the report", (*Bench).waiting},
		{"h", "Real Kafka: our producer and consumer against the distribution's own", (*Bench).tools},
		{"i", "Start to ready: embedded, local, docker", (*Bench).starting},
		{"j", "Alert latency on embedded, local, docker", (*Bench).providers},
		{"k", "Recovery from a SIGKILL at half of the capacity", (*Bench).recovery},
	}
}

// measured is a run that has ended.
type measured struct {
	*results.Record
	seconds []results.Second
	tenths  []results.Tenth // of a run with faults
}

// errIncorrect says that the program answered wrongly; no figure of such a run is worth anything.
var errIncorrect = errors.New("the answers were wrong")

// run makes one run with all instruments, or with none.
func (b *Bench) run(ctx context.Context, provider infra.Provider, arch architectures.Architecture, s *scenarios.Scenario, unwatched bool) (*measured, error) {
	debug.FreeOSMemory() // what the last measurement left must not be collected during this one
	outcome, err := runner.Run(ctx, runner.Config{
		Scenario: s, Architecture: arch, Engine: "native", Provider: provider, Brokers: 1, Executable: b.Executable,
		Out: filepath.Join(b.Dir, "runs"), Command: os.Args, Commanded: time.Now(), Unwatched: unwatched,
		Write: func(string, *results.Record) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	if outcome.Interrupted {
		return nil, context.Cause(ctx)
	}
	m, err := load(outcome.Dir)
	if err != nil {
		return nil, err
	}
	if len(s.Faults) > 0 {
		if m.tenths, err = loadTenths(outcome.Dir); err != nil {
			return nil, err
		}
	}
	return m, os.RemoveAll(outcome.Dir)
}

// load reads a run's folder.
func load(dir string) (*measured, error) {
	record, err := results.ReadRecord(dir)
	if err != nil {
		return nil, err
	}
	if record.Verdict.Status == results.Incorrect {
		return nil, fmt.Errorf("%s in scenario %s: %w: %v", record.Arch, record.Scenario, errIncorrect, record.Verdict.Reasons)
	}
	file, err := os.Open(filepath.Join(dir, results.TimelineFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	seconds, err := results.ReadTimeline(file)
	return &measured{Record: record, seconds: seconds}, err
}

// warmup is long enough for connections, caches and the runtime of every component to settle.
const warmup = 3 * time.Second

// constant is the scenario steady with another rate and duration. A batch generation is published within the load
// however short that is, as in the catalogue.
func constant(rate float64, load time.Duration) (*scenarios.Scenario, error) {
	return scenarios.Load("steady", "name=bench", fmt.Sprintf("load=[{for: %v, rate: %v}]", load, int64(rate)),
		fmt.Sprintf("warmup=%v", warmup), fmt.Sprintf("lambda.batch_every=%v", load*3/4), "expect=[]")
}

// servers calls f with a fresh Kafka and PostgreSQL of a provider, and ends them.
func (b *Bench) servers(ctx context.Context, provider infra.Provider, f func(*infra.Instance) error) (err error) {
	debug.FreeOSMemory()
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	instance, err := provider.Start(ctx, infra.Options{
		Workspace: w, Executable: b.Executable, Note: func(message string) { b.Log("%s", message) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, instance.Stop(context.WithoutCancel(ctx))) }()
	return f(instance)
}

// Names of the topics, as in a run.
const (
	topic       = "transactions"
	deadLetters = "transactions.dead-letters"
	partitions  = 4
)
