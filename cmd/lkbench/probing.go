package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lkbench/architectures"
	"lkbench/internal/capacity"
	"lkbench/internal/runner"
	"lkbench/results"
	"lkbench/scenarios"
)

// probeDrain bounds what a try at too high a rate costs.
const probeDrain = 20 * time.Second

// scenario is the scenario of one try: steady at a rate. With a crash, the load goes on after it for as long as recovery may
// take and must then hold, and the driver and the observer may be slow while the stream catches up, as in crash-stream.
func (s *capacitySearch) scenario(rate float64) (*scenarios.Scenario, error) {
	length := time.Duration(s.seconds) * time.Second
	sets := append([]string{"drain=" + probeDrain.String()}, s.sets...)
	plain, err := scenarios.Load("steady", sets...)
	if err != nil {
		return nil, err
	}
	if s.recoverable > 0 {
		at := time.Duration(plain.Warmup) + length
		length += s.recoverable + time.Duration(plain.Recovery.Hold) + time.Second
		sets = append(sets, fmt.Sprintf("faults=[{at: %v, kind: crash, target: stream}]", at),
			"limits.schedule_delay_p999=2s", "limits.observer_lag=10s")
	}
	quoted := make([]string, len(s.objective))
	for i, o := range s.objective {
		quoted[i] = strconv.Quote(o)
	}
	sets = append(sets, "name=capacity", fmt.Sprintf("load=[{for: %v, rate: %s}]", length, plainRate(rate)), "expect=["+strings.Join(quoted, ", ")+"]")
	return scenarios.Load("steady", sets...)
}

// key is what a result is kept under.
func (s *capacitySearch) key() (capacity.Key, error) {
	scenario, err := s.scenario(s.start)
	if err != nil {
		return capacity.Key{}, err
	}
	settings := settingsOf(s.base.Provider)
	settings["partitions"] = strconv.Itoa(scenario.Partitions)
	settings["commit_interval"] = scenario.Native.CommitInterval.String()
	if s.arch.Name() == "lambda" {
		settings["batch_every"] = scenario.Lambda.BatchEvery.String()
	}
	e := runner.Machine(nil, "")
	key := capacity.Key{
		Machine: capacity.Machine{OS: e.OS, Arch: e.Arch, CPU: e.CPU, Cores: e.Cores, MemoryBytes: e.MemoryBytes},
		Arch:    s.arch.Name(), Engine: s.base.Engine, Infra: s.base.Provider.Name(), Settings: settings, Objective: s.objective,
	}
	if s.recoverable > 0 {
		key.Recoverable = s.recoverable.String()
	}
	return key, nil
}

// find searches. Beside an error the file holds what was tried; it is not to be saved.
func (s *capacitySearch) find(ctx context.Context) (capacity.File, error) {
	key, err := s.key()
	if err != nil {
		return capacity.File{}, err
	}
	file := capacity.File{Key: key, Version: version(), MeasuredAt: time.Now(), ProbeS: float64(s.seconds), Tolerance: s.tolerance}
	if s.recoverable > 0 {
		file.Fault = "SIGKILL of the stream's processes, restarted by the supervisor"
	}
	file.Result, err = capacity.Find(ctx, capacity.Config{Start: s.start, Tolerance: s.tolerance, Confirmations: confirmations}, s.try)
	return file, err
}

// try makes one run at a rate.
func (s *capacitySearch) try(ctx context.Context, rate float64, confirmation bool) (capacity.Probe, error) {
	var p capacity.Probe
	scenario, err := s.scenario(rate)
	if err != nil {
		return p, err
	}
	cfg := s.base
	cfg.Scenario, cfg.Architecture, cfg.Commanded = scenario, s.arch, time.Now()
	if err := runner.CheckFaults(&cfg); err != nil {
		return p, err
	}
	outcome, err := runner.Run(ctx, cfg)
	if err != nil {
		return p, err
	}
	if outcome.Interrupted {
		return p, errors.Join(context.Cause(ctx), os.RemoveAll(outcome.Dir))
	}
	record, seconds, err := measured(outcome.Dir)
	if err != nil {
		return p, err
	}
	if s.recoverable > 0 {
		p = capacity.Recoverable(record, seconds, s.recoverable)
	} else {
		p = capacity.Sustained(record, seconds)
	}
	s.tell(p, rate, confirmation)
	if record.Verdict.Status == results.Incorrect {
		s.worst = record.Verdict.ExitCode()
		s.note("  kept: %s", shortest(outcome.Dir))
		return p, nil
	}
	if s.keepRuns {
		return p, nil
	}
	return p, os.RemoveAll(outcome.Dir)
}

// tell writes a line about a try.
func (s *capacitySearch) tell(p capacity.Probe, rate float64, confirmation bool) {
	s.tries++
	outcome := "held"
	if confirmation {
		outcome = "held, confirming"
	}
	if !p.Held {
		outcome = "not held: " + p.Why
	}
	s.note("%s try %d, %s events/s (alert p99 %s ms, lag slope %s%%): %s", s.arch.Name(), s.tries, plainRate(rate),
		figure(p.P99MS, 1, "%.1f"), figure(p.LagSlope, 100, "%+.2f"), outcome)
}

// measured reads the record and the timeline of a run.
func measured(dir string) (*results.Record, []results.Second, error) {
	record, err := results.ReadRecord(dir)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Open(filepath.Join(dir, results.TimelineFile))
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	seconds, err := results.ReadTimeline(file)
	return record, seconds, err
}

// capacityOf gives the rate that an architecture sustains on the servers of base, for a scenario whose rates are shares of it: from
// a saved result in base.Out for the same machine, architecture, engine, infra and settings, else measured now and saved. It says
// which in note. If there is no such rate the error has exit code 4.
func capacityOf(ctx context.Context, base runner.Config, arch architectures.Architecture, scenario *scenarios.Scenario, note func(format string, args ...any)) (float64, error) {
	tolerance, err := share(defaultTolerance)
	if err != nil {
		return 0, err
	}
	s := &capacitySearch{
		base: base, arch: arch, objective: []string{defaultObjective}, start: defaultStart, seconds: defaultProbe, tolerance: tolerance, note: note,
		sets: []string{
			fmt.Sprintf("partitions=%d", scenario.Partitions), fmt.Sprintf("lambda.batch_every=%v", scenario.Lambda.BatchEvery),
			fmt.Sprintf("native.commit_interval=%v", scenario.Native.CommitInterval),
		},
	}
	if batch := time.Duration(scenario.Lambda.BatchEvery); arch.Name() == "lambda" {
		s.seconds = max(s.seconds, int((batch+time.Second-1)/time.Second))
	}
	key, err := s.key()
	if err != nil {
		return 0, err
	}
	if rate, path, found := capacity.Saved(base.Out, key); found {
		note("the capacity of %s is %s events/s, as measured before: %s", arch.Name(), plainRate(rate), shortest(path))
		return rate, nil
	}
	note("scenario %s needs the capacity of %s, which is not known for this machine and these settings: measuring it first", scenario.Name, arch.Name())
	s.base.Keep, s.base.Progress = nil, nil
	s.base.Write = func(string, *results.Record) error { return nil }
	file, err := s.find(ctx)
	if errors.Is(err, capacity.ErrNothingHeld) || errors.Is(err, capacity.ErrNoLimit) {
		return 0, &exitError{max(exitInvalid, s.worst), fmt.Errorf("capacity of %s: %w", arch.Name(), err)}
	}
	if err != nil {
		return 0, fmt.Errorf("capacity of %s: %w", arch.Name(), err)
	}
	if s.worst > 0 {
		return 0, &exitError{s.worst, fmt.Errorf("capacity of %s: in some tries the answers were wrong", arch.Name())}
	}
	path, err := s.save(file)
	if err != nil {
		return 0, err
	}
	note("the capacity of %s is %s events/s: %s", arch.Name(), plainRate(file.Rate), shortest(path))
	return file.Rate, nil
}
