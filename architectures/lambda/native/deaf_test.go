package native_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/architectures/archtest"
	lambda "lkbench/architectures/lambda/native"
)

// deaf is a Lambda whose speed does not hear of changes: it finds a table of them in which there is never any.
type deaf struct{ architectures.Architecture }

func (deaf) Name() string { return "deaf-lambda" }

func (d deaf) Deploy(ctx context.Context, env architectures.Environment) (architectures.System, error) {
	system, err := d.Architecture.Deploy(ctx, env)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, env.Postgres)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `create schema deaf; create table deaf.changes (like public.changes)`)
	return system, err
}

func (d deaf) Components() []architectures.Component {
	components := d.Architecture.Components()
	for i := range components {
		if c := &components[i]; c.Name == "speed" {
			run := c.Run
			c.Run = func(ctx context.Context, env architectures.Environment) error {
				address, err := url.Parse(env.Postgres)
				if err != nil {
					return err
				}
				query := address.Query()
				query.Set("search_path", "deaf,public")
				address.RawQuery = query.Encode()
				env.Postgres = address.String()
				return run(ctx, env)
			}
		}
	}
	return components
}

func TestSuiteCatchesADeafSpeed(t *testing.T) { archtest.CatchesReprocess(t, deaf{lambda.New()}) }
