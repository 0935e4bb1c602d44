package native

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// system looks at the tables.
type system struct {
	*native.Database
	mu     sync.Mutex
	served int64 // number of the version, as last seen
}

func newSystem(env architectures.Environment) *system {
	return &system{Database: native.NewDatabase(env.Postgres), served: 1}
}

func (s *system) Progress(ctx context.Context) (architectures.Progress, error) {
	positions, err := s.Positions(ctx)
	return architectures.Progress{Positions: positions}, err
}

// askWithin bounds the question which version is served.
const askWithin = 2 * time.Second

// AlertTables names the table of the version that is served; while PostgreSQL does not answer, of the one that was.
func (s *system) AlertTables() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	var now int64
	if err := s.Do(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select version from versions`+servedVersion).Scan(&now)
	}); err == nil {
		s.served = now
	}
	return []string{version{number: s.served}.table("anomalies")}
}

func (*system) Batches(context.Context) ([]architectures.Batch, error) { return nil, nil }

// ask inserts a version unless one is under way.
const ask = `
insert into versions (version, rules, grace, requested_at, events, attempts)
select max(version) + 1, $1, $2, $3, 0, 0 from versions having bool_and(done_at is not null)`

// Reprocess implements architectures.Reprocessor.
func (s *system) Reprocess(ctx context.Context, rules bank.Rules, grace time.Duration) error {
	if err := rules.Validate(); err != nil {
		return err
	}
	return s.Do(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			now, err := served(ctx, tx)
			if err != nil {
				return err
			}
			if was := now.rules; rules.Window != was.Window || rules.Watermark != was.Watermark || rules.DedupHorizon != was.DedupHorizon {
				return errors.New("window, watermark and dedup_horizon cannot change: the answers so far were made with them")
			}
			asked, err := tx.Exec(ctx, ask, rules, grace, time.Now())
			if err != nil {
				return fmt.Errorf("ask for a new version: %w", err)
			}
			if asked.RowsAffected() == 0 {
				return errors.New("history is being processed again: wait until the former answers are gone")
			}
			return nil
		})
	})
}

// Reprocessing implements architectures.Reprocessor. Events are counted by offsets, so those that retention has deleted count.
func (s *system) Reprocessing(ctx context.Context) (*architectures.Reprocessing, error) {
	var r architectures.Reprocessing
	var number int64
	err := s.Do(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select version, requested_at, started_at, switched_at, done_at, attempts, case when switched_at is not null then events
			else (select coalesce(sum(next_offset), 0) from offsets where component = $1) end::bigint
			from versions where version > 1 order by version desc limit 1`, reprocessName).
			Scan(&number, &r.RequestedAt, &r.StartedAt, &r.SwitchedAt, &r.DoneAt, &r.Attempts, &r.Events)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read table versions: %w", err)
	}
	if r.SwitchedAt != nil {
		s.mu.Lock()
		s.served = number // what is told here must not be taken back by AlertTables
		s.mu.Unlock()
	}
	return &r, nil
}
