package main

import (
	"os"

	"github.com/spf13/cobra"

	"lkbench/architectures"
	"lkbench/internal/infra"
	"lkbench/internal/proc"
	"lkbench/internal/runner"
)

// guardCommand starts a foreign program that ends when standard input closes.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use: proc.GuardVerb, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := proc.Guard(args, cmd.InOrStdin()); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
}

// brokerCommand is the embedded Kafka.
func brokerCommand() *cobra.Command {
	return &cobra.Command{
		Use: infra.BrokerVerb, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return infra.Broker(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// componentCommand is one component of an architecture.
func componentCommand() *cobra.Command {
	return &cobra.Command{
		Use: runner.ComponentVerb + " ARCH NAME", Hidden: true, Args: exactly(2, "an architecture and a component"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var env architectures.Environment
			ctx, err := proc.LifelineServing(cmd.Context(), os.Stdin, env.Begin) // goes both ways: answers leave by it
			if err != nil {
				return err
			}
			arch, err := architecture(args[0])
			if err != nil {
				return err
			}
			for _, c := range arch.Components() {
				if c.Name == args[1] {
					return c.Run(ctx, env)
				}
			}
			return usage("architecture %s has no component %q", args[0], args[1])
		},
	}
}

// architecture finds one by name.
func architecture(name string) (architectures.Architecture, error) {
	var names []string
	for _, a := range known() {
		if a.Name() == name {
			return a, nil
		}
		names = append(names, a.Name())
	}
	return nil, usage("there is no architecture %q; known: %v", name, names)
}
