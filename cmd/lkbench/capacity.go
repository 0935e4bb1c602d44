package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lkbench/architectures"
	"lkbench/internal/capacity"
	"lkbench/internal/runner"
	"lkbench/report"
)

// The defaults of a search; a share of the capacity in a scenario is measured by them too.
const (
	defaultObjective = "alert.p99 < 500ms"
	defaultStart     = 4000.0
	defaultProbe     = 20
	defaultTolerance = "10%"
	confirmations    = 3
)

// capacityFlags are the flags of capacity.
type capacityFlags struct {
	arch        string
	engine      string
	slo         []string
	recoverable time.Duration
	rate        float64
	seconds     int
	tolerance   string
	infra       infraFlags
	out         string
	set         []string
	keepRuns    bool
}

func capacityCommand() *cobra.Command {
	var f capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Find the highest rate that an architecture sustains",
		Long: `Finds the highest rate at which the lag does not grow, the objective is met and nothing is lost: by factors of two
until one rate is held and one is not, then by bisection. The result is confirmed three times. Each try is a run of the
scenario steady at that rate, on fresh servers. With --recoverable it is the highest rate from which the system is well
again within that time after a crash of its stream.`,
		Example: `  lkbench capacity --arch=kappa
  lkbench capacity --arch=lambda --slo "alert.p99 < 200ms" --rate=20000
  lkbench capacity --arch=kappa --recoverable=5s --set partitions=8`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return findCapacity(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.arch, "arch", "", "the architecture: lambda or kappa")
	flags.StringVar(&f.engine, "engine", "native", "what runs the architecture: native")
	flags.StringArrayVar(&f.slo, "slo", []string{defaultObjective}, "the objective, written as an expectation of a scenario (repeatable)")
	flags.DurationVar(&f.recoverable, "recoverable", 0, "find the highest rate from which the system is well again within this time after a crash")
	flags.Float64Var(&f.rate, "rate", defaultStart, "the rate to try first, in events per second")
	flags.IntVar(&f.seconds, "seconds", defaultProbe, "measured seconds of each try; with --recoverable those before the crash")
	flags.StringVar(&f.tolerance, "tolerance", defaultTolerance, "how far the lowest rate that is not held may lie above the result")
	f.infra.register(flags)
	flags.StringVar(&f.out, "out", "lkbench-runs", "directory for the result")
	flags.StringArrayVar(&f.set, "set", nil, "override a field of the scenario steady, as in --set partitions=8 (repeatable)")
	flags.BoolVar(&f.keepRuns, "keep-runs", false, "keep the folder of every try, not only of one with wrong answers")
	// Completion of a fixed list cannot fail to register: the flags stand above.
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"lambda", "kappa"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("infra", cobra.FixedCompletions(infras, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check refuses what can be seen to be wrong before anything starts.
func (f *capacityFlags) check(cmd *cobra.Command) (*capacitySearch, error) {
	if f.engine != "native" {
		return nil, usage("there is no engine %q in this version; known: native", f.engine)
	}
	if f.arch == "" {
		return nil, usage("--arch names no architecture; it is lambda or kappa")
	}
	arch, err := architecture(f.arch)
	if err != nil {
		return nil, err
	}
	if err := f.infra.check(cmd.Flags()); err != nil {
		return nil, err
	}
	if !(f.rate >= capacity.Lowest && f.rate <= capacity.Highest) {
		return nil, usage("--rate is between %.0f and %.0f events a second, not %v", capacity.Lowest, capacity.Highest, f.rate)
	}
	if f.seconds < 3 || f.seconds > 3600 {
		return nil, usage("--seconds is between 3 and 3600, not %d: a slope needs three seconds", f.seconds)
	}
	tolerance, err := share(f.tolerance)
	if err != nil {
		return nil, err
	}
	s := &capacitySearch{
		arch: arch, objective: f.slo, start: f.rate, seconds: f.seconds, tolerance: tolerance, sets: f.set, keepRuns: f.keepRuns,
	}
	if cmd.Flags().Changed("recoverable") {
		if f.recoverable < 100*time.Millisecond || f.recoverable > 10*time.Minute {
			return nil, usage("--recoverable is between 100ms and 10m, not %v", f.recoverable)
		}
		if cmd.Flags().Changed("slo") {
			return nil, usage("--slo and --recoverable exclude each other: a crash breaks any objective for a time")
		}
		s.recoverable, s.objective = f.recoverable, nil
	}
	for _, set := range f.set {
		field, _, _ := strings.Cut(set, "=")
		if root, _, _ := strings.Cut(field, "."); slices.Contains([]string{"name", "load", "faults", "reprocess", "expect", "time_scale", "load_scale"}, root) {
			return nil, usage("--set %s: capacity sets %s itself", set, root)
		}
	}
	scenario, err := s.scenario(s.start)
	if err != nil {
		return nil, err
	}
	if batch := time.Duration(scenario.Lambda.BatchEvery); arch.Name() == "lambda" && time.Duration(f.seconds)*time.Second < batch {
		return nil, usage("--seconds=%d is less than lambda.batch_every=%v: a try would hold no batch; make one longer or the other shorter (--set lambda.batch_every=…)", f.seconds, batch)
	}
	return s, nil
}

// share reads a share such as 10% or 0.1.
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0.01 && v <= 1) {
		return 0, usage("--tolerance is a share between 1%% and 100%%, not %q", text)
	}
	return v, nil
}

func findCapacity(cmd *cobra.Command, f *capacityFlags) error {
	search, err := f.check(cmd)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once

	out, errw := cmd.OutOrStdout(), cmd.ErrOrStderr()
	search.note = func(format string, args ...any) { fmt.Fprintf(errw, format+"\n", args...) }
	search.base, err = launcher(ctx, &f.infra, f.out, errw, search.note)
	if err != nil && ctx.Err() != nil {
		return &exitError{exitInterrupted, err}
	}
	if err != nil {
		return err
	}
	return search.report(ctx, out)
}

// report searches, prints what was found, and saves it.
func (s *capacitySearch) report(ctx context.Context, out io.Writer) error {
	file, err := s.find(ctx)
	if printErr := printProbes(out, file.Probes); printErr != nil {
		return printErr
	}
	switch {
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted: nothing is saved")}
	case errors.Is(err, capacity.ErrNothingHeld), errors.Is(err, capacity.ErrNoLimit):
		return &exitError{max(exitInvalid, s.worst), err}
	case err != nil:
		return err
	}
	path, err := s.save(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s on %s %s %s events/s; the next rate was not held: %s\n%s\n",
		file.Arch, file.Infra, s.verb(), plainRate(file.Rate), file.Why, shortest(path))
	if s.worst > 0 {
		return &exitError{s.worst, errors.New("in some tries the answers were wrong; their folders are kept")}
	}
	return nil
}

// save writes the result and its picture.
func (s *capacitySearch) save(file capacity.File) (path string, err error) {
	if path, err = capacity.Save(s.base.Out, file); err != nil {
		return "", err
	}
	points := make([]report.CapacityProbe, len(file.Probes))
	for i, p := range file.Probes {
		points[i] = report.CapacityProbe{Rate: p.Rate, Held: p.Held, P99MS: p.P99MS, LagSlope: p.LagSlope}
	}
	picture, err := report.CapacityPNG(fmt.Sprintf("%s on %s %s %s events/s", file.Arch, file.Infra, s.verb(), plainRate(file.Rate)), file.Rate, points)
	if err != nil {
		return "", err
	}
	return path, capacity.WriteFile(strings.TrimSuffix(path, ".json")+".png", picture)
}

func (s *capacitySearch) verb() string {
	if s.recoverable > 0 {
		return fmt.Sprintf("is well again within %v of a crash at up to", s.recoverable)
	}
	return "sustains"
}

// printProbes prints all tries in the order of their rates.
func printProbes(out io.Writer, probes []capacity.Probe) error {
	if len(probes) == 0 {
		return nil
	}
	probes = slices.Clone(probes)
	slices.SortStableFunc(probes, func(a, b capacity.Probe) int { return int(math.Copysign(1, a.Rate-b.Rate)) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "events/s\toutcome\talert p99, ms\tlag slope, %\twhy")
	for _, p := range probes {
		outcome := "held"
		switch {
		case !p.Held:
			outcome = "not held"
		case p.Confirmation:
			outcome = "held, confirming"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", plainRate(p.Rate), outcome, figure(p.P99MS, 1, "%.1f"), figure(p.LagSlope, 100, "%+.2f"), p.Why)
	}
	return w.Flush()
}

func plainRate(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }

// figure writes a number that may not have been measured.
func figure(v *float64, factor float64, format string) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf(format, factor**v)
}

// capacitySearch is one search for a capacity.
type capacitySearch struct {
	base        runner.Config
	arch        architectures.Architecture
	objective   []string
	recoverable time.Duration // 0: the rate that is sustained
	start       float64
	seconds     int
	tolerance   float64
	sets        []string // of the scenario steady
	keepRuns    bool
	note        func(format string, args ...any)

	tries int
	worst int // exit code of the worst try: only wrong answers count
}
