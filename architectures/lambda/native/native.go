// Package native is the Lambda architecture on the native engine: ingest keeps the master dataset, speed folds what the
// batch has not covered yet, batch recomputes everything from the master dataset, and the served views add both.
// docs/internals.md, "Lambda", describes tables, epochs, cuts and generations.
package native

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"lkbench/architectures"
	"lkbench/internal/native"
)

//go:embed schema.sql
var schema string

type lambda struct{}

// New returns the architecture.
func New() architectures.Architecture { return lambda{} }

func (lambda) Name() string { return "lambda" }

func (lambda) Components() []architectures.Component {
	return []architectures.Component{
		{Name: "ingest", Roles: []string{"ingest", "stream"}, Consumes: true, Run: runIngest},
		{Name: "speed", Roles: []string{"speed", "stream"}, Consumes: true, Run: runSpeed},
		{Name: "batch", Roles: []string{"batch"}, Run: runBatch},
	}
}

func (lambda) Deploy(ctx context.Context, env architectures.Environment) (architectures.System, error) {
	db := native.NewDatabase(env.Postgres)
	if err := db.Deploy(ctx, script(env)); err != nil {
		db.Close()
		return nil, err
	}
	return &system{db, env.Rules}, nil
}

// script is schema.sql with the numbers of env in it.
func script(env architectures.Environment) string {
	return strings.NewReplacer(
		":partitions", fmt.Sprint(env.Partitions),
		":premium_paise", fmt.Sprint(int64(env.Rules.PremiumPaise)),
		":velocity_count", fmt.Sprint(env.Rules.VelocityCount),
		":frequent_count", fmt.Sprint(env.Rules.FrequentCount),
	).Replace(schema)
}
