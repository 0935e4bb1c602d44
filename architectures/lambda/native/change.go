package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// changeChannel is where a request to change the rules is notified.
const changeChannel = "lambda_changes"

// awaitChange returns true when a change is asked for that is not served yet, false at the given time; the zero time never
// comes.
func awaitChange(ctx context.Context, conn *pgx.Conn, until time.Time) (asked bool, err error) {
	if _, err := conn.Exec(ctx, `listen `+changeChannel); err != nil {
		return false, fmt.Errorf("wait for a change of rules: %w", err)
	}
	for {
		if err := conn.QueryRow(ctx, `select exists(select from changes where switched_at is null)`).Scan(&asked); err != nil {
			return false, fmt.Errorf("wait for a change of rules: %w", err)
		}
		if asked {
			return true, nil
		}
		over, err := notified(ctx, conn, until)
		if over || err != nil {
			return false, err
		}
	}
}

// notified waits for a notification, be it of another schema's change, or until the time is over.
func notified(ctx context.Context, conn *pgx.Conn, until time.Time) (over bool, err error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if !until.IsZero() {
		waiting, cancel = context.WithDeadline(ctx, until)
	}
	defer cancel()
	_, err = conn.WaitForNotification(waiting)
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() == nil && waiting.Err() != nil:
		return true, nil
	}
	return false, fmt.Errorf("wait for a change of rules: %w", err)
}

// errSuperseded says that a change of rules was asked for while a generation without one was under way.
var errSuperseded = errors.New("a change of rules is asked for")

// unlessSuperseded breaks work off when a change of rules is asked for: nothing of this generation is served yet, and the
// next one covers everything that it would. A change itself is not broken off, as there is only one at a time.
func (b *batch) unlessSuperseded(ctx context.Context, p plan, work func(context.Context) error) error {
	if p.corrects {
		return work(ctx)
	}
	working, stop := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		if b.watch(working) == nil {
			stop(errSuperseded)
		}
	})
	err := work(working)
	stop(nil)
	watch.Wait()
	if err != nil && errors.Is(context.Cause(working), errSuperseded) {
		return errSuperseded
	}
	return err
}

// watch returns nil when a change is asked for. If it fails, because its connection was refused or lost, the generation is
// finished before anybody looks again.
func (b *batch) watch(ctx context.Context) error {
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn.PgConn())
	_, err = awaitChange(ctx, conn, time.Time{})
	return err
}

// endChange ends a change that is served, once its grace time is over and nothing is left of what it has replaced. It
// returns when to look again; zero if there is nothing to end.
func endChange(ctx context.Context, conn *pgx.Conn) (again time.Time, err error) {
	var generation int64
	var over time.Time
	const served = `select generation, switched_at + grace from changes where switched_at is not null and done_at is null`
	err = conn.QueryRow(ctx, served).Scan(&generation, &over)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("end the change of rules: %w", err)
	case time.Now().Before(over):
		return over, nil
	}
	if err := clean(ctx, conn, generation); err != nil {
		return time.Time{}, err
	}
	var none []string
	for _, table := range realtimeViews {
		none = append(none, "not exists (select from "+table+" where epoch < $1)")
	}
	end := `update changes set done_at = $2 where generation = $1 and done_at is null and ` + strings.Join(none, " and ")
	tag, err := conn.Exec(ctx, end, generation, time.Now())
	if err != nil {
		return time.Time{}, fmt.Errorf("end the change of rules: %w", err)
	}
	if tag.RowsAffected() == 0 { // speed holds a row, or has just written one below the cut
		return time.Now().Add(longestLook), nil
	}
	return time.Time{}, nil
}
