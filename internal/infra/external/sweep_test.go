package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// harness starts a run in another process and gives its prefix and a way to kill it.
func harness(t *testing.T, p Provider) (prefix string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), harnessVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	if err := json.NewEncoder(stdin).Encode(p); err != nil {
		t.Fatal(err)
	}
	var line string
	if _, err := fmt.Fscanln(stdout, &line); err != nil || !strings.HasSuffix(line, "_") {
		rest, _ := io.ReadAll(stdout)
		t.Fatalf("the harness says %q %s, %v", line, rest, err)
	}
	return line, kill
}

func passwordOf(t testing.TB, postgres string) string {
	t.Helper()
	config, err := pgx.ParseConfig(postgres)
	if err != nil || config.Password == "" {
		t.Fatalf("no password: %v", err)
	}
	return config.Password
}

func TestSweepOfAKilledHarness(t *testing.T) {
	postgres := infratest.Postgres(t)
	cluster := infratest.Kafka(t, 1, "theirs", "lkbench_theirs", "lkbench_zzzzzz_transactions", "lkbench_more_transactions")
	execute(t, postgres, `create schema lkbench_theirs; create schema lkbench_zzzzzz; create schema lkbench_yyyyyy;
		comment on schema lkbench_yyyyyy is 'made by lkbench: {"prefix":"other_"}'; create publication lkbench_theirs_publication`)
	p := Provider{Kafka: cluster, Postgres: postgres}
	before := things(t, cluster, postgres)
	live := start(t, p)
	if err := fill(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	between := things(t, cluster, postgres)
	dead, kill := harness(t, p)
	kill()
	if now := things(t, cluster, postgres); !strings.Contains(strings.Join(now, " "), dead) {
		t.Fatalf("the killed harness left nothing: %v", now)
	}
	words, err := p.sweep(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(words, "\n")
	for _, want := range []string{
		"removed topic " + dead + "transactions\n", "removed topic " + dead + "transactions.dead-letters", "removed publication " + dead + "lkbench_observer",
		"removed replication slot " + dead + "kept", "removed schema " + strings.TrimSuffix(dead, "_"),
		"left schema " + strings.TrimSuffix(live.Prefix, "_") + ": its run lives, started ",
		"left schema lkbench_zzzzzz: lkbench did not make it", "left schema lkbench_yyyyyy: lkbench did not make it",
		"left topic lkbench_theirs: no run", "left topic lkbench_zzzzzz_transactions: no run",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the sweep does not say %q:\n%s", want, all)
		}
	}
	if password := passwordOf(t, postgres); strings.Contains(all, password) || strings.Contains(recorded(live), password) {
		t.Error("the password is told")
	}
	if after := things(t, cluster, postgres); !slices.Equal(between, after) {
		t.Errorf("before %v\nafter  %v", between, after)
	}
	if err := live.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := things(t, cluster, postgres); !slices.Equal(before, after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	if words, err = p.sweep(t.Context(), time.Second); err != nil || strings.Contains(strings.Join(words, "\n"), "removed") {
		t.Errorf("the second sweep says %v, %v", words, err)
	}
}

// With nothing to remove the sweep does not wait, and mistakes are told as such.
func TestSweepOfNothing(t *testing.T) {
	words, err := Sweep(t.Context(), infratest.Kafka(t, 1), infratest.Postgres(t), "")
	if err != nil || len(words) != 0 {
		t.Errorf("swept %v, %v", words, err)
	}
	var mistake *ConfigError
	if _, err := Sweep(t.Context(), kafka.Cluster{}, "", "pg"); !errors.As(err, &mistake) || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three mistakes", err)
	}
}

// A dead run's topics on another Kafka are not forgotten with its schema.
func TestSweepWithAnotherKafka(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	dead, kill := harness(t, Provider{Kafka: cluster, Postgres: postgres})
	kill()
	other := secureKafka(t, nil)
	words, err := Provider{Kafka: other.as("boss"), Postgres: postgres}.sweep(t.Context(), time.Second)
	if err != nil || len(words) != 1 || !strings.Contains(words[0], "its topics are on another Kafka, at "+cluster.String()) {
		t.Errorf("swept %v, %v", words, err)
	}
	words, err = Provider{Kafka: cluster, Postgres: postgres}.sweep(t.Context(), time.Second)
	if err != nil || !slices.Contains(words, "removed schema "+strings.TrimSuffix(dead, "_")) {
		t.Errorf("swept %v, %v", words, err)
	}
}

// A run whose lock was lost with its connection claims it again, also from a sweeper that was faster.
func TestLiveRunThatLostItsConnection(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	p := Provider{Kafka: cluster, Postgres: postgres}
	i := start(t, p)
	schema := strings.TrimSuffix(i.Prefix, "_")
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	// The holder is ended and the lock taken in one statement after the other, before the run can notice.
	for got := false; !got; {
		_, err := conn.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid()
			and database = (select oid from pg_database where datname = current_database())`)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if got, err = tryLock(t.Context(), conn, schema); err != nil {
				t.Fatal(err)
			}
			if got {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	// As a sweeper holds it: the run comes and waits.
	for waited := map[string]bool{}; !waited[schema]; {
		if waited, err = waitedFor(t.Context(), conn, []place{{schema: schema}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := conn.Exec(t.Context(), "select pg_advisory_unlock($1)", lockKey(schema)); err != nil {
		t.Fatal(err)
	}
	words, err := p.sweep(t.Context(), 10*time.Second)
	if err != nil || len(words) != 1 || !strings.Contains(words[0], "left schema "+schema+": its run lives") {
		t.Errorf("swept %v, %v", words, err)
	}
}

// The sweep itself sees a run that comes for its lock while it looks.
func TestSweepGivesALockBack(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	p := Provider{Kafka: cluster, Postgres: postgres}
	prefix, kill := harness(t, p)
	kill()
	schema := strings.TrimSuffix(prefix, "_")
	config, err := infra.PostgresConfig(postgres)
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		words []string
		err   error
	}
	swept := make(chan outcome)
	go func() {
		words, err := p.sweep(t.Context(), time.Minute)
		swept <- outcome{words, err}
	}()
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for held := false; !held; { // by the sweep, once the server has noticed the harness's end
		got, err := tryLock(t.Context(), conn, schema)
		if err != nil {
			t.Fatal(err)
		}
		if got {
			if _, err := conn.Exec(t.Context(), "select pg_advisory_unlock($1)", lockKey(schema)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		held = !got
	}
	owner := again(t.Context(), config, schema) // as the keeper of a run does that is alive after all
	if owner == nil {
		t.Fatal("no lock")
	}
	got := <-swept
	closeSoon(owner)
	if got.err != nil || !strings.Contains(strings.Join(got.words, "\n"), "left schema "+schema+": its run lives") {
		t.Errorf("swept %v, %v", got.words, got.err)
	}
}
