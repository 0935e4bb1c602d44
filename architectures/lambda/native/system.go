package native

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// system looks at a deployed Lambda from outside.
type system struct {
	db       *native.Database
	deployed bank.Rules
}

func (s *system) Progress(ctx context.Context) (architectures.Progress, error) {
	var progress architectures.Progress
	err := s.db.Do(ctx, func(conn *pgx.Conn) error {
		// One statement, one snapshot: positions and cut belong together. The cut comes as a component without a name.
		found, err := conn.Query(ctx, `
			select component, partition, next_offset, late, duplicates, dead_letters from offsets
			union all
			select '', partition, cut_offset, 0, 0, 0 from cuts
			where generation > 0 and generation = (select generation from serving)
			order by 1, 2`)
		if err != nil {
			return err
		}
		positions, err := pgx.CollectRows(found, pgx.RowToStructByPos[architectures.Position])
		for _, p := range positions {
			if p.Component == "" {
				progress.Cut = append(progress.Cut, p.Next)
				continue
			}
			progress.Positions = append(progress.Positions, p)
		}
		return err
	})
	if err != nil {
		return architectures.Progress{}, fmt.Errorf("read the progress of lambda: %w", err)
	}
	return progress, nil
}

// AlertTables leaves out batch_anomalies. A generation covers what speed has passed when it is planned, so its alerts have
// mostly been visible before; and to send its tens of thousands of rows to an observer takes PostgreSQL longer than to commit
// them, in which every other alert would seem to be late. Those that were not visible stand in generation_alerts.
func (s *system) AlertTables() []string { return []string{"rt_anomalies", "generation_alerts"} }

func (s *system) Batches(ctx context.Context) ([]architectures.Batch, error) {
	var batches []architectures.Batch
	err := s.db.Do(ctx, func(conn *pgx.Conn) error {
		found, err := conn.Query(ctx, `select generation, started_at, published_at, rows, changed_rows, mode, wait_s, read_s, write_s,
			publish_s, realtime_rows from generations order by generation`)
		if err != nil {
			return err
		}
		batches, err = pgx.CollectRows(found, pgx.RowToStructByPos[architectures.Batch])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read table generations: %w", err)
	}
	return batches, nil
}

func (s *system) Close() { s.db.Close() }
