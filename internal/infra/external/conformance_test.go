package external_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra/external"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// serversVariable tells a harness that is to be killed where the servers of its parent are.
const serversVariable = "LKBENCH_TEST_SERVERS"

// servers are what a harness uses.
type servers struct {
	Kafka    kafka.Cluster
	Postgres string
}

// A run on servers of others: real Kafka with SASL_SSL and rules, PostgreSQL over TLS, and a role with few rights.
func TestConforms(t *testing.T) {
	var given servers
	if text := os.Getenv(serversVariable); text != "" { // this is a harness
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			t.Fatal(err)
		}
		infratest.Conform(t, infratest.Case{Provider: external.Provider{Kafka: given.Kafka, Postgres: given.Postgres}})
		return
	}
	s := infratest.Secure(t)
	for name, postgres := range map[string]string{"role that may follow the log": s.Follower, "role that may not": s.Reader} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(servers{s.Kafka, postgres})
			if err != nil {
				t.Fatal(err)
			}
			infratest.Conform(t, infratest.Case{
				Provider:    external.Provider{Kafka: s.Kafka, Postgres: postgres},
				KillHarness: postgres == s.Follower, HarnessEnv: []string{serversVariable + "=" + string(text)},
				Left: func(ctx context.Context, _ string) ([]string, error) { return made(ctx, s) },
				Sweep: func(ctx context.Context) error {
					// A server takes a moment to notice that a client was killed; until then the run lives.
					for {
						words, err := external.Sweep(ctx, s.Kafka, postgres, "")
						t.Log(words)
						if err != nil || !strings.Contains(strings.Join(words, "\n"), "its run lives") {
							return err
						}
						time.Sleep(100 * time.Millisecond)
					}
				},
			})
		})
	}
}

// made lists what on the servers begins as lkbench's things do.
func made(ctx context.Context, s *infratest.Secured) ([]string, error) {
	client, err := s.KafkaAdmin.NewClient()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, external.DefaultPrefix) {
			found = append(found, "topic "+name)
		}
	}
	conn, err := pgx.Connect(ctx, s.Postgres.URL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT 'schema ' || nspname FROM pg_namespace WHERE starts_with(nspname, $1)
		UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE starts_with(pubname, $1)
		UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots WHERE starts_with(slot_name, $1)`, external.DefaultPrefix)
	if err != nil {
		return nil, err
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(found, there...), err
}
