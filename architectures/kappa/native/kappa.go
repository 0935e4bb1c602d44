// Package native is the Kappa architecture on the native engine: one pipeline keeps every view, and table offsets moves
// in the same transaction.
package native

import (
	"context"
	_ "embed"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// component is the name of the only process, and of its rows in table offsets.
const component = "stream"

//go:embed schema.sql
var schema string

// The tables with their columns in the order in which a fold gives them.
const (
	anomalies = "anomalies (transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)"
	windows   = "customer_windows (customer_id, window_start, transactions, amount_paise, max_balance_paise)"
)

const (
	addWindows = `
insert into customer_windows as w
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[])
on conflict (customer_id, window_start) do update set
  transactions = w.transactions + excluded.transactions,
  amount_paise = w.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(w.max_balance_paise, excluded.max_balance_paise)`

	addParts = `
insert into profile_parts as p
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
on conflict (customer_id, location) do update set
  transactions = p.transactions + excluded.transactions,
  amount_paise = p.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(p.max_balance_paise, excluded.max_balance_paise),
  last_event_time = greatest(p.last_event_time, excluded.last_event_time)`

	// A repetition beyond the horizon is counted again, but an alert is raised once.
	addAnomalies = `
insert into anomalies
select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::timestamptz[])
on conflict do nothing`
)

type kappa struct{}

// New returns the architecture.
func New() architectures.Architecture { return kappa{} }

func (kappa) Name() string { return "kappa" }

func (kappa) Deploy(ctx context.Context, env architectures.Environment) (architectures.System, error) {
	s := system{native.NewDatabase(env.Postgres)}
	if err := s.Deploy(ctx, views(env.Rules)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// views fills the thresholds into the definition of customer_profiles.
func views(rules bank.Rules) string {
	return strings.NewReplacer(
		"@premium_paise@", strconv.FormatInt(int64(rules.PremiumPaise), 10),
		"@frequent_count@", strconv.FormatInt(rules.FrequentCount, 10),
	).Replace(schema)
}

func (kappa) Components() []architectures.Component {
	return []architectures.Component{{Name: component, Consumes: true, Run: stream}}
}

func stream(ctx context.Context, env architectures.Environment) error {
	return native.Run(ctx, native.Config{
		Component: component, Environment: env, Detect: true, DeadLetters: true, Fold: true, Sink: sink{},
	})
}

// sink writes a batch into the tables, each key once.
type sink struct{}

func (sink) Write(ctx context.Context, tx pgx.Tx, b *native.Batch) error {
	fresh, others := b.Fold.Windows()
	for _, w := range []struct {
		statement, copied string
		rows              []*native.Param
	}{
		{addAnomalies, anomalies, b.Fold.Anomalies()}, // new but for repetitions beyond the horizon
		{addWindows, windows, fresh},
		{addWindows, "", others},
		{addParts, "", b.Fold.Parts()},
	} {
		if err := native.Insert(ctx, tx, w.copied, w.statement, w.rows...); err != nil {
			return err
		}
	}
	return nil
}

// system looks at the tables.
type system struct{ *native.Database }

func (s system) Progress(ctx context.Context) (architectures.Progress, error) {
	positions, err := s.Positions(ctx)
	return architectures.Progress{Positions: positions}, err
}

func (system) AlertTables() []string { return []string{"anomalies"} }

func (system) Batches(context.Context) ([]architectures.Batch, error) { return nil, nil }
