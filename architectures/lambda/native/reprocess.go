package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lkbench/architectures"
	"lkbench/internal/bank"
)

// errUnderWay says that history is being corrected already.
var errUnderWay = errors.New("a reprocess is under way, and its grace time must be over before the next one")

// Reprocess asks the batch for a generation under other rules. The batch listens for it and plans at once.
func (s *system) Reprocess(ctx context.Context, rules bank.Rules, grace time.Duration) error {
	if err := s.possible(rules, grace); err != nil {
		return fmt.Errorf("reprocess lambda: %w", err)
	}
	err := s.db.Do(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `with asked as (insert into changes (rules, grace, requested_at) values ($1, $2, $3) returning id)
			select pg_notify($4, id::text) from asked`, rules, grace, time.Now(), changeChannel)
		return err
	})
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) && server.ConstraintName == "one_change_at_a_time" {
		err = errUnderWay
	}
	if err != nil {
		return fmt.Errorf("reprocess lambda: %w", err)
	}
	return nil
}

// possible refuses rules that make no sense, and those that shape what the stream components keep in memory.
func (s *system) possible(rules bank.Rules, grace time.Duration) error {
	if err := rules.Validate(); err != nil {
		return err
	}
	if grace < 0 {
		return fmt.Errorf("the grace time is %v, expected 0 or more", grace)
	}
	if d := s.deployed; rules.Window != d.Window || rules.Watermark != d.Watermark || rules.DedupHorizon != d.DedupHorizon {
		return fmt.Errorf("window, watermark and horizon are %v, %v and %v, and cannot change while a stream runs", d.Window, d.Watermark, d.DedupHorizon)
	}
	return nil
}

func (s *system) Reprocessing(ctx context.Context) (*architectures.Reprocessing, error) {
	var r architectures.Reprocessing
	err := s.db.Do(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select requested_at, started_at, switched_at, done_at, rows, attempts from changes order by id desc limit 1`).
			Scan(&r.RequestedAt, &r.StartedAt, &r.SwitchedAt, &r.DoneAt, &r.Events, &r.Attempts)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read table changes: %w", err)
	}
	return &r, nil
}
