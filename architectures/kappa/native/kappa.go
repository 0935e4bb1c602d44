// Package native is the Kappa architecture on the native engine: one pipeline keeps every view, and table offsets moves
// in the same transaction. To correct history, a second pipeline processes the topic from its beginning into tables of a
// new version, catches up and takes the first one's place.
package native

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/native"
)

// The components, which are also the names of their rows in table offsets.
const (
	streamName    = "stream"
	reprocessName = "reprocess"
)

//go:embed schema.sql
var schema string

type kappa struct{}

// New returns the architecture.
func New() architectures.Architecture { return kappa{} }

func (kappa) Name() string { return "kappa" }

func (kappa) Deploy(ctx context.Context, env architectures.Environment) (architectures.System, error) {
	s := newSystem(env)
	first := version{1, env.Rules}
	if err := s.Deploy(ctx, schema+first.tables()+first.views()); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.Do(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `insert into versions values (1, $1, '0s', now(), now(), now(), now(), 0, 1)`, first.rules)
		return err
	}); err != nil {
		s.Close()
		return nil, fmt.Errorf("record the first version: %w", err)
	}
	return s, nil
}

func (kappa) Components() []architectures.Component {
	return []architectures.Component{
		{Name: streamName, Roles: []string{"stream"}, Consumes: true, Run: stream},
		{Name: reprocessName, Roles: []string{"batch"}, OnDemand: true, Becomes: streamName, Run: reprocess},
	}
}

// stream keeps the views up to date, in the tables of the version that is served when it begins.
func stream(ctx context.Context, env architectures.Environment) error {
	return native.Run(ctx, config(streamName, env, served))
}

// config is that of a component that works for the version that begin gives it.
func config(name string, env architectures.Environment, begin func(context.Context, pgx.Tx) (version, error)) native.Config {
	return native.Config{
		Component: name, Environment: env, Detect: true, DeadLetters: true, Fold: true,
		Beside: func(ctx context.Context) { retire(ctx, env) }, // whoever is the stream takes the former tables away
		Begin: func(ctx context.Context, tx pgx.Tx, c *native.Config) error {
			v, err := begin(ctx, tx)
			if err != nil {
				return err
			}
			c.Environment.Rules, c.Sink, c.Windows = v.rules, newSink(v), v.table("customer_windows")
			return nil
		},
	}
}
