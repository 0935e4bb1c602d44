package observe

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

var testRules = []string{"high", "low"}

func alertTable(name string) string {
	return "create table " + name + " (epoch bigint default 0, transaction_id text, rule text, customer_id text default 'c', amount_paise bigint default 7)"
}

// startFollower follows the tables from an origin that is the clock's present time.
func startFollower(t *testing.T, url string, c *clock, adjust func(*Follower), tables ...string) *Follower {
	t.Helper()
	f, err := Follow(t.Context(), FollowerConfig{
		Postgres: url, Publication: "observe_test", Tables: tables, Rules: testRules,
		Events: 1000, Warmup: 10, Intended: everyMilli, ParseID: parseID, Now: c.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.clockEvery = 0 // these tests move the clock
	if adjust != nil {
		adjust(f)
	}
	f.Run(c.now())
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func catchUp(t *testing.T, f *Follower) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
}

func insertAlert(t *testing.T, conn *pgx.Conn, table string, n int, rule string) {
	t.Helper()
	mustExec(t, conn, "insert into "+table+" (transaction_id, rule) values ($1, $2)", fmt.Sprintf("T%011d", n), rule)
}

func TestFollowerSeesEveryAlertOnceAtItsLatency(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	c := newClock()
	f := startFollower(t, url, c, nil, "alerts")

	c.advance(2 * time.Second)
	insertAlert(t, conn, "alerts", 3, "high") // warm-up: counted, not measured
	insertAlert(t, conn, "alerts", 500, "high")
	insertAlert(t, conn, "alerts", 900, "low")
	insertAlert(t, conn, "alerts", 900, "high")
	insertAlert(t, conn, "alerts", 900, "high")                                                        // again
	mustExec(t, conn, "insert into alerts (transaction_id, rule) values ('T7', 'low'), ('T7', 'low')") // twice at once
	mustExec(t, conn, "insert into alerts (transaction_id, rule) values ('X1', 'high'), ('T5', 'unheard of'), ('T1000', 'high'), (null, null)")
	catchUp(t, f)
	c.advance(3 * time.Second)
	mustExec(t, conn, "insert into alerts (transaction_id, rule) select 'T' || n, 'low' from generate_series(100, 199) n")
	catchUp(t, f)

	got := f.Counts()
	if want := []int64{3, 102}; got.Alerts != 105 || !slices.Equal(got.ByRule, want) {
		t.Errorf("alerts %d by rule %v, want 105 and %v", got.Alerts, got.ByRule, want)
	}
	if got.Repeats != 2 || got.Undecoded != 4 || got.AfterGap != 0 || len(got.Gaps) != 0 {
		t.Errorf("repeats %d, undecoded %d, after a gap %d, gaps %v; want 2, 4, 0, none", got.Repeats, got.Undecoded, got.AfterGap, got.Gaps)
	}
	by := f.LatencyByRule()
	if high := by["high"]; high.Count() != 2 {
		t.Errorf("%d latencies of rule high, want 2: one of three alerts is warm-up", high.Count())
	} else {
		near(t, "shortest of rule high", high.Quantile(0), 1100*time.Millisecond) // n=900, seen at 2 s
		near(t, "longest of rule high", high.Quantile(1), 1500*time.Millisecond)  // n=500
	}
	total := f.Latency().Total()
	if total.Count() != 103 {
		t.Errorf("%d latencies, want 103", total.Count())
	}
	near(t, "longest", total.Quantile(1), 4900*time.Millisecond) // n=100, seen at 5 s
	var seconds []int
	for s := range f.Latency().Seconds() {
		seconds = append(seconds, s.Second, int(s.Histogram.Count()))
	}
	if want := []int{2, 3, 5, 100}; !slices.Equal(seconds, want) {
		t.Errorf("seconds and their counts %v, want %v", seconds, want)
	}
}

// near allows for the histogram's three digits.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if diff := (got - want).Abs(); diff > want/500 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestFollowerDoesNotSeeWhatIsRolledBack(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	f := startFollower(t, url, newClock(), nil, "alerts")

	mustExec(t, conn, "begin")
	insertAlert(t, conn, "alerts", 20, "high")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 0 {
		t.Errorf("%d alerts of an open transaction", got)
	}
	mustExec(t, conn, "rollback")
	mustExec(t, conn, "begin")
	insertAlert(t, conn, "alerts", 21, "high")
	mustExec(t, conn, "savepoint s")
	insertAlert(t, conn, "alerts", 22, "high")
	mustExec(t, conn, "rollback to s")
	mustExec(t, conn, "commit")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 1 {
		t.Errorf("%d alerts, want the one that was committed", got)
	}
}

// TestFollowerTakesTheFirstOfTwoTables is Lambda: the speed layer raises an alert, the batch layer inserts it again later.
func TestFollowerTakesTheFirstOfTwoTables(t *testing.T) {
	url, conn := database(t, alertTable("rt_alerts"), alertTable("batch_alerts"))
	c := newClock()
	f := startFollower(t, url, c, nil, "rt_alerts", "batch_alerts")

	c.advance(time.Second)
	mustExec(t, conn, "insert into rt_alerts (transaction_id, rule) select 'T' || n, 'low' from generate_series(100, 149) n")
	catchUp(t, f)
	c.advance(time.Minute)
	mustExec(t, conn, "insert into batch_alerts (transaction_id, rule) select 'T' || n, 'low' from generate_series(100, 149) n")
	catchUp(t, f)

	got := f.Counts()
	if got.Alerts != 50 || got.Repeats != 50 {
		t.Errorf("%d alerts and %d repeats, want 50 of each", got.Alerts, got.Repeats)
	}
	total := f.Latency().Total()
	if total.Count() != 50 {
		t.Errorf("%d latencies, want 50", total.Count())
	}
	near(t, "longest", total.Quantile(1), 900*time.Millisecond)
}

func TestStalledFollowerShowsItsLag(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	c := newClock()
	var gate sync.Mutex
	f := startFollower(t, url, c, func(f *Follower) {
		f.beforeGet = func() { gate.Lock(); defer gate.Unlock() }
	}, "alerts")

	// The first alert may slip through: a read is under way already. The second is read after the stall.
	gate.Lock()
	insertAlert(t, conn, "alerts", 20, "high")
	insertAlert(t, conn, "alerts", 21, "high")
	c.advance(30 * time.Second)
	gate.Unlock()
	catchUp(t, f)

	lag := f.Lag()
	if lag.Count() != 2 {
		t.Fatalf("lag of %d transactions, want 2", lag.Count())
	}
	if worst := lag.Quantile(1); worst < 29*time.Second || worst > 31*time.Second {
		t.Errorf("worst lag %v after a stall of 30 s of the clock", worst)
	}
	near(t, "longest latency", f.Latency().Total().Quantile(1), 30*time.Second-21*time.Millisecond)
	// The server's own times know nothing of the stall.
	if committed := f.CommitLatency().Summary(); committed.Count+committed.Negative != 2 || committed.Max != nil && *committed.Max > 15_000 {
		t.Errorf("latencies until the commit: %+v; want two that lack the stall", committed)
	}
}

func TestFollowerFindsWhatWasCommittedInAGap(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	c := newClock()
	var gate sync.Mutex
	f := startFollower(t, url, c, func(f *Follower) {
		f.beforeConnect = func() { gate.Lock(); defer gate.Unlock() }
	}, "alerts")

	insertAlert(t, conn, "alerts", 20, "high")
	mustExec(t, conn, "insert into alerts (transaction_id, rule) values ('X1', 'high')")
	catchUp(t, f)
	gate.Lock()
	mustExec(t, conn, `select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()`)
	waitFor(t, func() bool { return len(f.Counts().Gaps) == 1 })
	insertAlert(t, conn, "alerts", 21, "high")
	insertAlert(t, conn, "alerts", 22, "low")
	insertAlert(t, conn, "alerts", 20, "high") // seen before the gap
	c.advance(7 * time.Second)
	gate.Unlock()
	waitFor(t, func() bool { return f.Counts().AfterGap == 2 })
	insertAlert(t, conn, "alerts", 23, "high")
	catchUp(t, f)

	got := f.Counts()
	if got.Alerts != 4 || !slices.Equal(got.ByRule, []int64{3, 1}) || got.Repeats != 0 || got.Undecoded != 1 {
		t.Errorf("counts %+v, want 4 alerts: 3 and 1", got)
	}
	if gap := got.Gaps[0]; len(got.Gaps) != 1 || gap.Lost != 0 || gap.Back != 7*time.Second || gap.Alerts != 2 || gap.Reason == "" {
		t.Errorf("gaps %+v, want one from 0 to 7 s with 2 alerts and a reason", got.Gaps)
	}
	near(t, "longest latency", f.Latency().Total().Quantile(1), 7*time.Second-21*time.Millisecond)
}

// waitFor polls for something that another goroutine will do.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for range 6000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing happened for a minute")
}

// TestFollowerMissesNothingWhileItIsCutOff cuts the connection again and again under concurrent writers.
func TestFollowerMissesNothingWhileItIsCutOff(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	f := startFollower(t, url, newClock(), nil, "alerts")
	var writers sync.WaitGroup
	for w := range 4 {
		writer, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			defer writer.Close(context.Background())
			for n := w; n < 1000; n += 4 {
				if _, err := writer.Exec(t.Context(), "insert into alerts (transaction_id, rule) values ('T' || $1::int, 'low')", n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for cutting := true; cutting; {
		select {
		case <-done:
			cutting = false
		case <-time.After(20 * time.Millisecond):
			mustExec(t, conn, `select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()`)
		}
	}
	catchUp(t, f)
	got := f.Counts()
	if got.Alerts != 1000 || got.Repeats != 0 {
		t.Errorf("%d alerts and %d repeats, want 1000 and none (gaps: %d)", got.Alerts, got.Repeats, len(got.Gaps))
	}
	if len(got.Gaps) == 0 {
		t.Error("the connection was never cut: the test shows nothing")
	}
}

// TestFollowerSurvivesACrashOfTheServer ends the whole server with SIGKILL between commits and starts it again.
func TestFollowerSurvivesACrashOfTheServer(t *testing.T) {
	db := ownServer(t)
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), db.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	conn := connect()
	mustExec(t, conn, alertTable("alerts"))
	f := startFollower(t, db.URL, newClock(), nil, "alerts")
	for n := range 100 {
		insertAlert(t, conn, "alerts", n, "high")
	}
	if err := db.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn = connect()
	for n := 100; n < 200; n++ { // some of them before the follower is back
		insertAlert(t, conn, "alerts", n, "high")
	}
	waitFor(t, func() bool { c := f.Counts(); return len(c.Gaps) == 1 && c.Gaps[0].Alerts == c.AfterGap })
	catchUp(t, f)
	got := f.Counts()
	if got.Alerts != 200 || got.Repeats != 0 || got.Undecoded != 0 || len(got.Gaps) != 1 {
		t.Errorf("%+v, want 200 alerts, each once, and one gap", got)
	}
}

// ownServer starts a server for one test.
func ownServer(t *testing.T) *infra.Database {
	t.Helper()
	infratest.Postgres(t) // skips, or fails, where there is no PostgreSQL
	// The guard of infratest's server removes that server's directory when it ends. This server's guard is the same program and must not.
	t.Setenv("LKBENCH_TEST_WORKSPACE", "")
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	db, err := infra.StartDatabase(t.Context(), infra.Options{Workspace: w, Executable: self})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestCloseLeavesNothing(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	f, err := Follow(t.Context(), FollowerConfig{Postgres: url, Publication: "observe_test", Tables: []string{"alerts"}, Rules: testRules, ParseID: parseID})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := conn.QueryRow(t.Context(), `select (select count(*) from pg_publication)
		+ (select count(*) from pg_replication_slots where database = current_database())`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d publications and slots are left", left)
	}
}

func TestFollowRefuses(t *testing.T) {
	for name, cfg := range map[string]FollowerConfig{
		"a publication name that needs quotes": {Publication: "Obs; drop", Tables: []string{"a"}, Rules: testRules},
		"no table":                             {Publication: "obs", Rules: testRules},
		"nine rules":                           {Publication: "obs", Tables: []string{"a"}, Rules: make([]string, 9)},
	} {
		if _, err := Follow(t.Context(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	url, conn := database(t)
	if _, err := Follow(t.Context(), FollowerConfig{Postgres: url, Publication: "obs", Tables: []string{"absent"}, Rules: testRules}); err == nil {
		t.Error("a table that is not there: no error")
	}
	mustExec(t, conn, "create table t (transaction_id text)")
	if _, err := Follow(t.Context(), FollowerConfig{Postgres: url, Publication: "obs", Tables: []string{"t"}, Rules: testRules}); err == nil {
		t.Error("a table without the column rule: no error")
	}
}
