package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
)

// randomRecords is n records of the world's customers, with offsets from from on.
func randomRecords(r *rand.Rand, n int, from int64, partitions int32) []record {
	records := make([]record, n)
	for i := range records {
		c := r.IntN(len(customers))
		var balance *int64
		if r.IntN(4) > 0 {
			balance = new(r.Int64N(20_000_000) - 1_000_000)
		}
		records[i] = record{
			partition: int32(c) % partitions, offset: from + int64(i), id: fmt.Sprint("T", from+int64(i)), customer: customers[c],
			location: locations[r.IntN(len(locations))], balance: balance, amount: r.Int64N(12_000_000) - 6_000_000,
			at: bank.Micros(r.Int64N(3_000_000_000)),
		}
	}
	return records
}

// grow adds n records to the master dataset and moves the positions behind them.
func (w *world) grow(t tb, all []record, n int) []record {
	t.Helper()
	from := int64(len(all))
	fresh := randomRecords(rand.New(rand.NewPCG(1, uint64(from))), n, from, w.env.Partitions)
	w.insert(t, fresh)
	all = append(all, fresh...)
	w.streams(t, int64(len(all)), int64(len(all)))
	return all
}

// expect holds the batch views against the naive computation.
func (w *world) expect(t tb, records []record) {
	t.Helper()
	w.expectUnder(t, records, w.env.Rules)
}

func (w *world) expectUnder(t tb, records []record, rules bank.Rules) {
	t.Helper()
	if diff := cmp.Diff(reference(records, rules), w.batchAnswers(t), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("want - got +:\n%s", diff)
	}
}

// TestTamperedMaster changes the master dataset below the cut: the next generation must notice, rewrite everything and be
// right again.
func TestTamperedMaster(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		do   func(*testing.T, []record) []record
		mode string
	}{
		{"untouched", func(_ *testing.T, r []record) []record { return r }, modeChanges},
		{"a row deleted", func(t *testing.T, r []record) []record {
			w.exec(t, `delete from raw_transactions where transaction_id = $1`, r[7].id)
			return slices.Delete(slices.Clone(r), 7, 8)
		}, modeFull},
		{"an amount changed", func(t *testing.T, r []record) []record {
			w.exec(t, `update raw_transactions set amount_paise = amount_paise + 1 where transaction_id = $1`, r[7].id)
			r = slices.Clone(r)
			r[7].amount++
			return r
		}, modeFull},
		{"a balance known that was not", func(t *testing.T, r []record) []record {
			i := slices.IndexFunc(r, func(r record) bool { return r.balance == nil })
			w.exec(t, `update raw_transactions set balance_paise = 0 where transaction_id = $1`, r[i].id)
			r = slices.Clone(r)
			r[i].balance = new(int64(0))
			return r
		}, modeFull},
		{"two offsets exchanged", func(t *testing.T, r []record) []record {
			w.exec(t, `update raw_transactions set "offset" = $1::bigint - "offset" where transaction_id = any($2)`, r[3].offset+r[9].offset, []string{r[3].id, r[9].id})
			r = slices.Clone(r)
			r[3].offset, r[9].offset = r[9].offset, r[3].offset
			return r
		}, modeFull},
		{"a customer renamed", func(t *testing.T, r []record) []record {
			w.exec(t, `update raw_transactions set customer_id = 'somebody else' where transaction_id = $1`, r[7].id)
			r = slices.Clone(r)
			r[7].customer = "somebody else"
			return r
		}, modeFull},
		{"a date of birth changed, which no view shows", func(t *testing.T, r []record) []record {
			w.exec(t, `update raw_transactions set dob = '1999-01-01' where transaction_id = $1`, r[7].id)
			return r
		}, modeChanges},
		{"other rules", func(_ *testing.T, r []record) []record {
			rules := w.env.Rules
			rules.VelocityCount, rules.AbsolutePaise = 2, 1_000_000
			w.setRules(rules)
			return r
		}, modeFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.clear(t)
			w.setRules(bank.DefaultRules())
			records := w.grow(t, nil, 120)
			w.generate(t)
			w.expect(t, records)
			records = c.do(t, records)
			if m := w.generate(t); m.Mode != c.mode {
				t.Errorf("mode %s, want %s", m.Mode, c.mode)
			}
			w.expect(t, records)
			// What it has recorded about itself must be right, too.
			if m := w.generate(t); m.Mode != modeChanges || m.ChangedRows != 0 {
				t.Errorf("the one after: mode %s with %d changed rows, want changes with none", m.Mode, m.ChangedRows)
			}
		})
	}
}

// TestChangesAreWritten holds the count of changed rows: touching one customer's window writes a handful of rows.
func TestChangesAreWritten(t *testing.T) {
	w := newWorld(t)
	records := w.grow(t, nil, 500)
	if m, rows := w.generate(t), len(records); m.Rows != int64(rows) || m.Mode != modeFull || m.ChangedRows < 200 {
		t.Errorf("first: %+v", m)
	}
	one := record{partition: 0, offset: 500, id: "one more", customer: customers[0], amount: 1, at: 0}
	w.insert(t, []record{one})
	w.streams(t, 501, 501)
	if m := w.generate(t); m.Rows != 501 || m.Mode != modeChanges || m.ChangedRows != 2 {
		t.Errorf("one more row without an alert: %+v, want 2 changed rows", m)
	}
	w.expect(t, append(records, one))
}

// TestBatchDiesAnywhere ends a batch after each of its steps, as a kill does: what it had opened goes, what it has
// committed stays. The old generation is served until the next batch publishes, which is right, also if it is the one that a
// change of rules is carried out by.
func TestBatchDiesAnywhere(t *testing.T) {
	w := newWorld(t)
	for died, step := range []string{"plan", "read", "stage", "publish"} {
		t.Run("after "+step, func(t *testing.T) {
			w.clear(t)
			first := w.grow(t, nil, 80)
			w.generate(t)
			all := w.grow(t, first, 80)
			w.dies(t, died)
			w.expect(t, first)
			more := w.grow(t, all, 30) // the plan stays where it was
			if got := w.generate(t); got.Generation != 2 || got.Rows != 160 {
				t.Errorf("the next batch published generation %d of %d rows, want 2 of 160", got.Generation, got.Rows)
			}
			w.expect(t, all)
			w.generate(t)
			w.expect(t, more)
		})
		t.Run("with a change of rules, after "+step, func(t *testing.T) {
			w.clear(t)
			w.exec(t, resetThresholds)
			first := w.grow(t, nil, 80)
			w.generate(t)
			all := w.grow(t, first, 80)
			w.reprocess(t, changedRules(), time.Hour)
			w.dies(t, died)
			w.expect(t, first)
			if r := w.reprocessing(t); r.StartedAt == nil || r.SwitchedAt != nil || r.Attempts != 1 {
				t.Errorf("when the batch has died: %+v", r)
			}
			if got := w.generate(t); got.Generation != 2 || got.Mode != modeFull {
				t.Errorf("the next batch published generation %d in mode %s, want 2 in full", got.Generation, got.Mode)
			}
			w.expectUnder(t, all, changedRules())
			if r := w.reprocessing(t); r.SwitchedAt == nil || r.Events != 160 || r.Attempts != 2 || r.DoneAt != nil {
				t.Errorf("when the next batch has published: %+v", r)
			}
		})
	}
}

// dies has a batch go some steps towards its next generation and no further; at the last it is in the publishing transaction.
func (w *world) dies(t *testing.T, step int) {
	t.Helper()
	conn := connect(t, w.env.Postgres)
	defer closeConn(conn.PgConn())
	m := architectures.Batch{StartedAt: time.Now()}
	p, err := w.batch.plan(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	m.Generation = p.generation
	if step >= 1 {
		if err := w.batch.compute(t.Context(), conn, p); err != nil {
			t.Fatal(err)
		}
	}
	var s *selection
	if step >= 2 {
		if s, err = w.batch.stage(t.Context(), conn, p, &m); err != nil {
			t.Fatal(err)
		}
	}
	if step < 3 {
		return
	}
	// The table generations is written last: there the transaction waits, and dies.
	lock, err := w.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.Background()) }()
	if _, err := lock.Exec(t.Context(), `lock generations`); err != nil {
		t.Fatal(err)
	}
	published := make(chan error)
	go func() { published <- publish(t.Context(), conn, p, &m, s, w.batch.aggregate.covered) }()
	for ended := false; !ended; {
		const kill = `select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_locks
			where relation = 'generations'::regclass and not granted`
		if err := lock.QueryRow(t.Context(), kill).Scan(&ended); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-published; err == nil || !passing(err) {
		t.Fatalf("a batch that was cut off says %v", err)
	}
}

// TestTwoBatches has two batches compute the same generation: one publishes it, the other is told.
func TestTwoBatches(t *testing.T) {
	w := newWorld(t)
	records := w.grow(t, nil, 100)
	w.generate(t)
	records = w.grow(t, records, 100)

	type copy struct {
		batch *batch
		conn  *pgx.Conn
		p     plan
		m     architectures.Batch
		s     *selection
	}
	copies := make([]copy, 2)
	for i := range copies {
		c := &copies[i]
		c.batch, c.conn, c.m.StartedAt = newBatch(w.env, slog.New(slog.DiscardHandler)), connect(t, w.env.Postgres), time.Now()
		var err error
		if c.p, err = c.batch.plan(t.Context(), c.conn); err != nil {
			t.Fatal(err)
		}
		c.m.Generation = c.p.generation
		if err := c.batch.compute(t.Context(), c.conn, c.p); err != nil {
			t.Fatal(err)
		}
		if c.s, err = c.batch.stage(t.Context(), c.conn, c.p, &c.m); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i := range copies {
		c := &copies[i]
		group.Go(func() { errs[i] = publish(t.Context(), c.conn, c.p, &c.m, c.s, c.batch.aggregate.covered) })
	}
	group.Wait()
	if !(errs[0] == nil && errors.Is(errs[1], errOvertaken)) && !(errs[1] == nil && errors.Is(errs[0], errOvertaken)) {
		t.Errorf("one must publish and the other be told, got %v and %v", errs[0], errs[1])
	}
	w.expect(t, records)
}

// TestBatchSurvives runs two batch processes against each other while all connections of the database are ended again
// and again and the master dataset grows. In the end the answers are right and the generations without a gap.
func TestBatchSurvives(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for range 2 {
		group.Go(func() {
			if err := newBatch(w.env, slog.New(slog.DiscardHandler)).run(ctx); err != nil {
				t.Errorf("the batch gave up: %v", err)
				stop()
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	var records []record
	for range 25 {
		records = w.grow(t, records, 40)
		time.Sleep(time.Duration(r.Int64N(int64(40 * time.Millisecond))))
		w.exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lkbench batch'`)
	}
	for published := int64(0); published < int64(len(records)); time.Sleep(10 * time.Millisecond) {
		progress, err := w.system.Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if published = 0; progress.Cut != nil {
			published = slices.Min(progress.Cut)
		}
		if ctx.Err() != nil {
			t.Fatal("a batch gave up before the end")
		}
	}
	stop()
	group.Wait()
	w.expect(t, records)
	batches, err := w.system.Batches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range batches {
		if b.Generation != int64(i+1) || i > 0 && b.Mode != modeChanges {
			t.Errorf("the %d-th generation is %+v", i+1, b)
		}
	}
}

// TestNothingToDo publishes an empty master dataset, and one with records on only one of the partitions.
func TestNothingToDo(t *testing.T) {
	w := newWorld(t)
	w.streams(t, 0, 0)
	if m := w.generate(t); m.Generation != 1 || m.Rows != 0 || m.ChangedRows != 0 {
		t.Errorf("nothing at all: %+v", m)
	}
	only := []record{{partition: 1, offset: 0, id: "T0", customer: "C", amount: 5}}
	w.insert(t, only)
	w.exec(t, `update offsets set next_offset = 1 where partition = 1`)
	if m := w.generate(t); m.Rows != 1 || m.Mode != modeChanges {
		t.Errorf("one row: %+v", m)
	}
	w.expect(t, only)
}

// TestForeignPartition does not guess what to do with a row that cannot be.
func TestForeignPartition(t *testing.T) {
	w := newWorld(t)
	w.streams(t, 1, 1)
	w.insert(t, []record{{partition: 3, id: "T0", customer: "C"}})
	err := w.batch.run(t.Context())
	if !errors.Is(err, errMaster) || !strings.Contains(err.Error(), `"T0" is of partition 3, expected 0 to 2`) {
		t.Errorf("the batch says %v", err)
	}
}
