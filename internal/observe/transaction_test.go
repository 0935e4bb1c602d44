package observe

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bulk is a statement whose changes are larger than streamAbove, in a table that nobody follows.
const bulk = "insert into bulk select n, repeat('x', 200) from generate_series(1, 20000) n"

// TestFollowerReceivesLargeTransactionsWhileTheyRun: their rows count at their commit, once, without what was rolled back,
// and what commits meanwhile is seen meanwhile.
func TestFollowerReceivesLargeTransactionsWhileTheyRun(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	mustExec(t, conn, "create table bulk (n int, filler text)")
	c := newClock()
	f := startFollower(t, url, c, nil, "alerts")

	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	large, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alert := func(n int) {
		t.Helper()
		if _, err := large.Exec(t.Context(), "insert into alerts (transaction_id, rule) values ($1, 'high')", fmt.Sprintf("T%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	fill := func() {
		t.Helper()
		if _, err := large.Exec(t.Context(), bulk); err != nil {
			t.Fatal(err)
		}
	}
	alert(100)
	fill()
	kept, err := large.Begin(t.Context()) // a subtransaction that stays
	if err != nil {
		t.Fatal(err)
	}
	alert(101)
	fill()
	if err := kept.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	dropped, err := large.Begin(t.Context()) // and one that does not
	if err != nil {
		t.Fatal(err)
	}
	alert(102)
	fill()
	if err := dropped.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	alert(103)
	fill()

	// While it is open, a small transaction is seen and nothing of the large one is.
	insertAlert(t, conn, "alerts", 200, "high")
	catchUp(t, f)
	if got := f.Counts().Alerts; got != 1 {
		t.Errorf("%d alerts seen before the large transaction has committed, want the one of the small one", got)
	}
	c.advance(5 * time.Second)
	if err := large.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One that is rolled back as a whole.
	err = pgx.BeginFunc(t.Context(), other, func(tx pgx.Tx) error {
		large = tx
		alert(104)
		fill()
		fill()
		return errRollBack
	})
	if !errors.Is(err, errRollBack) {
		t.Fatal(err)
	}
	catchUp(t, f)
	counts := f.Counts()
	if counts.Alerts != 4 || counts.Repeats != 0 || counts.Undecoded != 0 {
		t.Errorf("%d alerts, %d repeats, %d undecoded; want 100, 101, 103 and 200, once", counts.Alerts, counts.Repeats, counts.Undecoded)
	}
	if top := f.Latency().Total().Summary().Max; top == nil || *top < 4000 {
		t.Errorf("the highest latency is %v ms; the large transaction's rows were visible 5 s later", top)
	}
	var streamed int64
	const query = "select stream_txns from pg_stat_replication_slots where starts_with(slot_name, 'observe_test_')"
	if err := conn.QueryRow(t.Context(), query).Scan(&streamed); err != nil || streamed == 0 {
		t.Errorf("%d transactions were sent while they ran (%v): the test does not show what it should", streamed, err)
	}
}

var errRollBack = errors.New("roll back")
