package fault

import (
	"context"
	"errors"
	"fmt"
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

// session opens a session of a fault's own. When the context of a statement ends, the statement is cancelled in the server
// too: a connection that is only closed would leave it at work.
func (w *World) session(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(w.Postgres)
	if err != nil {
		return nil, errors.New("the connection string of PostgreSQL cannot be parsed") // it may hold a password
	}
	config.RuntimeParams["application_name"] = "lkbench-fault"
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: sqlWithin}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return conn, nil
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
