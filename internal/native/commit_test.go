package native

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
)

// written is a sink that keeps the offsets of events in a table, and fails when told to.
type written struct {
	calls int
	fail  func(call int, tx pgx.Tx) error
	epoch int64 // of the last batch
}

func (w *written) Write(ctx context.Context, tx pgx.Tx, b *Batch) error {
	w.calls++
	w.epoch = b.Epoch
	if b.Fold != nil {
		folded := int64(0)
		fresh, others := b.Fold.Windows()
		for _, row := range append(rowsOf(fresh), rowsOf(others)...) {
			folded += row[2].(int64)
		}
		if folded != int64(len(b.Events)) {
			return fmt.Errorf("%d events are folded, expected %d", folded, len(b.Events))
		}
	}
	partitions, offsets := Int4Array(), Int8Array()
	for i := range b.Events {
		partitions.Int4(b.Events[i].Partition)
		offsets.Int(b.Events[i].Offset)
	}
	if _, err := Exec(ctx, tx, "insert into written select * from unnest($1::int[], $2::bigint[])", partitions, offsets); err != nil {
		return err
	}
	if w.fail != nil {
		return w.fail(w.calls, tx)
	}
	return nil
}

// database deploys Schema, the sink's table and a stand-in for the served view, and gives a connection to look at them.
func database(t *testing.T) (string, *pgx.Conn) {
	t.Helper()
	address := infratest.Postgres(t)
	db := NewDatabase(address)
	defer db.Close()
	if err := db.Deploy(t.Context(), `
		create table written (partition int, "offset" bigint);
		create table customer_windows (customer_id text, window_start timestamptz, transactions bigint)`); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return address, conn
}

func opened(t *testing.T, address string, sink Sink) (*committer, *intake) {
	t.Helper()
	c := config(true)
	c.Environment.Postgres, c.Sink = address, sink
	committer, rows, err := open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	committer.produce = func(context.Context, []letter) error { return nil }
	t.Cleanup(committer.close)
	return committer, newIntake(c, usual, rows)
}

func one[T any](t *testing.T, conn *pgx.Conn, query string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), query).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCommit(t *testing.T) {
	address, conn := database(t)
	sink := &written{}
	c, in := opened(t, address, sink)
	for n, id := range []string{"a", "b", "a", ""} {
		in.take(record(0, int64(n), id))
	}
	in.take(record(1, 0, "c"))
	b := in.handOver(&Batch{})
	produced := 0
	c.produce = func(_ context.Context, letters []letter) error {
		produced += len(letters)
		return nil
	}
	if err := c.commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if produced != 1 {
		t.Errorf("%d dead letters produced, want 1", produced)
	}
	const state = `select string_agg(concat_ws(' ', component, partition, next_offset, rebuild_offset, late, duplicates, dead_letters), ', ' order by partition) from offsets`
	if got, want := one[string](t, conn, state), "stream 0 4 0 0 1 1, stream 1 1 0 0 0 0"; got != want {
		t.Errorf("offsets: %s; want %s", got, want)
	}
	if n := one[int](t, conn, `select count(*) from written`); n != 3 {
		t.Errorf("%d events written, want 3", n)
	}

	// The answer to a commit may be lost after the commit was made: a repetition must find that out.
	if err := c.commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, conn, `select count(*) from written`); n != 3 || sink.calls != 1 {
		t.Errorf("after committing again: %d events written by %d calls, want 3 by 1", n, sink.calls)
	}

	// A new process resumes where this one is, and this one can commit no more.
	c2, in2 := opened(t, address, &written{})
	if got := in2.partitions[0]; got.resume != 4 || got.state.duplicates != 1 || got.deadLetters != 1 ||
		got.state.newest != bank.Micros(time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC).UnixMicro()) {
		t.Errorf("resumed at %+v", got)
	}
	if err := c.commit(t.Context(), &Batch{}); !errors.Is(err, ErrReplaced) {
		t.Errorf("the old process looks: %v", err)
	}
	in.take(record(0, 4, "d"))
	in.take(record(0, 5, ""))
	if err := c.commit(t.Context(), in.handOver(&Batch{})); !errors.Is(err, ErrReplaced) || produced != 1 {
		t.Errorf("the old process commits: %v, %d dead letters in all", err, produced)
	}
	in2.take(record(0, 4, "d"))
	if err := c2.commit(t.Context(), in2.handOver(&Batch{})); err != nil {
		t.Errorf("the new process: %v", err)
	}
	if n := one[int](t, conn, `select count(*) from written`); n != 4 {
		t.Errorf("%d events written, want 4", n)
	}
}

// TestCommitCompares: rows that moved under an owner stop it too, even only one of them.
func TestCommitCompares(t *testing.T) {
	for _, change := range []string{
		`update offsets set next_offset = 1 where partition = 0`, // as if committed, but partition 1 says it was not
		`update offsets set next_offset = 7 where partition = 1`,
		`delete from offsets where partition = 1`,
	} {
		t.Run(change, func(t *testing.T) {
			address, conn := database(t)
			c, in := opened(t, address, &written{})
			in.take(record(0, 0, "a"))
			in.take(record(1, 0, "b"))
			if _, err := conn.Exec(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			if err := c.commit(t.Context(), in.handOver(&Batch{})); err == nil {
				t.Error("committed")
			}
			if n := one[int](t, conn, `select count(*) from written`); n != 0 {
				t.Errorf("%d events written", n)
			}
		})
	}
}

// TestCommitMeetsASuccessor: while a commit waits for its rows, others are put in their place, at the same offsets.
func TestCommitMeetsASuccessor(t *testing.T) {
	address, conn := database(t)
	c, in := opened(t, address, &written{})
	in.take(record(0, 0, "a"))
	in.take(record(1, 0, ""))
	c.produce = func(context.Context, []letter) error {
		t.Error("dead letters are produced")
		return nil
	}
	look, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close(context.Background())
	outcome := make(chan error, 1)
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `create temp table next on commit drop as select * from offsets; select from offsets for update`); err != nil {
			return err
		}
		go func() { outcome <- c.commit(t.Context(), in.handOver(&Batch{})) }()
		for one[int](t, look, `select count(*) from pg_locks where not granted`) == 0 {
			time.Sleep(time.Millisecond)
		}
		_, err := tx.Exec(t.Context(), `delete from offsets; insert into offsets select * from next`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; !errors.Is(err, ErrReplaced) {
		t.Errorf("the commit ends with %v", err)
	}
	if n := one[int](t, conn, `select count(*) from written`); n != 0 {
		t.Errorf("%d events written", n)
	}
}

func TestCommitTellsTheEpoch(t *testing.T) {
	address, conn := database(t)
	sink := &written{}
	c, in := opened(t, address, sink)
	if _, err := conn.Exec(t.Context(), `update offsets set epoch = 3`); err != nil {
		t.Fatal(err)
	}
	in.take(record(0, 0, "a"))
	if err := c.commit(t.Context(), in.handOver(&Batch{})); err != nil || sink.epoch != 3 {
		t.Errorf("epoch %d, %v; want 3", sink.epoch, err)
	}
}

// TestCommitAgain: what passes is tried again with the same batch, anything else ends the component.
func TestCommitAgain(t *testing.T) {
	address, conn := database(t)
	broken := errors.New("the sink is broken")
	for _, c := range []struct {
		name  string
		fail  func(call int, tx pgx.Tx) error
		calls int
		err   error
	}{
		{"connection lost", func(call int, tx pgx.Tx) error {
			if call > 2 {
				return nil
			}
			_, err := conn.Exec(context.Background(), fmt.Sprintf("select pg_terminate_backend(%d)", tx.Conn().PgConn().PID()))
			if err == nil {
				_, err = tx.Exec(context.Background(), "select 1")
			}
			return err
		}, 3, nil},
		{"deadlock", func(call int, tx pgx.Tx) error {
			if call > 1 {
				return nil
			}
			_, err := tx.Exec(context.Background(), "do $$ begin raise sqlstate '40P01'; end $$")
			return err
		}, 2, nil},
		{"its own mistake", func(int, pgx.Tx) error { return broken }, 1, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := &written{fail: c.fail}
			committer, in := opened(t, address, sink)
			before, next := one[int](t, conn, `select count(*) from written`), in.partitions[0].next
			in.take(record(0, next, c.name))
			if err := committer.commit(t.Context(), in.handOver(&Batch{})); !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			want := before + 1
			if c.err != nil {
				want = before
			}
			if n := one[int](t, conn, `select count(*) from written`); n != want || sink.calls != c.calls {
				t.Errorf("%d events written by %d calls, want %d by %d", n, sink.calls, want, c.calls)
			}
		})
	}
}

// TestSettle decides velocity of events whose window has left the memory: 1 is served, the third in all raises it.
func TestSettle(t *testing.T) {
	address, conn := database(t)
	c, _ := opened(t, address, &written{})
	start := time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)
	if _, err := conn.Exec(t.Context(), `insert into customer_windows values ('C1', $1, 1), ('C2', $1, 2)`, start); err != nil {
		t.Fatal(err)
	}
	b := &Batch{}
	var wanted []int64
	add := func(customer string, at time.Time, unsettled bool, want int64) {
		e := Event{Window: bank.Micros(at.UnixMicro())}
		e.Customer = []byte(customer)
		if unsettled {
			b.unsettled = append(b.unsettled, len(b.Events))
		} else {
			e.Count = want
		}
		b.Events, wanted = append(b.Events, e), append(wanted, want)
	}
	add("C1", start, false, 2) // was still in memory when it came: decided, and counts
	add("C1", start.Add(time.Hour), false, 3)
	add("C1", start, true, 3)
	add("C1", start, true, 4)
	add("C2", start, true, 3)
	add("C2", start.Add(-time.Hour), true, 1)
	add("C3", start, true, 1)
	b.fold(bank.DefaultRules())
	decided := b.Fold.Anomalies()[0].Len()
	for range 2 { // as after a lost connection
		if err := pgx.BeginFunc(t.Context(), c.conn, func(tx pgx.Tx) error { return c.settle(t.Context(), tx, b) }); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Fold.Anomalies()[0].Len() - decided; got != 2 {
		t.Errorf("%d alerts folded in, want 2", got)
	}
	for i := range b.Events {
		if b.Events[i].Count != wanted[i] {
			t.Errorf("event %d: count %d, want %d", i, b.Events[i].Count, wanted[i])
		}
	}
}
