package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/external"
)

// removers remove what runs make outside of their directories on this machine.
var removers = infra.Removers{docker.Kind: docker.Remove}

func sweepCommand() *cobra.Command {
	var named namedServers
	var prefix string
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Remove what runs that died have left behind",
		Long: `Removes what runs that died have left on this machine: processes, containers, directories. Every run does that too when
it starts. With the addresses of external servers it also removes from them the topics, schemas, publications and
replication slots of runs that died; what lkbench did not make, and what belongs to a run that lives, is not touched.`,
		Example: `  lkbench sweep
  lkbench sweep --kafka broker:9092 --postgres postgres://me@db/bench`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return sweep(cmd, named, prefix) },
	}
	named.register(cmd.Flags())
	cmd.Flags().StringVar(&prefix, "prefix", external.DefaultPrefix, "external: begins the names of all that runs have made there")
	return cmd
}

func sweep(cmd *cobra.Command, named namedServers, prefix string) error {
	cluster, postgres, err := named.read(cmd.ErrOrStderr())
	if err == nil && (cluster != nil || postgres != "") {
		// What a run has made on the one server is written down on the other.
		_, _, err = named.both(cmd.ErrOrStderr())
	}
	if err != nil {
		return err
	}
	dirs, err := infra.Sweep(cmd.Context(), removers)
	var done []string
	for _, dir := range dirs {
		done = append(done, "removed what a dead run left: "+dir)
	}
	if cluster != nil {
		removed, e := external.Sweep(cmd.Context(), *cluster, postgres, prefix)
		done, err = append(done, removed...), errors.Join(err, e)
	}
	for _, what := range done {
		fmt.Fprintln(cmd.OutOrStdout(), what)
	}
	if len(done) == 0 && err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to remove")
	}
	return err
}
