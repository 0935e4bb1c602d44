package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lkbench/internal/doctor"
)

func doctorCommand() *cobra.Command {
	var named namedServers
	var asJSON bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what works on this machine, what is missing, and what makes it noisy",
		Long: `doctor shows which providers of Kafka and PostgreSQL (--infra) and which engines work here, what is missing and the
command that brings it, and whatever makes this machine noisy for measuring. It starts no server and fetches nothing.

Exit codes: 0 at least one provider works; 1 none does.`,
		Example: `  lkbench doctor
  lkbench doctor --json
  lkbench doctor --kafka-config client.properties --postgres 'host=db.example user=lkbench dbname=bench sslmode=verify-full'`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit <= 0 {
				return usage("--timeout is a time above 0, not %v", limit)
			}
			cluster, postgres, err := named.read(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			findings := doctor.Examine(cmd.Context(), limit, doctor.Here(doctor.Addresses{Kafka: cluster, Postgres: postgres}))
			if err := showFindings(cmd, findings, asJSON); err != nil {
				return err
			}
			if !findings.Works {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	named.register(flags)
	flags.DurationVar(&limit, "timeout", 2*time.Second, "how long each look may take")
	return cmd
}

func showFindings(cmd *cobra.Command, findings doctor.Findings, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(findings)
	}
	// What is not a terminal gets each finding in one line, for grep.
	width := 0
	if file, ok := out.(*os.File); ok && isTerminal(out) {
		width = 80
		if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	return findings.Table(out, width, isTerminal(out) && os.Getenv("NO_COLOR") == "")
}
