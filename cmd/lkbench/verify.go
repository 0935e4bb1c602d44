package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lkbench/internal/runner"
)

func verifyCommand() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "verify RUN",
		Short: "Judge a saved run again from its files, without Kafka or PostgreSQL",
		Long: `Checks that no byte of the run's folder has changed, computes every expected answer again, compares it with the
saved views and answers, and holds the verdict against the saved one. The exit code is the verdict's; 1 if the
folder is damaged or the verdict differs.`,
		Args: exactly(1, "one run's folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := runner.Verify(cmd.Context(), args[0], data)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, as recorded (%d rows expected, %d observed, %d answers judged)\n",
				args[0], v.Verdict.Status, v.Correctness.Expected, v.Correctness.Observed, v.Correctness.Answers)
			for _, r := range v.Verdict.Reasons {
				fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", r)
			}
			if code := v.Verdict.ExitCode(); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "where the run's CSV file is now, if it has moved")
	return cmd
}
