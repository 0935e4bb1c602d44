package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// SlowQuery runs an expensive query over a view in several sessions for For, as a report does that nobody has thought of.
type SlowQuery struct {
	View     string
	Sessions int
	For      time.Duration
}

// Inject implements Fault. The effect is when all sessions are seen at work, the end is when all are cancelled.
func (s SlowQuery) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("sql", "database")
	watch, err := w.session(ctx, false)
	if err != nil {
		return out, noEffect("%w", err)
	}
	defer leave(ctx, watch)
	running, stop := context.WithCancel(ctx)
	defer stop()
	queries, working := errgroup.WithContext(running)
	var pids []int32
	for range s.Sessions {
		conn, err := w.session(ctx, false)
		if err != nil {
			stop()
			_ = queries.Wait()
			return out, noEffect("%w", err)
		}
		defer leave(ctx, conn)
		pids = append(pids, int32(conn.PgConn().PID()))
		queries.Go(func() error { return s.query(working, conn) })
	}
	err = s.atWork(working, watch, pids)
	if err == nil {
		out.Effect = w.Now()
		out.What = fmt.Sprintf("%d sessions scan view %s again and again", s.Sessions, s.View)
		err = hold(working, s.For)
	}
	stop()
	failed := queries.Wait()
	out.End = w.Now()
	if failed != nil { // else the reason is the context's that it ended
		err = failed
	}
	if err != nil && out.Effect < 0 {
		err = noEffect("%w", errors.Join(cut(ctx), err))
	}
	return out, err
}

// query scans the view a million times, in one statement that the planner cannot make less of, until ctx ends.
func (s SlowQuery) query(ctx context.Context, conn *pgx.Conn) error {
	for {
		_, err := conn.Exec(ctx, `SELECT sum(n) FROM generate_series(1, 1000000) g,
			LATERAL (SELECT count(*) AS n FROM `+quoted(s.View)+` v WHERE hashtext(v::text) > g) scan`)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("query view %s: %w", s.View, err)
		}
	}
}

// atWork waits until pg_stat_activity shows all sessions active.
func (s SlowQuery) atWork(ctx context.Context, watch *pgx.Conn, pids []int32) error {
	var active int
	var failed error
	err := await(ctx, sqlWithin, func() bool {
		failed = watch.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1) AND state = 'active'", pids).Scan(&active)
		return failed != nil || active == len(pids)
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("pg_stat_activity shows %d of %d sessions at work: %w", active, len(pids), err)
	}
	return nil
}
