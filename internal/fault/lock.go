package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lock holds an ACCESS EXCLUSIVE lock on a view for For, as a migration does: nobody can read or write it. PostgreSQL locks the
// tables below it as well.
type Lock struct {
	View string
	For  time.Duration
}

// Inject implements Fault. The effect is when the lock was granted; who asks while it is waited for waits behind it already.
func (l Lock) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("sql", "database")
	conn, err := w.session(ctx, false)
	if err != nil {
		return out, noEffect("%w", err)
	}
	defer leave(ctx, conn)
	asked := w.Now()
	relations, err := l.acquire(ctx, conn)
	if err != nil {
		out.End = w.Now()
		return out, noEffect("lock view %s: %w", l.View, errors.Join(cut(ctx), err))
	}
	out.Effect = w.Now()
	out.What = fmt.Sprintf("ACCESS EXCLUSIVE on view %s and %d relations below it, granted after %s", l.View, relations-1, millis(out.Effect-asked))
	err = hold(ctx, l.For)
	undo, cancel := undoing(ctx)
	defer cancel()
	if _, lost := conn.Exec(undo, "ROLLBACK"); lost != nil && err == nil {
		err = fmt.Errorf("the lock on view %s was lost before its time: %w", l.View, lost)
	}
	out.End = w.Now()
	return out, err
}

// acquire begins the transaction that holds the lock, and gives the number of relations that pg_locks shows it to hold. It
// tries again if it had to wait too long, or was chosen to end a deadlock.
func (l Lock) acquire(ctx context.Context, conn *pgx.Conn) (relations int, err error) {
	for range lockTries {
		_, err = conn.Exec(ctx, fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = 0; "+
			"LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", lockTimeout.Milliseconds(), quoted(l.View)))
		if err == nil {
			break
		}
		if code := state(err); code != lockNotAvailable && code != deadlockDetected {
			return 0, err
		}
		if _, e := conn.Exec(ctx, "ROLLBACK"); e != nil {
			return 0, e
		}
	}
	if err != nil {
		return 0, err
	}
	return locked(ctx, conn, l.View)
}

// locked gives the number of relations that a session holds in ACCESS EXCLUSIVE mode, the view among them.
func locked(ctx context.Context, conn *pgx.Conn, view string) (relations int, err error) {
	var itself bool
	err = conn.QueryRow(ctx, `SELECT count(*), coalesce(bool_or(relation = $1::text::regclass), false) FROM pg_locks
		WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted`, quoted(view)).Scan(&relations, &itself)
	if err == nil && !itself {
		err = errors.New("pg_locks does not show it")
	}
	return relations, err
}
