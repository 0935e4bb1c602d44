package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lkbench/internal/doctor"
	"lkbench/internal/infra"
	"lkbench/internal/infra/external"
	"lkbench/internal/kafka"
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
			addresses, err := named.addresses(cmd)
			if err != nil {
				return err
			}
			findings := doctor.Examine(cmd.Context(), limit, doctor.Here(addresses))
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
	flags.StringVar(&named.kafka, "kafka", "", "examine external too: addresses of its Kafka (default $LKBENCH_KAFKA)")
	flags.StringVar(&named.kafkaConfig, "kafka-config", "", "the same, as a file of client properties (default $LKBENCH_KAFKA_CONFIG)")
	flags.StringVar(&named.postgres, "postgres", "", "examine external too: connection string of its PostgreSQL (default $LKBENCH_POSTGRES)")
	flags.DurationVar(&limit, "timeout", 2*time.Second, "how long each look may take")
	return cmd
}

// namedServers are the servers of others that the user names.
type namedServers struct{ kafka, kafkaConfig, postgres string }

// addresses reads what the flags or, without them, the environment names. Notes about it go to standard error.
func (n namedServers) addresses(cmd *cobra.Command) (doctor.Addresses, error) {
	if external.HasPassword(n.postgres) {
		return doctor.Addresses{}, usage("--postgres holds a password, which everybody on this machine can read: " +
			"put it into a password file (~/.pgpass) or PGPASSWORD, or the whole string into LKBENCH_POSTGRES")
	}
	list := cmp.Or(n.kafka, os.Getenv("LKBENCH_KAFKA"))
	file := cmp.Or(n.kafkaConfig, os.Getenv("LKBENCH_KAFKA_CONFIG"))
	a := doctor.Addresses{Postgres: cmp.Or(n.postgres, os.Getenv("LKBENCH_POSTGRES"))}
	if a.Postgres != "" {
		if _, err := infra.PostgresConfig(a.Postgres); err != nil {
			return a, usage("%w", err)
		}
	}
	if file != "" {
		cluster, notes, err := external.ReadKafkaConfig(file)
		if err != nil {
			return a, usage("%w", err)
		}
		for _, note := range notes {
			fmt.Fprintf(cmd.ErrOrStderr(), "lkbench: %s\n", note)
		}
		a.Kafka = &cluster
	}
	if list != "" {
		brokers, err := external.Addresses(list)
		if err != nil {
			return a, usage("--kafka or LKBENCH_KAFKA: %w", err)
		}
		if a.Kafka == nil {
			a.Kafka = &kafka.Cluster{}
		}
		a.Kafka.Brokers = brokers // as with Kafka's own tools, these count
	}
	return a, nil
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
