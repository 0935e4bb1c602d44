package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/native"
)

// reprocess makes the version that was asked for and becomes the stream. With nothing to do it ends.
func reprocess(ctx context.Context, env architectures.Environment) error {
	var made version
	err := native.Succeed(ctx, config(reprocessName, env, func(ctx context.Context, tx pgx.Tx) (_ version, err error) {
		made, err = begin(ctx, tx)
		return made, err
	}), native.Succession{
		Of:     streamName,
		Switch: func(ctx context.Context, tx pgx.Tx) error { return switchTo(ctx, tx, made) },
	})
	if errors.Is(err, errNothing) {
		slog.Info("nothing is to be processed again")
		return nil
	}
	return err
}

// begin takes the wanted version up: for the first time, or again after a crash.
func begin(ctx context.Context, tx pgx.Tx) (version, error) {
	v, err := wanted(ctx, tx)
	if err != nil {
		return v, err
	}
	if _, err := tx.Exec(ctx, v.tables()); err != nil {
		return v, fmt.Errorf("create the tables of version %d: %w", v.number, err)
	}
	_, err = tx.Exec(ctx, `update versions set attempts = attempts + 1, started_at = coalesce(started_at, $2) where version = $1`, v.number, time.Now())
	return v, err
}

// switchTo has the views show a version. It is called while this process owns the rows of both components.
func switchTo(ctx context.Context, tx pgx.Tx, v version) error {
	if _, err := tx.Exec(ctx, v.views()); err != nil {
		return fmt.Errorf("switch the views to version %d: %w", v.number, err)
	}
	_, err := tx.Exec(ctx, `update versions set switched_at = $2,
		events = (select coalesce(sum(next_offset), 0) from offsets where component = $3) where version = $1`, v.number, time.Now(), reprocessName)
	return err
}

// Retiring waits for a reader of the former tables this long before it lets others pass, and for this long in between.
const (
	retireWithin = "100ms"
	retirePause  = 300 * time.Millisecond
)

// retire drops the tables of the version before the served one when its grace is over. It goes on until that is done, whatever
// fails: what it leaves costs space and nothing else.
func retire(ctx context.Context, env architectures.Environment) {
	for told := false; ; {
		wait, err := retireOnce(ctx, env)
		switch {
		case ctx.Err() != nil || err == nil && wait < 0:
			return
		case err != nil:
			if !told {
				slog.Warn("the former tables cannot be dropped yet", "error", err)
			}
			told, wait = true, retirePause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// retireOnce drops what is due and returns how long to wait for what is not; less than 0: there is nothing.
func retireOnce(ctx context.Context, env architectures.Environment) (time.Duration, error) {
	address, err := native.Address(env, "retire")
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // there is nobody to tell
	var number int64
	var due time.Time
	err = conn.QueryRow(ctx, `select version, switched_at + grace from versions where switched_at is not null and done_at is null`).Scan(&number, &due)
	if errors.Is(err, pgx.ErrNoRows) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read table versions: %w", err)
	}
	if wait := time.Until(due); wait > 0 {
		return wait, nil
	}
	former := version{number: number - 1}
	return -1, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`set local lock_timeout = '%s'; drop table if exists %s, %s, %s`,
			retireWithin, former.table("anomalies"), former.table("customer_windows"), former.table("profile_parts"))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update versions set done_at = $2 where version = $1 and done_at is null`, number, time.Now())
		return err
	})
}
