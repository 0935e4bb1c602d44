package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	lockTimeout = 10 * time.Second
	lockTries   = 3
	sqlWithin   = 10 * time.Second // until a session is seen at work
	sqlLook     = 20 * time.Millisecond
)

// The states of PostgreSQL that faults know, by their SQLSTATE.
const (
	tooManyConnections = "53300"
	deadlockDetected   = "40P01"
	lockNotAvailable   = "55P03"
)

// session opens a session of a fault's own. A server that is down at that moment, as one between two lives, is waited for, and so
// is room for one more session unless full says that having none is what is looked for. When the context of a statement ends, the statement is cancelled in the server
// too: a connection that is only closed would leave it at work.
func (w *World) session(ctx context.Context, full bool) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(w.Postgres)
	if err != nil {
		return nil, errors.New("the connection string of PostgreSQL cannot be parsed") // it may hold a password
	}
	config.RuntimeParams["application_name"] = "lkbench-fault"
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: sqlWithin}
	}
	var conn *pgx.Conn
	waited := await(ctx, presentWithin, func() bool {
		conn, err = pgx.ConnectConfig(ctx, config)
		return err == nil || !comingUp(err) && (full || state(err) != tooManyConnections)
	})
	if err = errors.Join(err, waited); err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return conn, nil
}

// comingUp says that a server which could not be reached may be reached soon: nothing listens, or it starts or ends.
func comingUp(err error) bool {
	class := state(err)
	return class == "" || strings.HasPrefix(class, "57P")
}

// leave closes a session.
func leave(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := undoing(ctx)
	defer cancel()
	_ = conn.Close(ctx) // what it held is free when its connection is gone
}

// quoted is the name of a view as SQL has it.
func quoted(view string) string { return pgx.Identifier{view}.Sanitize() }

// state is the SQLSTATE of an error of the server; "" for others.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
