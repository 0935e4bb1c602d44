package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// harnessVariable makes the test binary a harness that starts a run and then stands still, to be killed.
const harnessVariable = "LKBENCH_TEST_EXTERNAL_HARNESS"

func TestMain(m *testing.M) {
	if os.Getenv(harnessVariable) == "" {
		os.Exit(m.Run())
	}
	var p Provider
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	i, err := p.Start(context.Background(), infra.Options{})
	if err == nil {
		err = fill(context.Background(), i)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(i.Prefix)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// fill makes what a run makes: topics, tables, a publication and a slot.
func fill(ctx context.Context, i *infra.Instance) error {
	if err := infra.CreateTopics(ctx, i.Kafka, 2, i.Replication, i.Prefix+"transactions", i.Prefix+"transactions.dead-letters"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, i.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "create table alerts (id int primary key); create view seen as select * from alerts; create publication "+i.Prefix+"lkbench_observer for table alerts")
	if err != nil || i.NoReplication != "" {
		return err
	}
	_, err = conn.Exec(ctx, "select pg_create_logical_replication_slot($1, 'pgoutput')", i.Prefix+"kept")
	return err
}

// things lists what is on the servers, beside the database's own schemas.
func things(t testing.TB, cluster kafka.Cluster, postgres string) []string {
	t.Helper()
	client, err := cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range topics.Names() {
		all = append(all, "topic "+name)
	}
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$'
		union all select 'publication ' || pubname from pg_publication
		union all select 'slot ' || slot_name from pg_replication_slots where database = current_database() order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return append(all, names...)
}

func execute(t testing.TB, postgres, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also after the test
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func start(t testing.TB, p Provider) *infra.Instance {
	t.Helper()
	i, err := p.Start(t.Context(), infra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return i
}

func TestRunLeavesNothing(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1, "theirs", "lkbench_theirs")
	execute(t, postgres, "create schema lkbench_theirs; create table lkbench_theirs.t (i int); create publication theirs for table lkbench_theirs.t")
	before := things(t, cluster, postgres)
	i, err := Provider{Kafka: cluster, Postgres: postgres}.Start(t.Context(), infra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	if i.NoReplication != "" || i.Replication != -1 || i.Database != nil || len(i.Servers()) != 0 || i.Label != "external; single copy; servers run elsewhere" {
		t.Errorf("instance %+v", i)
	}
	if !strings.HasPrefix(i.PostgresVersion, "PostgreSQL 1") || !strings.Contains(i.KafkaVersion, "by its protocol") || i.PostgresSettings["wal_level"] != "logical" ||
		i.KafkaSettings["topic.replication.factor"] != "1" || i.KafkaSettings["cluster.id"] == "" || i.KafkaSettings["message.max.bytes"] == "" {
		t.Errorf("%s %v, %s %v", i.KafkaVersion, i.KafkaSettings, i.PostgresVersion, i.PostgresSettings)
	}
	schema := strings.TrimSuffix(i.Prefix, "_")
	made := things(t, cluster, postgres)
	for _, want := range []string{
		"topic " + i.Prefix + "transactions", "topic " + i.Prefix + "transactions.dead-letters", "schema " + schema,
		"publication " + i.Prefix + "lkbench_observer", "slot " + i.Prefix + "kept",
	} {
		if !slices.Contains(made, want) {
			t.Errorf("%v lacks %s", made, want)
		}
	}
	if len(made) != len(before)+5 {
		t.Errorf("a run makes %v where %v was", made, before)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := things(t, cluster, postgres); !slices.Equal(before, after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Errorf("the second end: %v", err)
	}
}

// recorded are all texts of an instance but those that are there to reach the servers.
func recorded(i *infra.Instance) string {
	c := *i
	c.Kafka, c.Postgres, c.End = kafka.Cluster{}, "", nil
	return fmt.Sprintf("%+v", c)
}

func TestNamesThatAreTaken(t *testing.T) {
	postgres := infratest.Postgres(t)
	fixed := func() string { return "abcdef" }
	execute(t, postgres, "create schema lkbench_abcdef; create table lkbench_abcdef.t (i int)")
	cluster := infratest.Kafka(t, 1)
	before := things(t, cluster, postgres)
	_, err := Provider{Kafka: cluster, Postgres: postgres, token: fixed}.Start(t.Context(), infra.Options{})
	if err == nil || !strings.Contains(err.Error(), "schema lkbench_abcdef exists already and was not made by this run") {
		t.Errorf("got %v", err)
	}
	if after := things(t, cluster, postgres); !slices.Equal(before, after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	cluster = infratest.Kafka(t, 1, "lkbench_abcdef_transactions")
	_, err = Provider{Kafka: cluster, Postgres: infratest.Postgres(t), token: fixed}.Start(t.Context(), infra.Options{})
	if err == nil || !strings.Contains(err.Error(), "topics with the prefix lkbench_abcdef_ exist already ([lkbench_abcdef_transactions])") {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	good := Provider{Kafka: kafka.Cluster{Brokers: []string{"h:1"}}, Postgres: "postgres://h/d"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Provider){
		`prefix: "pg"`:             func(p *Provider) { p.Prefix = "pg" },
		`prefix: "a_"`:             func(p *Provider) { p.Prefix = "a_" },
		`prefix: "A"`:              func(p *Provider) { p.Prefix = "A" },
		`prefix: "abcdefghijklm"`:  func(p *Provider) { p.Prefix = "abcdefghijklm" },
		"no Kafka is named":        func(p *Provider) { p.Kafka = kafka.Cluster{} },
		"no PostgreSQL is named":   func(p *Provider) { p.Postgres = "" },
		"the PostgreSQL connectio": func(p *Provider) { p.Postgres = "x" },
		"-1 copies":                func(p *Provider) { p.Replication = -1 },
	} {
		p := good
		change(&p)
		_, err := p.Start(t.Context(), infra.Options{})
		var mistake *ConfigError
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a ConfigError with %s", err, want)
		}
	}
	for _, prefix := range []string{"a", "lkbench", "team_a", "abcdefghijkl"} {
		if err := checkPrefix(prefix); err != nil {
			t.Error(err)
		}
	}
}

// The names that a run's parts build must fit what PostgreSQL takes.
func TestLongestNames(t *testing.T) {
	prefix := "abcdefghijkl_" + newToken() + "_"
	const random = 26 // what the observer adds to the name of its publication for a slot, after a _
	if slot := len(prefix+"lkbench_observer") + 1 + random; slot > 63 {
		t.Errorf("a slot's name has %d bytes", slot)
	}
	if publication := len(prefix + "lkbench_observer"); publication > 36 {
		t.Errorf("a publication's name has %d bytes", publication)
	}
}

func TestNobodyThere(t *testing.T) {
	_, err := Provider{Kafka: kafka.Cluster{Brokers: []string{"127.0.0.1:1"}}, Postgres: "postgres://u@127.0.0.1:1/d?sslmode=disable"}.Start(t.Context(), infra.Options{})
	var missing Missing
	if !errors.As(err, &missing) || len(missing) != 2 || strings.Count(err.Error(), "nothing listens there") != 2 {
		t.Errorf("got %v", err)
	}
}

func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err := Provider{Kafka: kafka.Cluster{Brokers: []string{"127.0.0.1:1"}}, Postgres: "postgres://u@127.0.0.1:1/d?sslmode=disable"}.Start(ctx, infra.Options{})
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v", err)
	}
}

// Connections that hold the run's tables do not keep its schema from going; neither does a slot that is in use keep it for ever.
func TestRemovalFromUnderAConnection(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	i, err := Provider{Kafka: cluster, Postgres: postgres}.Start(t.Context(), infra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), i.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "begin; insert into alerts values (1)"); err != nil {
		t.Fatal(err)
	}
	config, err := pgconn.ParseConfig(i.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	follower, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	err = pglogrepl.StartReplication(t.Context(), follower, i.Prefix+"kept", 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + i.Prefix + "lkbench_observer'"},
	})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = follower.Close(context.WithoutCancel(t.Context())) })
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := things(t, cluster, postgres); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}
