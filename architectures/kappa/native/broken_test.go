package native

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/native"
)

// broken is Kappa with results and offsets in two transactions, in one order or the other. As long as nothing crashes it
// gives the same answers.
type broken struct {
	kappa
	name         string
	resultsFirst bool
}

func (b broken) Name() string { return b.name }

func (b broken) Components() []architectures.Component {
	return []architectures.Component{{Name: streamName, Consumes: true, Run: b.run}}
}

func (b broken) run(ctx context.Context, env architectures.Environment) error {
	conn, err := pgx.Connect(ctx, env.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	apart := &apart{fold: native.NewFold(env.Rules), conn: conn, resultsFirst: b.resultsFirst, written: make(chan error, 1)}
	apart.written <- nil
	c := config(streamName, env, func(ctx context.Context, tx pgx.Tx) (v version, err error) {
		v, err = served(ctx, tx)
		apart.sink = newSink(v)
		return v, err
	})
	begin := c.Begin
	c.Fold, c.Begin = false, func(ctx context.Context, tx pgx.Tx, c *native.Config) error {
		err := begin(ctx, tx, c)
		c.Sink = apart
		return err
	}
	err = native.Run(ctx, c)
	return errors.Join(err, <-apart.written)
}

// between is how long one of the two transactions is ahead of the other.
const between = time.Millisecond

// apart writes results on a connection of its own.
type apart struct {
	sink
	fold         *native.Fold
	conn         *pgx.Conn
	resultsFirst bool
	written      chan error // holds the outcome of the last batch when it is written
}

func (a *apart) Write(_ context.Context, _ pgx.Tx, b *native.Batch) error {
	if err := <-a.written; err != nil {
		a.written <- nil
		return err
	}
	if a.resultsFirst {
		err := a.write(b)
		time.Sleep(between)
		a.written <- nil
		return err
	}
	later := &native.Batch{Events: slices.Clone(b.Events)} // b is used again when this returns
	go func() {
		time.Sleep(between)
		a.written <- a.write(later)
	}()
	return nil
}

func (a *apart) write(b *native.Batch) error {
	a.fold.Reset()
	for i := range b.Events {
		a.fold.Add(&b.Events[i])
	}
	b.Fold = a.fold
	return pgx.BeginFunc(context.Background(), a.conn, func(tx pgx.Tx) error { return a.sink.Write(context.Background(), tx, b) })
}
