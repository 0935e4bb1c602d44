// Package runner is the life of a run: start, warm up, load, drain, verify, save, tear down.
package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/fault"
	"lkbench/internal/infra"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

// topic and deadLetters are the names of the topics, but for the instance's prefix.
const (
	topic       = "transactions"
	deadLetters = "transactions.dead-letters"
)

// readyWithin bounds the time from the start of the components until all of them can work.
const readyWithin = 60 * time.Second

// endWithin bounds the orderly end of everything; what has not ended by then is killed. A managed service may take half a
// minute to delete a topic.
const endWithin = time.Minute

// lead is the time from the last preparation to the first intended send, so that the driver starts on time.
const lead = 100 * time.Millisecond

// Config says what to run. Progress, Note and Keep may be nil.
type Config struct {
	Scenario     *scenarios.Scenario
	Architecture architectures.Architecture
	Engine       string
	Provider     infra.Provider
	Executable   string // of this program, with its hidden verbs
	Out          string // directory for the folders of runs
	Command      []string
	Version      string
	Commanded    time.Time // when the user asked for this run
	// Brokers is how many brokers the provider starts; 0 for those of somebody else.
	Brokers int
	// Control is the folder of a run of the same scenario without its faults, for recovery to be measured against; "" takes the time
	// before each fault.
	Control string
	// Tenths has the timeline of 100 ms written also without faults, for a run that is to be a control.
	Tenths bool
	// Unwatched leaves out the follower and the probes. Such a run can only be invalid: it exists to measure what
	// watching costs.
	Unwatched bool
	Progress  func(Snapshot)
	Note      func(message string)
	// Write fills the run's folder with what can be drawn from its record.
	Write func(dir string, record *results.Record) error
	// Keep is called after the verdict while everything still runs; it returns when it may end.
	Keep func(context.Context, Addresses)
}

// Addresses are where a kept run can be looked at.
type Addresses struct {
	Kafka              []string
	Topic, DeadLetters string
	Psql               string // a shell command
}

// Outcome is a finished run.
type Outcome struct {
	Dir         string // its folder
	Interrupted bool
}

// InputError says that the scenario or the file it names cannot be used. Nothing was written.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

func (e *InputError) Unwrap() error { return e.Err }

// Run makes one run. When ctx ends, the load stops, what was measured is kept as an invalid run, and everything is torn
// down. An error means that there is no run: what was written is left in a folder with the suffix .partial, named in the
// error.
func Run(ctx context.Context, cfg Config) (outcome *Outcome, err error) {
	r := &run{Config: cfg, rules: rulesOf(cfg.Scenario.Rules)}
	if err := r.rules.Validate(); err != nil {
		return nil, &InputError{err}
	}
	if r.injections, err = cfg.plan(); err != nil {
		return nil, err
	}
	if cfg.Progress == nil {
		r.Progress = func(Snapshot) {}
	}
	r.schedule, err = loadgen.NewSchedule(cfg.Scenario)
	if err != nil {
		return nil, &InputError{err}
	}
	// The saved scenario must find the file from wherever it is judged again.
	if file := cfg.Scenario.Events.File; file != "" {
		if cfg.Scenario.Events.File, err = filepath.Abs(file); err != nil {
			return nil, err
		}
	}
	r.note("reading events")
	if r.source, err = loadgen.OpenSource(cfg.Scenario, r.schedule); err != nil {
		return nil, &InputError{err}
	}
	id := results.NewRunID(time.Now(), cfg.Architecture.Name(), cfg.Scenario.Name)
	_, absent := os.Stat(cfg.Out)
	if r.folder, err = results.Create(cfg.Out, id); err != nil {
		return nil, err
	}
	r.record = newRecord(cfg, id)

	// Tearing down must go on when ctx has ended.
	after := context.WithoutCancel(ctx)
	defer func() {
		ending, cancel := context.WithTimeout(after, endWithin)
		defer cancel()
		if e := r.tearDown(ending); e != nil {
			err = errors.Join(err, e)
		}
		// Removing succeeds only while the folder is empty: then the run failed before there was anything to look at.
		if err != nil && os.Remove(r.folder.Dir()) != nil {
			err = fmt.Errorf("%w (what there is of the run: %s)", err, r.folder.Dir())
		} else if err != nil && absent != nil {
			_ = os.Remove(cfg.Out) // made for this run; it stays if another one uses it meanwhile
		}
	}()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	dir, err := r.finish(after)
	if err != nil {
		return nil, err
	}
	if cfg.Keep != nil && !r.record.Interrupted {
		psql, err := r.psql()
		if err != nil {
			return nil, err
		}
		cfg.Keep(ctx, Addresses{Kafka: r.instance.Kafka.Brokers, Topic: r.topic(), DeadLetters: r.deadLetters(), Psql: psql})
	}
	return &Outcome{Dir: dir, Interrupted: r.record.Interrupted}, nil
}

// run is the state of one run. Its parts are filled in the order in which they start.
type run struct {
	Config
	rules    bank.Rules
	schedule *loadgen.Schedule
	source   loadgen.Source
	folder   *results.Folder
	record   *results.Record

	injections []*injection
	correction *correction // nil without a reprocess

	mu         sync.Mutex // of what injections and correction learn while they go on
	workspace  *infra.Workspace
	instance   *infra.Instance
	system     architectures.System
	supervisor *supervisor
	started    float64   // seconds from the start of the components until all were ready
	origin     time.Time // intended send of event 0; set before the load
	watch      *watch
	load       *load
	drained    time.Duration // when the drain ended, since origin; 0 if it did not begin
}

func (r *run) note(message string) {
	r.Progress(Snapshot{Arch: r.Architecture.Name(), Phase: "start", Note: message})
}

func (r *run) topic() string { return r.instance.Prefix + topic }

func (r *run) deadLetters() string { return r.instance.Prefix + deadLetters }

// now is the time since origin; before origin is set, and before it comes, negative.
func (r *run) now() time.Duration {
	if r.origin.IsZero() {
		return -1
	}
	return time.Since(r.origin)
}

// prepare starts Kafka, PostgreSQL and the architecture, and waits until every component can work.
func (r *run) prepare(ctx context.Context) error {
	var err error
	r.note("starting Kafka and PostgreSQL")
	if r.workspace, err = infra.NewWorkspace(ctx); err != nil {
		return err
	}
	disk, err := fault.Disk(r.Scenario.Faults)
	if err != nil {
		return &InputError{err}
	}
	r.instance, err = r.Provider.Start(ctx, infra.Options{
		Workspace: r.workspace, Executable: r.Executable, Note: r.note, DatabaseDisk: disk,
	})
	if err != nil {
		return err
	}
	err = infra.CreateTopics(ctx, r.instance.Kafka, int32(r.Scenario.Partitions), r.instance.Replication, r.topic(), r.deadLetters())
	if err != nil {
		return err
	}
	env := architectures.Environment{
		Kafka: r.instance.Kafka, Topic: r.topic(), DeadLetters: r.deadLetters(), Partitions: int32(r.Scenario.Partitions),
		Postgres: r.instance.Postgres, Rules: r.rules,
		Settings: architectures.Settings{
			CommitInterval: time.Duration(r.Scenario.Native.CommitInterval),
			BatchEvery:     time.Duration(r.Scenario.Lambda.BatchEvery),
		},
	}
	r.note("starting the components of " + r.Architecture.Name())
	if r.system, err = r.Architecture.Deploy(ctx, env); err != nil {
		return fmt.Errorf("deploy %s: %w", r.Architecture.Name(), err)
	}
	if err := r.planReprocess(); err != nil {
		return err
	}
	logs := r.path("components")
	if err := os.Mkdir(logs, 0o755); err != nil {
		return err
	}
	begun := time.Now()
	if r.supervisor, err = supervise(r.Executable, r.Architecture, env, logs, r.workspace.Track, r.now); err != nil {
		return err
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	r.started = time.Since(begun).Seconds()
	return nil
}

// ready waits until every component that reads the topic has a position in every partition.
func (r *run) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		progress, err := r.system.Progress(ctx)
		if err == nil && len(waitingFor(r.Architecture, r.Scenario.Partitions, progress)) == 0 {
			return nil
		}
		if restarts, failed := r.supervisor.history(); failed != nil || len(restarts) > 3 {
			return fmt.Errorf("component %s does not start: %s; see %s", restarts[len(restarts)-1].Component,
				restarts[len(restarts)-1].Reason, r.path("components"))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("components %s were not ready: %w; see %s",
				strings.Join(waitingFor(r.Architecture, r.Scenario.Partitions, progress), ", "), context.Cause(ctx),
				r.path("components"))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// waitingFor names the components that read the topic but lack a position in some partition.
func waitingFor(arch architectures.Architecture, partitions int, progress architectures.Progress) []string {
	have := map[string]int{}
	for _, p := range progress.Positions {
		have[p.Component]++
	}
	var missing []string
	for _, c := range arch.Components() {
		if c.Consumes && have[c.Name] < partitions {
			missing = append(missing, c.Name)
		}
	}
	return missing
}

// tearDown ends everything that prepare and measure started.
func (r *run) tearDown(ctx context.Context) error {
	var errs []error
	if r.watch != nil {
		errs = append(errs, r.watch.stop(ctx))
	}
	if r.load != nil {
		errs = append(errs, r.load.close())
	}
	if r.supervisor != nil {
		r.supervisor.shutdown(ctx)
	}
	if r.system != nil {
		r.system.Close()
	}
	if r.instance != nil {
		errs = append(errs, r.instance.Stop(ctx))
	}
	if r.workspace != nil {
		errs = append(errs, r.workspace.Close())
	}
	return errors.Join(errs...)
}
