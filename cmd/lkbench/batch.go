package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lkbench/architectures"
	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/runner"
	"lkbench/report"
	"lkbench/results"
	"lkbench/scenarios"
)

// batchOfRuns makes the runs of one command, one after the other.
type batchOfRuns struct {
	flags     runFlags
	base      runner.Config // what all of them share
	out       io.Writer
	note      func(format string, args ...any)
	shown     progress
	commanded time.Time // when the next run was asked for
	runs      []*report.Run
}

// brokersOf is how many brokers a provider starts; 0 for those of somebody else.
func brokersOf(provider infra.Provider) int {
	switch p := provider.(type) {
	case infra.Embedded:
		return 1
	case infra.Local:
		return max(1, p.Brokers)
	case docker.Provider:
		return max(1, p.Brokers)
	}
	return 0
}

// check refuses, before anything starts, whatever one of the runs could not do.
func (b *batchOfRuns) check(p *plan) error {
	var problems []error
	for _, s := range p.scenarios {
		for _, arch := range p.archs {
			cfg := b.base
			cfg.Scenario, cfg.Architecture = s, arch
			problems = append(problems, runner.CheckFaults(&cfg))
		}
	}
	return errors.Join(problems...)
}

// all makes the runs of a plan. It gives the worst exit code; after an interruption and after an error it makes no more.
func (b *batchOfRuns) all(ctx context.Context, p *plan) (code int, err error) {
	for _, s := range p.scenarios {
		for _, arch := range p.archs {
			one, err := b.run(ctx, arch, s)
			if code = max(code, one); err != nil || code >= exitInterrupted {
				return code, err
			}
		}
	}
	return code, nil
}

// run makes one run, and its control before it where there is to be one. It gives the exit code.
func (b *batchOfRuns) run(ctx context.Context, arch architectures.Architecture, s *scenarios.Scenario) (code int, err error) {
	if s.NeedsCapacity() {
		rate, err := capacityOf(ctx, b.base, arch, s, b.note)
		if err != nil {
			return 0, err
		}
		if s, err = s.Resolve(rate); err != nil {
			return 0, err
		}
	}
	cfg := b.base
	cfg.Architecture, cfg.Scenario = arch, s
	if len(s.Faults) > 0 && b.flags.control == "auto" {
		control := cfg
		control.Scenario, control.Tenths, control.Keep = s.WithoutFaults(), true, nil
		run, interrupted, err := b.one(ctx, control)
		if err != nil {
			return 0, err
		}
		verdict := run.Record.Verdict
		b.note("%s %s, the control without faults: %s  %s", arch.Name(), control.Scenario.Name, verdict.Status, shortest(run.Dir))
		if interrupted {
			return exitInterrupted, nil
		}
		switch verdict.Status {
		case results.Passed, results.ThresholdFailed:
			cfg.Control = run.Dir
		case results.Incorrect:
			b.runs = append(b.runs, run)
			return verdict.ExitCode(), nil // wrong without any fault: nothing to recover to
		default:
			b.note("recovery is measured against the time before each fault, because the control is %s: %v", verdict.Status, verdict.Reasons)
		}
	}
	run, interrupted, err := b.one(ctx, cfg)
	if err != nil {
		return 0, err
	}
	b.runs = append(b.runs, run)
	if b.flags.quiet {
		fmt.Fprintf(b.out, "%s %s %s %s\n", arch.Name(), s.Name, run.Record.Verdict.Status, shortest(run.Dir))
	}
	if interrupted {
		return exitInterrupted, nil
	}
	return run.Record.Verdict.ExitCode(), nil
}

// one makes a single run.
func (b *batchOfRuns) one(ctx context.Context, cfg runner.Config) (run *report.Run, interrupted bool, err error) {
	cfg.Commanded, cfg.Progress = b.commanded, b.shown.show
	outcome, err := runner.Run(ctx, cfg)
	b.shown.done()
	if err != nil {
		return nil, false, err
	}
	b.commanded = time.Now()
	run, err = report.Load(outcome.Dir)
	return run, outcome.Interrupted, err
}
