package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"lkbench/architectures"
	kappa "lkbench/architectures/kappa/native"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/infra/external"
	"lkbench/internal/runner"
	"lkbench/scenarios"
)

// The exit codes of the program; 3, 4 and 5 come from verdicts.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInvalid     = 4
	exitInterrupted = 130
)

// known are the architectures, in the order they are shown.
func known() []architectures.Architecture {
	return []architectures.Architecture{lambda.New(), kappa.New()}
}

// exitError carries an exit code whose reason has been printed already or stands in err.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as the caller's: exit code 2.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// run is the program: it returns the exit code and leaves nothing behind.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "lkbench",
		Short: "Measure a Lambda and a Kappa architecture over the same stream, and check every answer",
		Long: `lkbench runs a Lambda and a Kappa architecture over the same seeded stream of bank transactions, on Kafka and
PostgreSQL, measures what differs, and checks every answer they serve.

Exit codes: 0 good; 1 the program failed; 2 bad usage or scenario; 3 a threshold failed; 4 the measurement is
invalid; 5 the system lost, duplicated or corrupted data; 130 interrupted.`,
		Version:                    version(),
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf(" Did you mean %q?", near[0])
			}
			return usage("there is no verb %q.%s See 'lkbench --help'.", args[0], hint)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v\nSee '%s --help'.", err, cmd.CommandPath())
	})
	root.AddCommand(runCommand(), capacityCommand(), shrinkCommand(), verifyCommand(), scenariosCommand(), validateCommand(), doctorCommand(), sweepCommand(),
		guardCommand(), brokerCommand(), componentCommand())

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	var bad *scenarios.Error
	var input *runner.InputError
	var config *external.ConfigError
	switch {
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(stderr, "lkbench: %v\n", exit.err)
		}
		return exit.code
	case errors.As(err, &bad), errors.As(err, &input), errors.As(err, &config):
		fmt.Fprintf(stderr, "lkbench: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "lkbench: %v\n", err)
		return exitFailed
	}
}

// exactly is cobra.ExactArgs with the exit code of bad usage.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s takes %s, got %d arguments\nSee '%s --help'.", cmd.CommandPath(), what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	return "development"
}
