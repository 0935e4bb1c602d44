package native

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/native"
)

// The tables whose rows are mostly new, with their columns in the order in which a fold gives them.
const (
	anomalyColumns = "%s (transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)"
	windowColumns  = "%s (customer_id, window_start, transactions, amount_paise, max_balance_paise)"
)

const (
	addWindows = `
insert into %s as w
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[])
on conflict (customer_id, window_start) do update set
  transactions = w.transactions + excluded.transactions,
  amount_paise = w.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(w.max_balance_paise, excluded.max_balance_paise)`

	addParts = `
insert into %s as p
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
on conflict (customer_id, location) do update set
  transactions = p.transactions + excluded.transactions,
  amount_paise = p.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(p.max_balance_paise, excluded.max_balance_paise),
  last_event_time = greatest(p.last_event_time, excluded.last_event_time)`

	// A repetition beyond the horizon is counted again, but an alert is raised once.
	addAnomalies = `
insert into %s
select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::timestamptz[])
on conflict do nothing`
)

// sink writes a batch into the tables of one version, each key once.
type sink struct {
	anomalies, windows                 string // tables with columns
	addAnomalies, addWindows, addParts string
}

func newSink(v version) sink {
	anomalies, windows, parts := v.table("anomalies"), v.table("customer_windows"), v.table("profile_parts")
	return sink{
		anomalies: fmt.Sprintf(anomalyColumns, anomalies), windows: fmt.Sprintf(windowColumns, windows),
		addAnomalies: fmt.Sprintf(addAnomalies, anomalies), addWindows: fmt.Sprintf(addWindows, windows), addParts: fmt.Sprintf(addParts, parts),
	}
}

func (s sink) Write(ctx context.Context, tx pgx.Tx, b *native.Batch) error {
	fresh, others := b.Fold.Windows()
	for _, w := range []struct {
		statement, copied string
		rows              []*native.Param
	}{
		{s.addAnomalies, s.anomalies, b.Fold.Anomalies()}, // new but for repetitions beyond the horizon
		{s.addWindows, s.windows, fresh},
		{s.addWindows, "", others},
		{s.addParts, "", b.Fold.Parts()},
	} {
		if err := native.Insert(ctx, tx, w.copied, w.statement, w.rows...); err != nil {
			return err
		}
	}
	return nil
}
