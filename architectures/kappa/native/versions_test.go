package native

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/observe"
)

// deployed gives a Kappa of which no component runs, and two connections to its database.
func deployed(t *testing.T) (env architectures.Environment, s *system, conn, reader *pgx.Conn) {
	t.Helper()
	env = architectures.Environment{Postgres: infratest.Postgres(t), Partitions: 2, Rules: bank.DefaultRules()}
	deployed, err := New().Deploy(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(deployed.Close)
	var conns [2]*pgx.Conn
	for i := range conns {
		if conns[i], err = pgx.Connect(t.Context(), env.Postgres); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conns[i].Close(context.Background()) })
	}
	return env, deployed.(*system), conns[0], conns[1]
}

// make2 does what component reprocess does to the tables.
func make2(t *testing.T, conn *pgx.Conn) (v version) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) (err error) {
		if v, err = begin(t.Context(), tx); err != nil {
			return err
		}
		return switchTo(t.Context(), tx, v)
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

func account(t *testing.T, s *system) *architectures.Reprocessing {
	t.Helper()
	r, err := s.Reprocessing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRequests: what is refused, and what the account says on the way from the request to the end.
func TestRequests(t *testing.T) {
	env, s, conn, reader := deployed(t)
	if r := account(t, s); r != nil {
		t.Fatalf("nothing was asked for, yet %+v", r)
	}
	rules := env.Rules
	rules.Window = 2 * rules.Window
	if s.Reprocess(t.Context(), rules, 0) == nil {
		t.Error("another window is taken")
	}
	rules = env.Rules
	rules.VelocityCount = 0
	if s.Reprocess(t.Context(), rules, 0) == nil {
		t.Error("a rule that makes no sense is taken")
	}
	rules.VelocityCount, rules.PremiumPaise = 2, 1
	if err := s.Reprocess(t.Context(), rules, time.Hour); err != nil {
		t.Fatal(err)
	}
	if s.Reprocess(t.Context(), rules, 0) == nil {
		t.Error("a second request is taken")
	}
	if r := account(t, s); r.RequestedAt.IsZero() || r.StartedAt != nil || r.Attempts != 0 {
		t.Errorf("after the request: %+v", r)
	}
	if got := s.AlertTables(); !slices.Equal(got, []string{"anomalies_1"}) {
		t.Errorf("before the switch alerts go to %v", got)
	}
	if v := make2(t, conn); v.number != 2 || v.rules != rules {
		t.Errorf("version %+v is made, expected 2 with the rules asked for", v)
	}
	if got := s.AlertTables(); !slices.Equal(got, []string{"anomalies_2"}) {
		t.Errorf("after the switch alerts go to %v", got)
	}
	if r := account(t, s); r.StartedAt == nil || r.SwitchedAt == nil || r.DoneAt != nil || r.Attempts != 1 {
		t.Errorf("after the switch: %+v", r)
	}
	if s.Reprocess(t.Context(), rules, 0) == nil {
		t.Error("a request is taken while the former answers are kept")
	}

	if wait, err := retireOnce(t.Context(), env); err != nil || wait < 59*time.Minute {
		t.Errorf("within the grace: wait %v, %v", wait, err)
	}
	if _, err := conn.Exec(t.Context(), `update versions set grace = '0s'`); err != nil {
		t.Fatal(err)
	}
	// A reader in the middle of a query is waited for, but not for long: others get to the table meanwhile.
	reading, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec(t.Context(), `select from anomalies_1`); err != nil {
		t.Fatal(err)
	}
	if _, err := retireOnce(t.Context(), env); err == nil {
		t.Error("tables are dropped under a reader")
	}
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	retire(t.Context(), env)
	if r := account(t, s); r.DoneAt == nil {
		t.Errorf("at the end: %+v", r)
	}
	var left int
	if err := conn.QueryRow(t.Context(), `select count(*) from pg_tables where tablename like '%\_1'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tables of the first version are left, %v", left, err)
	}
	if err := s.Reprocess(t.Context(), rules, 0); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

// TestFollowerSeesTheNewVersion: the observer goes on when the table that it publishes is dropped.
func TestFollowerSeesTheNewVersion(t *testing.T) {
	env, s, conn, _ := deployed(t)
	f, err := observe.Follow(t.Context(), observe.FollowerConfig{
		Postgres: env.Postgres, Publication: "kappa_test", Tables: s.AlertTables(), Rules: []string{bank.OverdraftAttempt},
		Events: 10, Intended: func(uint64) time.Duration { return 0 },
		ParseID: func(id []byte) (uint64, bool) { return uint64(id[0] - '0'), true },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	f.Run(time.Now())
	alert := func(n int) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), fmt.Sprintf(`insert into %s values ('%d', '%s', 'C', now(), 1)`, s.AlertTables()[0], n, bank.OverdraftAttempt)); err != nil {
			t.Fatal(err)
		}
		if err := f.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	alert(1)
	if err := s.Reprocess(t.Context(), env.Rules, 0); err != nil {
		t.Fatal(err)
	}
	make2(t, conn)
	if err := f.Switch(t.Context(), s.AlertTables()); err != nil {
		t.Fatal(err)
	}
	alert(2)
	retire(t.Context(), env)
	alert(3)
	if r := f.Record(); r.Alerts != 3 || len(r.Gaps) != 0 {
		t.Errorf("%d alerts seen, want 3; %d gaps", r.Alerts, len(r.Gaps))
	}
}
