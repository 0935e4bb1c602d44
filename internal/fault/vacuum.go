package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Vacuum runs VACUUM FULL over the tables below a view, again and again for For: it writes each anew, and locks it meanwhile.
type Vacuum struct {
	View string
	For  time.Duration
}

// Inject implements Fault. The effect is when the first one is seen under way or done, the end is when the last is cancelled.
func (v Vacuum) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("sql", "database")
	watch, err := w.session(ctx, false)
	if err != nil {
		return out, noEffect("%w", err)
	}
	defer leave(ctx, watch)
	conn, err := w.session(ctx, false)
	if err != nil {
		return out, noEffect("%w", err)
	}
	defer leave(ctx, conn)
	tables, err := tablesBelow(ctx, conn, v.View)
	if err != nil {
		return out, noEffect("find the tables below view %s: %w", v.View, err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var done atomic.Int64
	failed := make(chan error, 1)
	go func() { failed <- v.repeat(running, conn, tables, &done) }()
	var cause error
	for end := w.Now() + v.For; cause == nil && w.Now() < end && len(failed) == 0; {
		if out.Effect < 0 && (done.Load() > 0 || underWay(ctx, watch, conn.PgConn().PID())) {
			out.Effect = w.Now()
		}
		cause = hold(ctx, min(sqlLook, end-w.Now()))
	}
	stop()
	err = errors.Join(cause, <-failed)
	out.End = w.Now()
	out.What = fmt.Sprintf("VACUUM FULL of %s: %d done", strings.Join(tables, ", "), done.Load())
	if out.Effect < 0 {
		return out, noEffect("%s, and none was seen under way (%w)", out.What, errors.Join(err, errors.New("it waits for its locks")))
	}
	return out, err
}

// repeat vacuums one table after the other until ctx ends. A lock that cannot be had in time, or only by a deadlock, is asked
// for again.
func (v Vacuum) repeat(ctx context.Context, conn *pgx.Conn, tables []string, done *atomic.Int64) error {
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", lockTimeout.Milliseconds())); err != nil {
		return err
	}
	for {
		for _, table := range tables {
			_, err := conn.Exec(ctx, "VACUUM FULL "+table)
			switch code := state(err); {
			case ctx.Err() != nil:
				return nil
			case err == nil:
				done.Add(1)
			case code != lockNotAvailable && code != deadlockDetected:
				return fmt.Errorf("vacuum %s: %w", table, err)
			}
		}
	}
}

// underWay says whether a session is writing a table anew.
func underWay(ctx context.Context, watch *pgx.Conn, pid uint32) bool {
	var writes bool
	err := watch.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_progress_cluster WHERE pid = $1)", int32(pid)).Scan(&writes)
	return err == nil && writes
}

// tablesBelow lists the tables that a view reads, through other views, as SQL names them.
func tablesBelow(ctx context.Context, conn *pgx.Conn, view string) ([]string, error) {
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE below (oid) AS (
			SELECT $1::text::regclass::oid
			UNION
			SELECT d.refobjid FROM below b JOIN pg_rewrite r ON r.ev_class = b.oid
			JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
		)
		SELECT oid::regclass::text FROM below JOIN pg_class USING (oid) WHERE relkind IN ('r', 'p', 'm') ORDER BY 1`, quoted(view))
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(tables) == 0 {
		err = errors.New("there are none")
	}
	return tables, err
}
