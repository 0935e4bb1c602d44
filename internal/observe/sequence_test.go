package observe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/results"
)

// bySequence follows the tables by a sequence, from an origin that is the clock's present time.
func bySequence(t *testing.T, url string, c *clock, adjust func(*Follower), tables ...string) *Follower {
	t.Helper()
	f, err := Follow(t.Context(), FollowerConfig{
		Postgres: url, BySequence: "a test", Publication: "observe_test", Tables: tables, Rules: testRules,
		Events: 100_000, Warmup: 10, Intended: everyMilli, ParseID: parseID, Now: c.now,
	})
	if err != nil {
		t.Fatal(err)
	}
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

func connection(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func wantAlerts(t *testing.T, f *Follower, want int64) {
	t.Helper()
	catchUp(t, f)
	if got := f.Counts().Alerts; got != want {
		t.Fatalf("%d alerts, want %d", got, want)
	}
}

func TestSequenceSeesEveryAlertOnceAtItsLatency(t *testing.T) {
	url, conn := database(t, alertTable("rt_alerts"), alertTable("batch_alerts"))
	insertAlert(t, conn, "rt_alerts", 50, "high") // before anybody looks
	c := newClock()
	f := bySequence(t, url, c, nil, "rt_alerts", "batch_alerts")

	wantAlerts(t, f, 0)
	c.advance(2 * time.Second)
	insertAlert(t, conn, "rt_alerts", 3, "high") // warm-up
	insertAlert(t, conn, "rt_alerts", 500, "high")
	wantAlerts(t, f, 2)
	c.advance(time.Second)
	insertAlert(t, conn, "batch_alerts", 500, "high") // again, in the other table
	insertAlert(t, conn, "batch_alerts", 900, "low")
	mustExec(t, conn, "insert into rt_alerts (transaction_id, rule) values ('X1', 'high'), ('T5', 'unheard of'), (null, null), ('T7', 'low'), ('T7', 'low')")
	catchUp(t, f)

	got := f.Counts()
	if got.Alerts != 4 || !slices.Equal(got.ByRule, []int64{2, 2}) || got.Repeats != 2 || got.Undecoded != 3 {
		t.Errorf("%+v; want 4 alerts, 2 of each rule, 2 repeats, 3 undecoded", got)
	}
	total := f.Latency().Total()
	if total.Count() != 2 {
		t.Errorf("%d latencies, want 2", total.Count())
	}
	near(t, "shortest", total.Quantile(0), 1500*time.Millisecond)
	near(t, "longest", total.Quantile(1), 2100*time.Millisecond)
	if got := f.CommitLatency().Count(); got != 0 {
		t.Errorf("%d latencies until the commit; nobody tells when that is", got)
	}
	if got := f.Lag().Count(); got == 0 {
		t.Error("no lag was recorded")
	}
	o := f.Record()
	if o.Method != results.MethodSequence || o.MethodReason != "a test" || o.ResolutionMS != 10 || o.ClockOffsetMS != nil || o.ClockErrorMS != nil {
		t.Errorf("recorded as %+v", o)
	}
}

// TestSequenceBoundsItsDelay: what the follower says it may be late by holds the time between two looks.
func TestSequenceBoundsItsDelay(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	c := newClock()
	var gate sync.Mutex
	f := bySequence(t, url, c, func(f *Follower) {
		f.beforeGet = func() { gate.Lock(); defer gate.Unlock() }
	}, "alerts")
	catchUp(t, f)
	gate.Lock()
	insertAlert(t, conn, "alerts", 20, "high") // maybe a look is under way and has it
	c.advance(time.Second)
	insertAlert(t, conn, "alerts", 21, "high") // this one it cannot have
	c.advance(29 * time.Second)
	gate.Unlock()
	wantAlerts(t, f, 2)
	near(t, "highest lag", f.Lag().Quantile(1), 30*time.Second)
	near(t, "longest latency", f.Latency().Total().Quantile(1), 30*time.Second-20*time.Millisecond)
}

func TestSequenceWaitsForNumbersThatCommitLate(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	f, missing := countingMissing(t, url, "alerts")
	early, late, last := connection(t, url), connection(t, url), connection(t, url)
	insertAlert(t, conn, "alerts", 1, "high")

	mustExec(t, early, "begin")
	insertAlert(t, early, "alerts", 20, "high")
	mustExec(t, late, "begin")
	insertAlert(t, late, "alerts", 30, "high")
	mustExec(t, last, "begin")
	insertAlert(t, last, "alerts", 40, "high")
	insertAlert(t, conn, "alerts", 50, "high") // the highest number commits first
	wantAlerts(t, f, 2)
	for range 5 { // the horizon moves on, and other transactions come and go
		mustExec(t, conn, "insert into alerts (transaction_id, rule) values ('T50', 'high')")
		catchUp(t, f)
	}
	mustExec(t, last, "commit")
	wantAlerts(t, f, 3)
	mustExec(t, late, "rollback")
	wantAlerts(t, f, 3)
	mustExec(t, early, "commit")
	wantAlerts(t, f, 4)
	// When nobody runs who could fill them, nothing is waited for.
	waitFor(t, func() bool { catchUp(t, f); return missing.Load() == 0 })
}

// TestSequenceWaitsForTheNewestTransaction: one that began after all that have ended lies beyond the bound of every snapshot.
func TestSequenceWaitsForTheNewestTransaction(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	f := bySequence(t, url, newClock(), nil, "alerts")
	older, newer := connection(t, url), connection(t, url)
	mustExec(t, conn, "insert into alerts (transaction_id, rule) values ('T1', 'high')")
	mustExec(t, older, "begin; select pg_current_xact_id()")
	mustExec(t, newer, "begin")
	insertAlert(t, newer, "alerts", 20, "high")
	insertAlert(t, older, "alerts", 30, "high")
	mustExec(t, older, "commit")
	for range 5 {
		wantAlerts(t, f, 2)
	}
	mustExec(t, newer, "commit")
	wantAlerts(t, f, 3)
}

// countingMissing follows a table and tells how many ranges of numbers are waited for.
func countingMissing(t *testing.T, url, table string) (*Follower, *atomic.Int64) {
	var missing atomic.Int64
	f := bySequence(t, url, newClock(), func(f *Follower) {
		f.beforeGet = func() { missing.Store(int64(len(f.source.(*sequenceSource).numbers.missing))) }
	}, table)
	return f, &missing
}

// TestSequenceWaitsForATransactionThatHasOnlyANumber stops an insert between taking its number and writing its row. With a
// plain sequence the transaction would have no id yet, and its number would be given up.
func TestSequenceWaitsForATransactionThatHasOnlyANumber(t *testing.T) {
	url, conn := database(t, alertTable("alerts"),
		`create function hold() returns trigger language plpgsql as $$ begin
			if new.transaction_id = 'T20' then perform pg_advisory_xact_lock(7); end if;
			return new; end $$`,
		"create trigger hold before insert on alerts for each row execute function hold()")
	f, missing := countingMissing(t, url, "alerts")
	insertAlert(t, conn, "alerts", 1, "high") // the sequence has logged the next numbers with this
	mustExec(t, conn, "select pg_advisory_lock(7)")
	held := connection(t, url)
	done := make(chan error, 1)
	go func() {
		_, err := held.Exec(context.Background(), "insert into alerts (transaction_id, rule) values ('T20', 'high')")
		done <- err
	}()
	waitFor(t, func() bool {
		var waits bool
		err := conn.QueryRow(t.Context(), "select exists (select from pg_locks where locktype = 'advisory' and not granted)").Scan(&waits)
		return err == nil && waits
	})
	insertAlert(t, conn, "alerts", 30, "high")
	for range 5 {
		mustExec(t, conn, "select pg_current_xact_id()")
		catchUp(t, f)
	}
	if missing.Load() == 0 {
		t.Error("nothing is waited for: the test does not show what it should, or the number was given up")
	}
	wantAlerts(t, f, 2)
	mustExec(t, conn, "select pg_advisory_unlock(7)")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantAlerts(t, f, 3)
}

// TestSequenceGivesUpNumbersThatNobodyUses burns numbers by rollback, conflict and jump, and deletes rows before they are read.
func TestSequenceGivesUpNumbersThatNobodyUses(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	mustExec(t, conn, "create unique index on alerts (transaction_id, rule)")
	f, missing := countingMissing(t, url, "alerts")
	const insert = "insert into alerts (transaction_id, rule) select 'T' || n, 'low' from generate_series(1, $1::int) n on conflict do nothing"
	mustExec(t, conn, insert, 100)
	mustExec(t, conn, insert, 200) // the first hundred numbers are burnt
	mustExec(t, conn, "begin")
	mustExec(t, conn, insert, 5000)
	mustExec(t, conn, "rollback")
	mustExec(t, conn, "select setval('lkbench_seq', 9000000000000)")
	mustExec(t, conn, "begin")
	insertAlert(t, conn, "alerts", 300, "high")
	insertAlert(t, conn, "alerts", 301, "high")
	mustExec(t, conn, "delete from alerts where transaction_id like '%300'")
	mustExec(t, conn, "commit")
	wantAlerts(t, f, 201)
	waitFor(t, func() bool { catchUp(t, f); return missing.Load() == 0 })
	// While anything is under way anywhere, ranges stay: few, however many numbers are in them.
	open := connection(t, url)
	mustExec(t, open, "begin; select pg_current_xact_id()")
	mustExec(t, conn, "select setval('lkbench_seq', 9100000000000)")
	insertAlert(t, conn, "alerts", 302, "high")
	wantAlerts(t, f, 202)
	for range 3 {
		catchUp(t, f)
	}
	if got := missing.Load(); got != 1 {
		t.Errorf("%d ranges are waited for, want 1", got)
	}
}

// TestSequenceMissesNothing has writers that commit in any order, roll back, and hit what is there, while the connection is cut
// again and again and other transactions run.
func TestSequenceMissesNothing(t *testing.T) {
	url, conn := database(t, alertTable("alerts"), "create unique index on alerts (transaction_id, rule)")
	f := bySequence(t, url, newClock(), nil, "alerts")
	const events, workers = 2000, 6
	var writers sync.WaitGroup
	for w := range workers {
		writer := connection(t, url)
		writers.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(w), 1))
			for n := w; n < events; n += workers {
				again := true
				for again {
					again = chance.IntN(5) == 0 // rolled back, and once more
					end := "commit"
					if again {
						end = "rollback"
					}
					nap := 0.0
					if chance.IntN(20) == 0 {
						nap = chance.Float64() / 20
					}
					statement := fmt.Sprintf(`begin; insert into alerts (transaction_id, rule) values ('T%d', 'low');
						insert into alerts (transaction_id, rule) values ('T%d', 'low') on conflict do nothing; select pg_sleep(%g); %s`, n, n, nap, end)
					if _, err := writer.Exec(context.Background(), statement); err != nil {
						t.Error(err)
						return
					}
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
		case <-time.After(50 * time.Millisecond):
			mustExec(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'lkbench observer'")
		}
	}
	wantAlerts(t, f, events)
	got := f.Counts()
	if got.Repeats != 0 || got.Undecoded != 0 {
		t.Errorf("%d repeats, %d undecoded; want none", got.Repeats, got.Undecoded)
	}
	if len(got.Gaps) == 0 {
		t.Error("the connection was never cut: the test shows nothing")
	}
}

func TestSequenceFindsWhatWasCommittedInAGap(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	c := newClock()
	var gate sync.Mutex
	f := bySequence(t, url, c, func(f *Follower) {
		f.beforeConnect = func() { gate.Lock(); defer gate.Unlock() }
	}, "alerts")
	insertAlert(t, conn, "alerts", 20, "high")
	wantAlerts(t, f, 1)
	gate.Lock()
	mustExec(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'lkbench observer'")
	waitFor(t, func() bool { return len(f.Counts().Gaps) == 1 })
	insertAlert(t, conn, "alerts", 21, "high")
	insertAlert(t, conn, "alerts", 22, "low")
	c.advance(7 * time.Second)
	gate.Unlock()
	waitFor(t, func() bool { return f.Counts().AfterGap == 2 })
	insertAlert(t, conn, "alerts", 23, "high")
	wantAlerts(t, f, 4)
	o := f.Record()
	if len(o.Gaps) != 1 || o.Gaps[0].LostS != 0 || o.Gaps[0].BackS == nil || *o.Gaps[0].BackS != 7 || o.Gaps[0].Alerts != 2 || o.Gaps[0].Reason == "" {
		t.Errorf("gaps %+v, want one from 0 to 7 s with 2 alerts and a reason", o.Gaps)
	}
	near(t, "longest latency", f.Latency().Total().Quantile(1), 7*time.Second-21*time.Millisecond)
}

func TestSequenceSurvivesACrashOfTheServer(t *testing.T) {
	db := ownServer(t)
	conn := connection(t, db.URL)
	mustExec(t, conn, alertTable("alerts"))
	f := bySequence(t, db.URL, newClock(), nil, "alerts")
	for n := range 100 {
		insertAlert(t, conn, "alerts", n, "high")
	}
	if err := db.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn = connection(t, db.URL)
	for n := 100; n < 200; n++ {
		insertAlert(t, conn, "alerts", n, "high")
	}
	waitFor(t, func() bool { c := f.Counts(); return len(c.Gaps) == 1 && c.Gaps[0].Back > 0 || c.Alerts == 200 })
	wantAlerts(t, f, 200)
	if got := f.Counts(); got.Repeats != 0 || len(got.Gaps) != 1 {
		t.Errorf("%+v, want each alert once, and one gap", got)
	}
}
