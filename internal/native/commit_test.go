package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

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
	if err := c.commit(t.Context(), b); err != nil {
		t.Fatal(err)
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
	in.take(record(0, 4, "d"))
	if err := c.commit(t.Context(), in.handOver(&Batch{})); !errors.Is(err, ErrReplaced) {
		t.Errorf("the old process commits: %v", err)
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
	var wanted []bool
	add := func(customer string, at time.Time, unsettled, want bool) {
		e := Event{Window: bank.Micros(at.UnixMicro()), Velocity: want && !unsettled}
		e.Customer = []byte(customer)
		if unsettled {
			b.unsettled = append(b.unsettled, len(b.Events))
		}
		b.Events, wanted = append(b.Events, e), append(wanted, want)
	}
	add("C1", start, false, false) // was still in memory when it came: decided, and counts
	add("C1", start.Add(time.Hour), false, true)
	add("C1", start, true, true)
	add("C1", start, true, false)
	add("C2", start, true, true)
	add("C2", start.Add(-time.Hour), true, false)
	add("C3", start, true, false)
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
		if b.Events[i].Velocity != wanted[i] {
			t.Errorf("event %d: velocity %v", i, b.Events[i].Velocity)
		}
	}
}

func TestParam(t *testing.T) {
	_, conn := database(t)
	texts, times, ints, smalls := TextArray(), TimeArray(), Int8Array(), Int4Array()
	texts.Text([]byte("a"))
	texts.String("é")
	texts.Null()
	at := time.Date(1999, 1, 2, 3, 4, 5, 678000, time.UTC)
	times.Time(bank.Micros(at.UnixMicro()))
	times.Null()
	times.Time(0)
	ints.Int(-1)
	ints.Int(1 << 62)
	ints.Int(0)
	smalls.Int4(-1)
	smalls.Int4(7)
	smalls.Null()
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		n, err := Exec(t.Context(), tx, `insert into written select $6::bigint, length($5::text) from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::int[]) x (t, at, i, s)
			where (t, at, i, s) in (('a', '1999-01-02 03:04:05.000678Z', -1, -1)) or t = 'é' and at is null and i = 1::bigint << 62 and s = 7
			or t is null and at = '1970-01-01Z' and i = 0 and s is null`, texts, times, ints, smalls, Text("four"), Int8(5))
		if err == nil && n != 3 {
			err = fmt.Errorf("%d rows, want 3", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if n := one[int](t, conn, `select count(*) from written where partition = 5 and "offset" = 4`); n != 3 {
		t.Errorf("scalars: %d rows, want 3", n)
	}
	texts.Reset()
	if texts.Len() != 0 || len(texts.value()) != arrayHeader {
		t.Error("Reset leaves something")
	}
}

// TestInsert copies many rows and few rows, with keys that are there already and without.
func TestInsert(t *testing.T) {
	_, conn := database(t)
	if _, err := conn.Exec(t.Context(), `create table target (epoch bigint, id text primary key, amount bigint, n int default 1)`); err != nil {
		t.Fatal(err)
	}
	const upsert = `insert into target as t (epoch, id, amount) select $1::bigint, * from unnest($2::text[], $3::bigint[])
		on conflict (id) do update set n = t.n + 1`
	insert := func(from, to int) {
		t.Helper()
		ids, amounts := TextArray(), Int8Array()
		for i := from; i < to; i++ {
			ids.String(fmt.Sprint("id", i))
			if i%3 == 0 {
				amounts.Null()
			} else {
				amounts.Int(int64(-i))
			}
		}
		if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			return Insert(t.Context(), tx, "target (epoch, id, amount)", upsert, Int8(7), ids, amounts)
		}); err != nil {
			t.Fatal(err)
		}
	}
	const right = `epoch = 7 and amount is not distinct from case when substr(id, 3)::int % 3 <> 0 then -substr(id, 3)::int end`
	for _, step := range []struct{ from, to, rows, again int }{
		{0, 2 * worthCopying, 2 * worthCopying, 0},                                     // copied
		{2*worthCopying - 1, 4 * worthCopying, 4 * worthCopying, 1},                    // one key is there: by the statement
		{4*worthCopying - 3, 4*worthCopying + 5, 4*worthCopying + 5, 4},                // few
		{4*worthCopying + 5, 4*worthCopying + 5, 4*worthCopying + 5, 4},                // none
		{4*worthCopying + 5, 4*worthCopying + 6 + worthCopying, 5*worthCopying + 6, 4}, // copied again
	} {
		insert(step.from, step.to)
		rows, again := one[int](t, conn, `select count(*) from target where `+right), one[int](t, conn, `select sum(n - 1) from target`)
		if rows != step.rows || again != step.again {
			t.Fatalf("after %d to %d: %d right rows, %d hit again; want %d, %d", step.from, step.to, rows, again, step.rows, step.again)
		}
	}
}

// TestRun runs a component against Kafka and PostgreSQL, cuts its connections while it works, and counts what came out:
// with records that trickle in, and with a backlog of many batches.
func TestRun(t *testing.T) {
	t.Run("trickle", func(t *testing.T) { testRun(t, usual, false) })
	t.Run("backlog", func(t *testing.T) { testRun(t, small, true) })
}

func testRun(t *testing.T, bounds bounds, backlog bool) {
	address, conn := database(t)
	brokers := infratest.Kafka(t, 2, "in", "dead")
	var lost atomic.Int64
	sink := &written{fail: func(call int, tx pgx.Tx) error {
		if call%3 != 1 || lost.Load() > 5 {
			return nil
		}
		lost.Add(1)
		return tx.Conn().PgConn().Conn().Close() // below pgx, as a server that dies
	}}
	c := config(true)
	c.Sink, c.Fold, c.Environment.Postgres, c.Environment.Kafka = sink, true, address, brokers
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	const each = 400
	process := func(begin int64) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		start := func() { ended <- run(ctx, c, bounds) }
		if !backlog {
			go start()
		}
		for n := begin; n < begin+each; n++ {
			for p := range int32(2) {
				id := fmt.Sprint("T", p, " ", n)
				if n%50 == 7 {
					id = ""
				}
				r := record(p, n, id)
				r.Topic, r.Offset = "in", 0
				if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if backlog {
			go start()
		}
		for one[int64](t, conn, `select coalesce(min(next_offset), 0) from offsets`) < begin+each {
			select {
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		stop()
		if err := <-ended; !errors.Is(err, errEnded) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	process(0)
	process(each)
	if lost.Load() == 0 {
		t.Error("no connection was cut")
	}
	const letters = 2 * 2 * each / 50
	if n := one[int](t, conn, `select count(*) from written`); n != 4*each-letters {
		t.Errorf("%d events written, want %d", n, 4*each-letters)
	}
	if n := one[int](t, conn, `select count(distinct (partition, "offset")) from written`); n != 4*each-letters {
		t.Errorf("%d different events written, want %d", n, 4*each-letters)
	}
	if n := one[int](t, conn, `select sum(dead_letters) from offsets`); n != letters {
		t.Errorf("%d dead letters counted, want %d", n, letters)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("dead"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found := map[string]bool{}
	for len(found) < letters {
		reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			if h := r.Headers; len(h) != 3 || string(h[0].Value) != fmt.Sprint(r.Partition) || len(h[2].Value) == 0 || string(r.Value) != "not a transaction" {
				t.Errorf("dead letter %v %q", h, r.Value)
			}
			found[string(r.Headers[0].Value)+" "+string(r.Headers[1].Value)] = true
		})
	}
}

func TestRunEndsWithoutItsRecords(t *testing.T) {
	address, conn := database(t)
	brokers := infratest.Kafka(t, 2, "in", "dead")
	c := config(true)
	c.Sink, c.Environment.Postgres, c.Environment.Kafka = &written{}, address, brokers
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	committer, _ := opened(t, address, &written{})
	committer.close()
	if _, err := conn.Exec(t.Context(), `update offsets set next_offset = 100, rebuild_offset = 100`); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "read topic in") {
		t.Errorf("offsets beyond the log: %v", err)
	}
}

func TestLetter(t *testing.T) {
	l := letter{partition: 3, offset: 12, key: bytes.Repeat([]byte("k"), 10), value: bytes.Repeat([]byte("v"), 2_000_000), reason: "not JSON"}
	r := l.record("dead")
	if r.Partition != 3 || len(r.Key)+len(r.Value) != maxLetter || !bytes.Equal(r.Key, l.key) {
		t.Errorf("partition %d, %d bytes of key, %d of value", r.Partition, len(r.Key), len(r.Value))
	}
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+" "+string(h.Value))
	}
	if want := []string{"source_partition 3", "source_offset 12", "reason not JSON", "truncated_from 2000010"}; !slices.Equal(headers, want) {
		t.Errorf("headers %q, want %q", headers, want)
	}
	l.key = l.value
	if r := l.record("dead"); len(r.Key) != maxLetter || len(r.Value) != 0 {
		t.Errorf("%d bytes of key, %d of value", len(r.Key), len(r.Value))
	}
}
