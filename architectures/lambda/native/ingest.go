package native

import (
	"context"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/native"
)

// runIngest keeps the master dataset: every well-formed record, the first delivery of each id in log order.
func runIngest(ctx context.Context, env architectures.Environment) error {
	return native.Run(ctx, native.Config{Component: "ingest", Environment: env, DeadLetters: true, Sink: newIngestSink()})
}

// ingestSink appends to raw_transactions.
type ingestSink struct{ columns []*native.Param }

func newIngestSink() *ingestSink {
	return &ingestSink{columns: []*native.Param{
		native.Int4Array(), native.Int8Array(), native.TextArray(), native.TextArray(), native.TextArray(), native.TextArray(),
		native.TextArray(), native.Int8Array(), native.Int8Array(), native.TimeArray(),
	}}
}

// A repeated id meets its first delivery, in the table or earlier in the same statement, and is left out.
const appendRows = `
insert into raw_transactions (partition, "offset", transaction_id, customer_id, dob, gender, location, balance_paise, amount_paise, event_time)
select * from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
  $10::timestamptz[])
on conflict do nothing`

func (s *ingestSink) Write(ctx context.Context, tx pgx.Tx, b *native.Batch) error {
	c := s.columns
	for _, p := range c {
		p.Reset()
	}
	for i := range b.Events {
		e := &b.Events[i]
		c[0].Int4(e.Partition)
		c[1].Int(e.Offset)
		c[2].Text(e.ID)
		c[3].Text(e.Customer)
		optional(c[4], e.DOB)
		optional(c[5], e.Gender)
		optional(c[6], e.Location)
		if e.HasBalance {
			c[7].Int(int64(e.Balance))
		} else {
			c[7].Null()
		}
		c[8].Int(int64(e.Amount))
		c[9].Time(e.EventTime)
	}
	_, err := native.Exec(ctx, tx, appendRows, c...)
	return err
}

func optional(column *native.Param, text []byte) {
	if text == nil {
		column.Null()
		return
	}
	column.Text(text)
}
