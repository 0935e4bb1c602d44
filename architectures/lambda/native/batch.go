package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// batch is the batch component. What it keeps between generations is memory to compute in and nothing that it would
// have to remember.
type batch struct {
	env       architectures.Environment
	log       *slog.Logger
	aggregate *aggregate
}

func newBatch(env architectures.Environment, log *slog.Logger) *batch {
	return &batch{env: env, log: log, aggregate: newAggregate()}
}

// gcPercent makes the garbage collector come more often than by default. Nearly all memory is large and without pointers:
// looking at it costs nothing, but waiting until it has doubled would cost a gigabyte.
const gcPercent = 30

func runBatch(ctx context.Context, env architectures.Environment) error {
	debug.SetGCPercent(gcPercent) // the process is the batch's own
	return newBatch(env, slog.Default()).run(ctx)
}

// Trouble that passes (PostgreSQL restarts, a lost connection) is tried again after retryPause, until it has lasted for
// patience.
const (
	retryPause = 200 * time.Millisecond
	patience   = time.Minute
)

// run publishes generations until ctx ends, one every BatchEvery from start to start; one that takes longer is followed
// by the next at once.
func (b *batch) run(ctx context.Context) error {
	var trouble time.Time // since when
	for {
		err := b.next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // whatever was under way is not published, and its plan is taken up again
		case err == nil:
			trouble = time.Time{}
			continue
		case errors.Is(err, errOvertaken), errors.Is(err, errSuperseded):
			b.log.Warn("the batch begins again", "after", err)
			continue
		case !passing(err):
			return err
		case trouble.IsZero():
			trouble = time.Now()
			b.log.Warn("the batch tries again", "after", err)
		case time.Since(trouble) > patience:
			return fmt.Errorf("no success for %v: %w", patience, err)
		}
		if sleep(ctx, retryPause) != nil {
			return nil
		}
	}
}

// passing says that the same work may succeed on a new try: a connection was refused or lost, or the server ended the
// transaction for reasons of its own.
func passing(err error) bool {
	switch {
	case errors.Is(err, errMaster):
		return false
	case errors.Is(err, errSnapshotGone):
		return true
	}
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) {
		return slices.Contains([]string{"08", "40", "53", "57"}, server.Code[:2])
	}
	return true
}

// next waits until the next generation is due and publishes it: BatchEvery after the last one began, or at once if a change
// of rules is asked for. Meanwhile it ends the change before.
func (b *batch) next(ctx context.Context) error {
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn.PgConn())
	var last *time.Time
	if err := conn.QueryRow(ctx, `select max(started_at) from generations`).Scan(&last); err != nil {
		return fmt.Errorf("when did the last generation start: %w", err)
	}
	due := time.Now()
	if last != nil {
		due = last.Add(b.env.Settings.BatchEvery)
	}
	for {
		look, err := endChange(ctx, conn)
		if err != nil {
			return err
		}
		if look.IsZero() || look.After(due) {
			look = due
		}
		asked, err := awaitChange(ctx, conn, look)
		if err != nil {
			return err
		}
		if asked || look.Equal(due) {
			return b.generation(ctx, conn)
		}
	}
}

// generation does everything for one generation. A connection serves only one: temporary tables and an open transaction
// end with it, whatever went wrong.
func (b *batch) generation(ctx context.Context, conn *pgx.Conn) error {
	m := architectures.Batch{StartedAt: time.Now()}
	p, err := b.plan(ctx, conn)
	if err != nil {
		return err
	}
	m.Generation = p.generation
	var s *selection
	if err := b.unlessSuperseded(ctx, p, func(ctx context.Context) (err error) {
		s, err = b.prepare(ctx, conn, p, &m)
		return err
	}); err != nil {
		return err
	}
	if err := publish(ctx, conn, p, &m, s, b.aggregate.covered); err != nil {
		return err
	}
	b.log.Info("generation published", "generation", m.Generation, "rows", m.Rows, "mode", m.Mode, "changed_rows", m.ChangedRows,
		"realtime_rows", m.RealtimeRows, "wait_s", m.WaitS, "read_s", m.ReadS, "write_s", m.WriteS, "publish_s", m.PublishS)
	return clean(ctx, conn, m.Generation)
}

// prepare does all that comes before the publishing transaction.
func (b *batch) prepare(ctx context.Context, conn *pgx.Conn, p plan, m *architectures.Batch) (s *selection, err error) {
	if m.WaitS, err = measure(func() error {
		return await(ctx, b.log, tellAfter, func() (waiting, err error) { return ingested(ctx, conn, p.cut) })
	}); err != nil {
		return nil, err
	}
	if m.ReadS, err = measure(func() error { return b.compute(ctx, conn, p) }); err != nil {
		return nil, err
	}
	m.WriteS, err = measure(func() (err error) {
		s, err = b.stage(ctx, conn, p, m)
		return err
	})
	return s, err
}

func measure(f func() error) (seconds float64, err error) {
	started := time.Now()
	err = f()
	return time.Since(started).Seconds(), err
}

// plan makes the plan as soon as both stream components have ever run.
func (b *batch) plan(ctx context.Context, conn *pgx.Conn) (p plan, err error) {
	err = await(ctx, b.log, tellAfter, func() (waiting, err error) {
		p, err = makePlan(ctx, conn, b.env.Partitions, b.env.Rules)
		if errors.Is(err, errNotStarted) {
			return err, nil
		}
		return nil, err
	})
	return p, err
}

// compute reads all of the master dataset under one snapshot, which ingest has brought beyond the cut before.
func (b *batch) compute(ctx context.Context, conn *pgx.Conn, p plan) error {
	address, err := native.Address(b.env, "batch")
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var snapshot string
		var pages int64
		const export = `select pg_export_snapshot(), pg_relation_size('raw_transactions') / current_setting('block_size')::bigint`
		if err := tx.QueryRow(ctx, export).Scan(&snapshot, &pages); err != nil {
			return fmt.Errorf("export a snapshot: %w", err)
		}
		return b.aggregate.read(ctx, &address.Config, snapshot, pages, p)
	})
}

// logicVersion is to be raised with every change of the program by which the same rows give another result.
const logicVersion = 1

// logicOf makes the rules part of the fingerprint: with other rules even untouched rows give another result.
func logicOf(rules bank.Rules) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%d %+v", logicVersion, rules))
}

// stage decides what is to be written and stages it. Only what has changed is enough if the rows below the last cut are
// those that the published generation was made of, and nobody has asked for all of it again.
func (b *batch) stage(ctx context.Context, conn *pgx.Conn, p plan, m *architectures.Batch) (*selection, error) {
	m.Rows, m.Mode = b.aggregate.covered.rows, modeFull
	switch {
	case p.published == 0 || p.corrects:
	case b.aggregate.known == p.recorded:
		m.Mode = modeChanges
	default:
		b.log.Warn("the master dataset or the program has changed below the last cut: everything is written anew",
			"rows", b.aggregate.known.rows, "rows_before", p.recorded.rows)
	}
	s := b.aggregate.choose(m.Mode == modeFull)
	if p.published == 0 {
		return s, nil // into empty tables publish copies directly
	}
	return s, stage(ctx, conn, s)
}

func (b *batch) connect(ctx context.Context) (*pgx.Conn, error) {
	address, err := native.Address(b.env, "batch")
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, address)
}

// closeConn ends a connection and whatever is under way on it; there is nobody to tell about a failure to say good-bye.
func closeConn(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
