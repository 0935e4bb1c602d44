package infratest

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra"
)

func TestPostgres(t *testing.T) {
	first, second := Postgres(t), Postgres(t)
	if first == second {
		t.Fatal("two tests got the same database")
	}
	conn, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var level string
	if err := conn.QueryRow(t.Context(), "SHOW wal_level").Scan(&level); err != nil || level != "logical" {
		t.Fatalf("wal_level %q, %v; want logical", level, err)
	}
}

func TestKafka(t *testing.T) {
	client, err := Kafka(t, 4, "a", "b").NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if n := len(topics[name].Partitions); n != 4 {
			t.Errorf("topic %s has %d partitions, want 4", name, n)
		}
	}
}

// The end of a server that a test starts itself must not take the shared server's directory along.
func TestOwnServerBesideTheSharedOne(t *testing.T) {
	shared := Postgres(t)
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	own, err := infra.StartDatabase(t.Context(), infra.Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), shared)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT generate_series(1, 10)"); err != nil {
		t.Error(err)
	}
}
