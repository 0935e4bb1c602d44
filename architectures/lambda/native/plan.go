package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
)

// plan is what a generation is to cover.
type plan struct {
	generation int64   // the one to be published
	published  int64   // the one before it
	cut        []int64 // by partition: every offset below it is covered
	last       []int64 // the cut of the published generation
	recorded   tally   // what the published generation found below last; meaningless while none is published
	rules      bank.Rules
	corrects   bool // a change was asked for, and this generation carries it out
}

// errNotStarted says that a stream component has never run, so that there is no position to cut at.
var errNotStarted = errors.New("has not started yet")

// makePlan fixes the cuts of the next generation, in one transaction: as far as speed or ingest has come, whichever is
// further. From its end on speed folds what lies above the cuts into the new epoch, under the rules of the new generation. A
// plan that an earlier process has left unfinished is taken as it is, because speed has been following it; only a change of
// rules makes a new one, beyond it. deployed are the rules before the first change.
func makePlan(ctx context.Context, conn *pgx.Conn, partitions int32, deployed bank.Rules) (plan, error) {
	p := plan{rules: deployed}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// The locks hold up speed's commits until the plan stands, and another batch that is about to plan the same.
		const lockSpeed = `select next_offset from offsets where component = 'speed' order by partition for update`
		speed, err := positions(ctx, tx, "speed", lockSpeed, partitions)
		if err != nil {
			return err
		}
		const readIngest = `select next_offset from offsets where component = 'ingest' order by partition`
		ingest, err := positions(ctx, tx, "ingest", readIngest, partitions)
		if err != nil {
			return err
		}
		if err := p.follow(ctx, tx, partitions); err != nil {
			return err
		}
		var planned int64
		var asked bool
		const state = `select (select max(generation) from cuts), exists(select from changes where generation is null)`
		if err := tx.QueryRow(ctx, state).Scan(&planned, &asked); err != nil {
			return err
		}
		p.generation = planned
		if asked || planned == p.published {
			p.generation++
			if err := p.begin(ctx, tx, speed, ingest); err != nil {
				return err
			}
		}
		if p.cut, err = cutOf(ctx, tx, p.generation); err != nil {
			return err
		}
		return p.takeUp(ctx, tx)
	})
	if err != nil {
		return plan{}, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

// follow reads what the published generation has left.
func (p *plan) follow(ctx context.Context, tx pgx.Tx, partitions int32) (err error) {
	if err := tx.QueryRow(ctx, `select generation from serving`).Scan(&p.published); err != nil {
		return err
	}
	if p.last, err = cutOf(ctx, tx, p.published); err != nil {
		return err
	}
	if len(p.last) != int(partitions) {
		return fmt.Errorf("generation %d covers %d partitions, but there are %d", p.published, len(p.last), partitions)
	}
	if p.published == 0 {
		return nil
	}
	var fingerprint int64
	const recorded = `select rows, fingerprint from generations where generation = $1`
	if err := tx.QueryRow(ctx, recorded, p.published).Scan(&p.recorded.rows, &fingerprint); err != nil {
		return fmt.Errorf("generation %d: %w", p.published, err)
	}
	p.recorded.fingerprint = uint64(fingerprint)
	return nil
}

// begin makes a new plan, which a change that waits for one belongs to.
func (p *plan) begin(ctx context.Context, tx pgx.Tx, speed, ingest []int64) error {
	cut := make([]int64, len(speed))
	for i := range cut {
		cut[i] = max(speed[i], ingest[i])
	}
	const insert = `insert into cuts select $1::bigint, n - 1, o from unnest($2::bigint[]) with ordinality c (o, n)`
	if _, err := tx.Exec(ctx, insert, p.generation, cut); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `update offsets set epoch = $1 where component = 'speed'`, p.generation); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update changes set generation = $1, started_at = $2 where generation is null`, p.generation, time.Now())
	return err
}

// takeUp reads the rules of the generation, and notes that its change, if it has one, is being carried out.
func (p *plan) takeUp(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `update changes set attempts = attempts + 1 where generation = $1`, p.generation)
	if err != nil {
		return err
	}
	p.corrects = tag.RowsAffected() > 0
	const rules = `select rules from changes where generation <= $1 order by generation desc limit 1`
	if err := tx.QueryRow(ctx, rules, p.generation).Scan(&p.rules); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("the rules of generation %d: %w", p.generation, err)
	}
	return nil
}

func positions(ctx context.Context, tx pgx.Tx, component, sql string, partitions int32) ([]int64, error) {
	found, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	next, err := pgx.CollectRows(found, pgx.RowTo[int64])
	if err != nil {
		return nil, err
	}
	if len(next) != int(partitions) {
		return nil, fmt.Errorf("component %s %w", component, errNotStarted)
	}
	return next, nil
}

// cutOf is the cut of a generation by partition, empty if it is not planned.
func cutOf(ctx context.Context, tx pgx.Tx, generation int64) ([]int64, error) {
	found, err := tx.Query(ctx, `select cut_offset from cuts where generation = $1 order by partition`, generation)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[int64])
}

// ingested returns nil when the master dataset has everything below the cut, else what it waits for.
func ingested(ctx context.Context, conn *pgx.Conn, cut []int64) (waiting, err error) {
	const behind = `select partition, next_offset from offsets
		where component = 'ingest' and next_offset < ($1::bigint[])[partition + 1] order by partition limit 1`
	var partition, next int64
	err = conn.QueryRow(ctx, behind, cut).Scan(&partition, &next)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wait for ingest: %w", err)
	}
	return fmt.Errorf("ingest stands at offset %d of partition %d, the cut is at %d", next, partition, cut[partition]), nil
}

// Waiting for another component: how often to look, and when to tell.
const (
	shortestLook = 2 * time.Millisecond
	longestLook  = 200 * time.Millisecond
	tellAfter    = 3 * time.Second
)

// await calls ready until it neither waits nor fails. It tells log why it waits, once, if that takes longer than patience.
func await(ctx context.Context, log *slog.Logger, patience time.Duration, ready func() (waiting, err error)) error {
	told := false
	pause := shortestLook
	for started := time.Now(); ; {
		waiting, err := ready()
		if err != nil || waiting == nil {
			return err
		}
		if !told && time.Since(started) >= patience {
			log.Warn("the batch waits", "for", waiting)
			told = true
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestLook)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
