package fault

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra/infratest"
)

// served is a world with a view over two tables, through another view.
func served(t *testing.T) (*World, *pgx.Conn) {
	t.Helper()
	began := time.Now()
	w := &World{Postgres: infratest.Postgres(t), Now: func() time.Duration { return time.Since(began) }}
	conn, err := pgx.Connect(t.Context(), w.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), `
		CREATE TABLE batch_rows AS SELECT n FROM generate_series(1, 5000) n;
		CREATE TABLE "Realtime" AS SELECT n FROM generate_series(1, 10) n;
		CREATE VIEW merged AS SELECT n FROM batch_rows UNION ALL SELECT n FROM "Realtime";
		CREATE VIEW customer_profiles AS SELECT count(*) AS n FROM merged`)
	if err != nil {
		t.Fatal(err)
	}
	return w, conn
}

// injected injects a fault in the background and calls during once it holds; then it ends the fault.
func injected(t *testing.T, w *World, f Fault, holds func() bool, during func()) (Outcome, error) {
	t.Helper()
	enough := errors.New("seen enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var out Outcome
	result := make(chan error, 1)
	go func() {
		var err error
		out, err = f.Inject(ctx, w)
		result <- err
	}()
	if err := await(ctx, time.Minute, func() bool { return holds() || len(result) > 0 }); err != nil {
		t.Errorf("the fault does not hold: %v", err)
	}
	if len(result) == 0 {
		during()
	}
	cancel(enough)
	err := <-result
	if !errors.Is(err, enough) {
		t.Errorf("ended with %v, want the reason of its end", err)
	}
	return out, err
}

func count(t *testing.T, conn *pgx.Conn, sql string, args ...any) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}

func TestLock(t *testing.T) {
	w, conn := served(t)
	held := func() bool {
		return count(t, conn, "SELECT count(*) FROM pg_locks WHERE relation = 'customer_profiles'::regclass AND mode = 'AccessExclusiveLock' AND granted") == 1
	}
	out, _ := injected(t, w, Lock{View: "customer_profiles", For: time.Hour}, held, func() {
		for _, sql := range []string{"SELECT * FROM customer_profiles", "INSERT INTO batch_rows VALUES (1)"} {
			_, err := conn.Exec(t.Context(), "SET lock_timeout = 50; "+sql)
			if state(err) != lockNotAvailable {
				t.Errorf("%s went through the lock: %v", sql, err)
			}
		}
	})
	if out.Effect < 0 || !strings.Contains(out.What, "3 relations below it") {
		t.Errorf("outcome %+v", out)
	}
	if n := count(t, conn, "SELECT n FROM customer_profiles"); n != 5010 || held() {
		t.Errorf("after the fault the view holds %d", n)
	}
	if _, err := locked(t.Context(), conn, "customer_profiles"); err == nil {
		t.Error("a session that holds no lock is said to hold one")
	}
	// A lock that is lost before its time is no lock.
	granted, asked := make(chan struct{}), 0
	watched := *w
	watched.Now = func() time.Duration { // it asks for the time when it begins, when it has the lock, and at its end
		if asked++; asked == 2 {
			close(granted)
		}
		return w.Now()
	}
	lost := make(chan error, 1)
	go func() {
		_, err := Lock{View: "customer_profiles", For: time.Second}.Inject(t.Context(), &watched)
		lost <- err
	}()
	select {
	case <-granted:
	case err := <-lost:
		t.Fatal(err)
	}
	count(t, conn, "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE relation = 'customer_profiles'::regclass AND mode = 'AccessExclusiveLock'")
	if err := <-lost; err == nil || !strings.Contains(err.Error(), "lost before its time") {
		t.Errorf("a lost lock gave %v", err)
	}
}

func TestVacuum(t *testing.T) {
	w, conn := served(t)
	before := count(t, conn, "SELECT relfilenode::bigint FROM pg_class WHERE relname = 'Realtime'")
	out, err := Vacuum{View: "customer_profiles", For: 300 * time.Millisecond}.Inject(t.Context(), w)
	if err != nil || out.Effect < 0 || !strings.Contains(out.What, `"Realtime", batch_rows`) {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	if after := count(t, conn, "SELECT relfilenode::bigint FROM pg_class WHERE relname = 'Realtime'"); after == before {
		t.Error("the table was not written anew")
	}
	// Whoever holds a lock keeps it away.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE "Realtime"`); err != nil {
		t.Fatal(err)
	}
	out, err = Vacuum{View: "customer_profiles", For: 200 * time.Millisecond}.Inject(t.Context(), w)
	if !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("a vacuum that waits for its lock gave effect %v, %v", out.Effect, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSlowQuery(t *testing.T) {
	w, conn := served(t)
	const active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%LATERAL%' AND state = 'active' AND pid <> pg_backend_pid()"
	out, err := SlowQuery{View: "customer_profiles", Sessions: 3, For: 200 * time.Millisecond}.Inject(t.Context(), w)
	if err != nil || out.Effect < 0 || out.End-out.Effect < 200*time.Millisecond {
		t.Errorf("outcome %+v, %v", out, err)
	}
	injected(t, w, SlowQuery{View: "customer_profiles", Sessions: 2, For: time.Hour}, func() bool { return count(t, conn, active) == 2 }, func() {})
	if n := count(t, conn, active); n != 0 {
		t.Errorf("after the fault %d sessions are at work: a connection that is only closed leaves its statement running", n)
	}
}

func TestConnections(t *testing.T) {
	w, conn := served(t)
	full := func() bool {
		another, err := pgx.Connect(t.Context(), w.Postgres)
		if err == nil {
			_ = another.Close(t.Context())
		}
		return state(err) == tooManyConnections
	}
	out, _ := injected(t, w, Connections{For: time.Hour}, full, func() {
		if n := count(t, conn, "SELECT count(*) FROM customer_profiles"); n != 1 {
			t.Error("who was connected already cannot go on")
		}
	})
	if out.Effect < 0 || out.End <= out.Effect {
		t.Errorf("outcome %+v", out)
	}
	if full() {
		t.Error("after the fault nobody is let in")
	}
}

// On a view that is not there, and on a server that is not there, no fault takes effect.
func TestDatabaseFaultsWithoutEffect(t *testing.T) {
	w, _ := served(t)
	gone := *w
	gone.Postgres = "postgres://127.0.0.1:1/nothing?sslmode=disable"
	for _, f := range []Fault{Lock{View: "nothing"}, Vacuum{View: "nothing", For: time.Second}, SlowQuery{View: "nothing", Sessions: 2, For: time.Second}} {
		if out, err := f.Inject(t.Context(), w); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
			t.Errorf("%#v on a view that is not there: effect %v, %v", f, out.Effect, err)
		}
	}
	for _, f := range []Fault{Lock{View: "merged"}, Vacuum{View: "merged"}, SlowQuery{View: "merged", Sessions: 1}, Connections{}} {
		if out, err := f.Inject(t.Context(), &gone); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
			t.Errorf("%#v without a server: effect %v, %v", f, out.Effect, err)
		}
	}
}
