package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"lkbench/architectures"
	"lkbench/internal/runner"
	"lkbench/results"
	"lkbench/scenarios"
)

// shrinkFlags are the flags of shrink.
type shrinkFlags struct {
	tries int
	infra infraFlags
	out   string
}

func shrinkCommand() *cobra.Command {
	var f shrinkFlags
	cmd := &cobra.Command{
		Use:   "shrink RUN",
		Short: "Find the smallest list of faults with which a saved run still fails",
		Long: `Runs the scenario of a saved run that did not pass again, with ever fewer of its faults, until none can be left out
without the verdict becoming another one. Failures come and go: a list counts as failing if one of several tries fails
in the same way, so what is left out was not needed, but what is left may still depend on luck. The faults are
printed as they are written in a scenario.`,
		Example: `  lkbench shrink lkbench-runs/20260102-030405-kappa-chaos-1b2c
  lkbench shrink --tries=10 --infra=local lkbench-runs/20260102-030405-kappa-chaos-1b2c`,
		Args: exactly(1, "one run's folder"),
		RunE: func(cmd *cobra.Command, args []string) error { return shrinkRun(cmd, &f, args[0]) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.tries, "tries", 3, "runs of each list before it counts as not failing")
	f.infra.register(flags)
	flags.Lookup("infra").Usage += " (default: the saved run's)"
	flags.StringVar(&f.out, "out", "lkbench-runs", "directory for the folders of runs")
	return cmd
}

// shrinking is one search for the smallest list of faults.
type shrinking struct {
	arch     architectures.Architecture
	scenario *scenarios.Scenario // of the saved run
	status   results.Status      // its verdict
	tries    int
	note     func(format string, args ...any)
	// run makes one run and gives its record and folder.
	run func(ctx context.Context, scenario *scenarios.Scenario) (*results.Record, string, error)

	dir    string // of the last run that failed; its folder is kept
	reason string
}

// open reads the saved run and refuses one that cannot be shrunk.
func (f *shrinkFlags) open(cmd *cobra.Command, dir string) (*shrinking, error) {
	if f.tries < 1 || f.tries > 1000 {
		return nil, usage("--tries is between 1 and 1000, not %d", f.tries)
	}
	record, err := results.ReadRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usage("%s is no run's folder: %v", dir, err)
	}
	if err != nil {
		return nil, err
	}
	if err := results.VerifyChecksums(dir); err != nil {
		return nil, err
	}
	switch {
	case record.Interrupted:
		return nil, usage("%s was interrupted: there is no verdict to find again", dir)
	case record.Verdict.Status == results.Passed || record.Verdict.Status == results.Unverified:
		return nil, usage("%s is %s: there is no failure to find again", dir, record.Verdict.Status)
	case len(record.Faults) == 0:
		return nil, usage("%s had no faults: there is nothing to leave out", dir)
	}
	if !cmd.Flags().Changed("infra") {
		f.infra.name = record.Infra
	}
	if err := f.infra.check(cmd.Flags()); err != nil {
		return nil, err
	}
	arch, err := architecture(record.Arch)
	if err != nil {
		return nil, err
	}
	scenario, err := scenarios.Load(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		return nil, err
	}
	scenario.Faults = resolved(scenario.Faults, record.Faults)
	return &shrinking{arch: arch, scenario: scenario, status: record.Verdict.Status, tries: f.tries}, nil
}

// resolved puts the component that was drawn in the place of the target random: the draw depends on a fault's place in the list,
// which changes.
func resolved(planned []scenarios.Fault, happened []results.Fault) []scenarios.Fault {
	planned = slices.Clone(planned)
	for i := range planned {
		f := &planned[i]
		at := slices.IndexFunc(happened, func(h results.Fault) bool {
			return h.Kind == f.Kind && h.Target == f.Target && h.PlannedAtS == time.Duration(f.At).Seconds()
		})
		if f.Target == "random" && at >= 0 && len(happened[at].Components) == 1 {
			f.Target = happened[at].Components[0]
		}
	}
	return planned
}

func shrinkRun(cmd *cobra.Command, f *shrinkFlags, dir string) error {
	s, err := f.open(cmd, dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once

	errw := cmd.ErrOrStderr()
	s.note = func(format string, args ...any) { fmt.Fprintf(errw, format+"\n", args...) }
	base, err := launcher(ctx, &f.infra, f.out, errw, s.note)
	if err != nil && ctx.Err() != nil {
		return &exitError{exitInterrupted, err}
	}
	if err != nil {
		return err
	}
	base.Architecture, base.Scenario, base.Write = s.arch, s.scenario, writeReports
	if err := runner.CheckFaults(&base); err != nil {
		return err
	}
	s.run = func(ctx context.Context, scenario *scenarios.Scenario) (*results.Record, string, error) {
		cfg := base
		cfg.Scenario, cfg.Commanded = scenario, time.Now()
		outcome, err := runner.Run(ctx, cfg)
		if err != nil {
			return nil, "", err
		}
		if outcome.Interrupted {
			return nil, "", errors.Join(context.Cause(ctx), os.RemoveAll(outcome.Dir))
		}
		record, err := results.ReadRecord(outcome.Dir)
		return record, outcome.Dir, err
	}
	return s.search(ctx, cmd.OutOrStdout())
}

// search finds the smallest list and prints it.
func (s *shrinking) search(ctx context.Context, out io.Writer) error {
	all := s.scenario.Faults
	fails := func(part []scenarios.Fault) (bool, error) { return s.fails(ctx, part) }
	failed, err := fails(all)
	if err == nil && !failed {
		return &exitError{exitInvalid, fmt.Errorf("all %d faults together did not make it %s again in %d tries; --tries tries more often", len(all), s.status, s.tries)}
	}
	smallest := all
	if err == nil {
		smallest, err = minimize(all, fails)
	}
	if ctx.Err() != nil {
		if failed {
			s.note("interrupted; the smallest list until now has %d of %d faults", len(smallest), len(all))
		}
		return &exitError{exitInterrupted, ctx.Err()}
	}
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(struct {
		Faults []scenarios.Fault `yaml:"faults"`
	}{append([]scenarios.Fault{}, smallest...)})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "# %d of %d faults still make %s %s: %s\n# %s\n%s", len(smallest), len(all), s.arch.Name(), s.status, s.reason, shortest(s.dir), text)
	return nil
}

// fails says whether a run with these faults alone ends with the same verdict as the saved run, in one of several tries.
func (s *shrinking) fails(ctx context.Context, faults []scenarios.Fault) (bool, error) {
	scenario := *s.scenario
	scenario.Faults = faults
	for n := 1; n <= s.tries; n++ {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		record, dir, err := s.run(ctx, &scenario)
		if err != nil {
			return false, err
		}
		s.note("%s, try %d of %d: %s", names(faults), n, s.tries, record.Verdict.Status)
		if record.Verdict.Status != s.status {
			if err := os.RemoveAll(dir); err != nil {
				return false, err
			}
			continue
		}
		// The folder of a longer list that failed is worth nothing any more.
		if s.dir != "" {
			if err := os.RemoveAll(s.dir); err != nil {
				return false, err
			}
		}
		s.dir, s.reason = dir, record.Verdict.Reasons[0]
		return true, nil
	}
	return false, nil
}

// names lists faults in short.
func names(faults []scenarios.Fault) string {
	if len(faults) == 0 {
		return "no fault"
	}
	var all []string
	for _, f := range faults {
		text := f.Kind
		if f.Target != "" {
			text += " of " + f.Target
		}
		all = append(all, fmt.Sprintf("%s at %v", text, f.At))
	}
	return strings.Join(all, ", ")
}
