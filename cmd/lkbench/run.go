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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lkbench/architectures"
	"lkbench/internal/runner"
	"lkbench/report"
	"lkbench/results"
	"lkbench/scenarios"
)

// runFlags are the flags of run.
type runFlags struct {
	arch     []string
	scenario []string
	control  string
	engine   string
	infra    infraFlags
	seed     uint64
	data     string
	out      string
	set      []string
	keep     bool
	quiet    bool
	progress string
}

func runCommand() *cobra.Command {
	var f runFlags
	commanded := time.Now()
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run scenarios through one or more architectures, measured and verified",
		Example: `  lkbench run --arch=lambda,kappa --scenario=spike
  lkbench run --arch=kappa --scenario=steady --data bank_transactions.csv
  lkbench run --arch=lambda --scenario=mine.yaml --set events.skew=0.5
  lkbench run --scenario=crash-stream,crash-broker --set time_scale=0.5`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return runAll(cmd, f, commanded) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.arch, "arch", []string{"lambda", "kappa"}, "architectures, run one after the other")
	flags.StringSliceVar(&f.scenario, "scenario", []string{"spike"}, "names of the catalogue (see 'lkbench scenarios') or files, run one after the other")
	flags.StringVar(&f.control, "control", "auto", "before a scenario with faults, run it without them as the control of recovery: auto or none")
	flags.StringVar(&f.engine, "engine", "native", "what runs the architectures: native")
	f.infra.register(flags)
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the event stream (default: the scenario's)")
	flags.StringVar(&f.data, "data", "", "CSV file of real transactions to send instead of synthetic ones")
	flags.StringVar(&f.out, "out", "lkbench-runs", "directory for the folders of runs")
	flags.StringArrayVar(&f.set, "set", nil, "override a field of the scenario, as in --set load.0.rate=2000 (repeatable)")
	flags.BoolVar(&f.keep, "keep", false, "after the verdict leave everything running until Ctrl-C (one architecture only)")
	flags.BoolVar(&f.quiet, "quiet", false, "print the verdict of each run only")
	flags.StringVar(&f.progress, "progress", "auto", "progress on standard error: auto, plain or none")
	// Completion of a fixed list cannot fail to register: the flags stand above.
	_ = cmd.RegisterFlagCompletionFunc("scenario", completeScenarios)
	_ = cmd.RegisterFlagCompletionFunc("infra", cobra.FixedCompletions(infras, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"lambda", "kappa"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// plan is what run is going to do, with everything the user could have got wrong already checked.
type plan struct {
	archs     []architectures.Architecture
	scenarios []*scenarios.Scenario
}

func (f *runFlags) check(cmd *cobra.Command) (*plan, error) {
	if f.engine != "native" {
		return nil, usage("there is no engine %q in this version; known: native", f.engine)
	}
	if err := f.infra.check(cmd.Flags()); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"auto", "plain", "none"}, f.progress) {
		return nil, usage("--progress is auto, plain or none, not %q", f.progress)
	}
	if !slices.Contains([]string{"auto", "none"}, f.control) {
		return nil, usage("--control is auto or none, not %q", f.control)
	}
	if len(f.scenario) == 0 {
		return nil, usage("--scenario names no scenario")
	}
	p := &plan{}
	for _, name := range f.arch {
		a, err := architecture(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		p.archs = append(p.archs, a)
	}
	if len(p.archs) == 0 {
		return nil, usage("--arch names no architecture")
	}
	if f.keep && len(p.archs)*len(f.scenario) != 1 {
		return nil, usage("--keep leaves one run standing: name one architecture with --arch and one scenario, not %d and %d", len(p.archs), len(f.scenario))
	}
	sets := slices.Clone(f.set)
	if cmd.Flags().Changed("seed") {
		sets = append(sets, "seed="+strconv.FormatUint(f.seed, 10))
	}
	if f.data != "" {
		sets = append(sets, "events.source=csv", "events.file="+strconv.Quote(f.data))
	}
	var problems []error
	for _, name := range f.scenario {
		s, err := scenarios.Load(name, sets...)
		problems = append(problems, err)
		p.scenarios = append(p.scenarios, s)
	}
	return p, errors.Join(problems...)
}

func runAll(cmd *cobra.Command, f runFlags, commanded time.Time) error {
	plan, err := f.check(cmd)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the run in order; the second ends the program at once, and the children with it.
	context.AfterFunc(ctx, stop)

	out, errw := cmd.OutOrStdout(), cmd.ErrOrStderr()
	note := func(format string, args ...any) {
		if !f.quiet {
			fmt.Fprintf(errw, format+"\n", args...)
		}
	}
	base, err := launcher(ctx, &f.infra, f.out, errw, note)
	if err != nil && ctx.Err() != nil {
		return &exitError{exitInterrupted, err}
	}
	if err != nil {
		return err
	}
	base.Engine, base.Write, base.Keep = f.engine, writeReports, keeper(f.keep, out)

	mode := f.progress
	if f.quiet {
		mode = "none"
	}
	batch := &batchOfRuns{
		flags: f, base: base, out: out, note: note, shown: newProgress(mode, errw, isTerminal(errw)), commanded: commanded,
	}
	if err := batch.check(plan); err != nil {
		return err
	}
	code, err := batch.all(ctx, plan)
	if !f.quiet && len(batch.runs) > 0 { // also of those before an error
		if err := show(out, batch.runs); err != nil {
			return err
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return &exitError{exitInterrupted, err}
	case err != nil:
		return err
	case code != 0:
		return &exitError{code: code}
	}
	return nil
}

// writeReports fills a run's folder with what can be drawn from its record.
func writeReports(dir string, record *results.Record) error {
	run, err := report.Open(dir, record)
	if err != nil {
		return err
	}
	return report.Write(dir, run)
}

// show prints the table of runs and where their reports are.
func show(out io.Writer, runs []*report.Run) error {
	width := 80
	if file, ok := out.(*os.File); ok && isTerminal(out) {
		if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	color := isTerminal(out) && os.Getenv("NO_COLOR") == ""
	if err := report.Table(out, width, color, runs...); err != nil {
		return err
	}
	for _, r := range runs {
		fmt.Fprintf(out, "%s: %s\n", r.Record.Arch, filepath.Join(shortest(r.Dir), "report.html"))
	}
	return nil
}

// keeper gives what the runner calls after the verdict with --keep: it prints the addresses and waits for the end.
func keeper(keep bool, out io.Writer) func(context.Context, runner.Addresses) {
	if !keep {
		return nil
	}
	return func(ctx context.Context, a runner.Addresses) {
		fmt.Fprintf(out, "Kafka:      %s   topics %s, %s\nPostgreSQL: %s\nLeft running until Ctrl-C.\n",
			strings.Join(a.Kafka, ","), a.Topic, a.DeadLetters, a.Psql)
		<-ctx.Done()
	}
}

// shortest writes a path from the working directory where that is shorter.
func shortest(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
