package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/native"
)

// hasty is Kappa that switches wrongly. Until then it does all as it should.
type hasty struct {
	kappa
	name string
	// caughtUp: it waits until it has all that the stream has, stops, and goes on where the stream is then, as if that one had
	// stopped too; but it has not taken its rows over. Else it switches before it has processed anything.
	caughtUp bool
}

var hastyOnes = []hasty{{name: "not-taken-over", caughtUp: true}, {name: "not-caught-up"}}

func (h hasty) Name() string { return h.name }

func (h hasty) Components() []architectures.Component {
	c := h.kappa.Components()
	c[1].Run = h.run
	return c
}

func (h hasty) run(ctx context.Context, env architectures.Environment) error {
	var made version
	c := config(reprocessName, env, func(ctx context.Context, tx pgx.Tx) (_ version, err error) {
		made, err = begin(ctx, tx)
		return made, err
	})
	c.DeadLetters = false
	first, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- native.Run(first, c) }()
	err := h.await(ctx, env, ended)
	stop()
	if errors.Is(err, errNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	<-ended
	if err := h.switchNow(ctx, env, made); err != nil {
		return err
	}
	return stream(ctx, env)
}

// await waits until the new version may be switched to.
func (h hasty) await(ctx context.Context, env architectures.Environment, ended <-chan error) error {
	conn, err := pgx.Connect(ctx, env.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	const progress = `select coalesce(sum(next_offset) filter (where component = 'stream'), 0)::bigint,
		coalesce(sum(next_offset) filter (where component = 'reprocess'), -1)::bigint from offsets`
	for {
		var theirs, mine int64
		if err := conn.QueryRow(ctx, progress).Scan(&theirs, &mine); err != nil {
			return err
		}
		if mine >= theirs || mine >= 0 && !h.caughtUp {
			return nil
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Millisecond):
		}
	}
}

func (h hasty) switchNow(ctx context.Context, env architectures.Environment, made version) error {
	conn, err := pgx.Connect(ctx, env.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	const same = `update offsets m set next_offset = s.next_offset, max_event_time = s.max_event_time, rebuild_offset = s.rebuild_offset,
		late = s.late, duplicates = s.duplicates, dead_letters = s.dead_letters
		from offsets s where m.component = 'reprocess' and s.component = 'stream' and s.partition = m.partition`
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := switchTo(ctx, tx, made); err != nil {
			return err
		}
		if h.caughtUp {
			if _, err := tx.Exec(ctx, same); err != nil {
				return fmt.Errorf("go on where the stream is: %w", err)
			}
		}
		_, err := tx.Exec(ctx, `delete from offsets where component = 'stream'; update offsets set component = 'stream' where component = 'reprocess'`)
		return err
	})
}
