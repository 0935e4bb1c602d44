package bench

import (
	"context"
	"errors"
	"hash/crc32"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/internal/native"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

// statement is one upsert with its columns made before; copied is empty or the table to which native.Insert tries to copy
// the rows first.
type statement struct {
	copied, sql string
	columns     []*native.Param
	rows        int
}

// writer is what one connection commits, transaction by transaction.
type writer [][]statement

// The statements of the architectures' own sinks, word for word; a test holds them against each other.
const (
	kappaAnomaliesTable = "anomalies_1 (transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)"
	kappaWindowsTable   = "customer_windows_1 (customer_id, window_start, transactions, amount_paise, max_balance_paise)"

	kappaAnomalies = `
insert into anomalies_1
select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::timestamptz[])
on conflict do nothing`

	kappaWindows = `
insert into customer_windows_1 as w
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[])
on conflict (customer_id, window_start) do update set
  transactions = w.transactions + excluded.transactions,
  amount_paise = w.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(w.max_balance_paise, excluded.max_balance_paise)`

	kappaParts = `
insert into profile_parts_1 as p
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
on conflict (customer_id, location) do update set
  transactions = p.transactions + excluded.transactions,
  amount_paise = p.amount_paise + excluded.amount_paise,
  max_balance_paise = greatest(p.max_balance_paise, excluded.max_balance_paise),
  last_event_time = greatest(p.last_event_time, excluded.last_event_time)`

	lambdaAnomalies = `
insert into rt_anomalies (epoch, transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)
select $1::bigint, * from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::timestamptz[])
on conflict do nothing`

	lambdaWindows = `
insert into rt_windows as w (epoch, customer_id, window_start, transactions, amount_paise, max_balance_paise)
select $1::bigint, * from unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[])
on conflict (customer_id, window_start, epoch) do update set transactions = w.transactions + excluded.transactions,
  amount_paise = w.amount_paise + excluded.amount_paise, max_balance_paise = greatest(w.max_balance_paise, excluded.max_balance_paise)`

	lambdaParts = `
insert into rt_profile_parts as p (epoch, customer_id, location, transactions, amount_paise, max_balance_paise, last_event_time)
select $1::bigint, * from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[])
on conflict (customer_id, location, epoch) do update set transactions = p.transactions + excluded.transactions,
  amount_paise = p.amount_paise + excluded.amount_paise, max_balance_paise = greatest(p.max_balance_paise, excluded.max_balance_paise),
  last_event_time = greatest(p.last_event_time, excluded.last_event_time)`

	lambdaMaster = `
insert into raw_transactions (partition, "offset", transaction_id, customer_id, dob, gender, location, balance_paise, amount_paise, event_time)
select * from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
  $10::timestamptz[])
on conflict do nothing`
)

// transactions calls f with the first counted transactions of a scenario, in order, and gives how many there were. The
// event is f's to keep.
func transactions(s *scenarios.Scenario, most int, f func(*native.Event) error) (int, error) {
	schedule, source, err := stream(s)
	if err != nil {
		return 0, err
	}
	rules := bank.DefaultRules()
	type window struct {
		customer string
		start    bank.Micros
	}
	counts := map[window]int64{}
	count := 0
	for n := uint64(0); n < schedule.Len() && count < most; n++ {
		e := source.Event(n, nil)
		if e.Kind&(loadgen.Duplicate|loadgen.Malformed) != 0 {
			continue
		}
		event := &native.Event{Partition: int32(crc32.ChecksumIEEE(e.Key) % partitions), Offset: int64(n)}
		if err := bank.Decode(e.Value, &event.Transaction); err != nil {
			return 0, err
		}
		event.Window = rules.WindowStart(event.EventTime)
		w := window{string(event.Customer), event.Window}
		counts[w]++
		event.Count = counts[w]
		if err := f(event); err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}

// prepare makes the columns of so many transactions, folded by commits of so many events, for the connections that the
// architecture's stream components have.
func prepare(s *scenarios.Scenario, arch string, most, perCommit int) (writers []writer, events int, err error) {
	var folded, master writer
	var batch []*native.Event
	flush := func() {
		if len(batch) == 0 {
			return
		}
		fold := native.NewFold(bank.DefaultRules())
		fold.Reset()
		for _, e := range batch {
			fold.Add(e)
		}
		if arch == "kappa" {
			folded = append(folded, ofKappa(fold))
		} else {
			folded = append(folded, ofSpeed(fold))
			master = append(master, []statement{{"", lambdaMaster, masterColumns(batch), len(batch)}})
		}
		batch = batch[:0]
	}
	events, err = transactions(s, most, func(e *native.Event) error {
		if batch = append(batch, e); len(batch) == perCommit {
			flush()
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	flush()
	if master == nil {
		return []writer{folded}, events, nil
	}
	return []writer{folded, master}, events, nil
}

// ofKappa are the statements of one commit of Kappa's stream.
func ofKappa(fold *native.Fold) []statement {
	fresh, others := fold.Windows()
	return nonEmpty([]statement{
		{copied: kappaAnomaliesTable, sql: kappaAnomalies, columns: fold.Anomalies()},
		{copied: kappaWindowsTable, sql: kappaWindows, columns: fresh},
		{sql: kappaWindows, columns: others},
		{sql: kappaParts, columns: fold.Parts()},
	})
}

// ofSpeed are the statements of one commit of Lambda's speed layer, all in one epoch.
func ofSpeed(fold *native.Fold) []statement {
	fresh, others := fold.Windows()
	list := nonEmpty([]statement{
		{sql: lambdaWindows, columns: fresh}, {sql: lambdaWindows, columns: others}, {sql: lambdaParts, columns: fold.Parts()},
		{sql: lambdaAnomalies, columns: fold.Anomalies()},
	})
	for i := range list {
		list[i].columns = append([]*native.Param{native.Int8(0)}, list[i].columns...)
	}
	return list
}

// nonEmpty counts the rows and leaves out statements without any.
func nonEmpty(list []statement) []statement {
	var left []statement
	for _, s := range list {
		if s.rows = s.columns[0].Len(); s.rows > 0 {
			left = append(left, s)
		}
	}
	return left
}

func masterColumns(batch []*native.Event) []*native.Param {
	c := []*native.Param{
		native.Int4Array(), native.Int8Array(), native.TextArray(), native.TextArray(), native.TextArray(), native.TextArray(),
		native.TextArray(), native.Int8Array(), native.Int8Array(), native.TimeArray(),
	}
	text := func(p *native.Param, v []byte) {
		if v == nil {
			p.Null()
			return
		}
		p.Text(v)
	}
	for _, e := range batch {
		c[0].Int4(e.Partition)
		c[1].Int(e.Offset)
		for i, v := range [][]byte{e.ID, e.Customer, e.DOB, e.Gender, e.Location} {
			text(c[2+i], v)
		}
		if e.HasBalance {
			c[7].Int(int64(e.Balance))
		} else {
			c[7].Null()
		}
		c[8].Int(int64(e.Amount))
		c[9].Time(e.EventTime)
	}
	return c
}

// limit is what PostgreSQL takes from a bare loop.
type limit struct {
	perCommit      int
	events, rows   series // per second
	rowsOfAnEvent  float64
	eventsPrepared int
}

// limits measures every commit size, one after the other and all of that again.
func (b *Bench) limits(ctx context.Context, arch architectures.Architecture, rate float64) ([]limit, error) {
	s, err := constant(rate, b.Size.Hold)
	if err != nil {
		return nil, err
	}
	found := make([]limit, len(b.Size.Commits))
	prepared := make([][]writer, len(b.Size.Commits))
	for i, perCommit := range b.Size.Commits {
		found[i].perCommit = perCommit
		if prepared[i], found[i].eventsPrepared, err = prepare(s, arch.Name(), b.Size.Upserts, perCommit); err != nil {
			return nil, err
		}
	}
	for range b.Size.Repeat {
		for i := range found {
			took, rows, err := b.bareLoop(ctx, arch, prepared[i])
			if err != nil {
				return nil, err
			}
			events := float64(found[i].eventsPrepared)
			found[i].events = append(found[i].events, events/took.Seconds())
			found[i].rows = append(found[i].rows, float64(rows)/took.Seconds())
			found[i].rowsOfAnEvent = float64(rows) / events
			b.Log("bare loop, tables of %s, %d events a commit: %s events/s", arch.Name(), found[i].perCommit, number(events/took.Seconds()))
		}
	}
	return found, nil
}

// bareLoop commits what was prepared into the empty tables of an architecture, each writer on a connection of its own.
func (b *Bench) bareLoop(ctx context.Context, arch architectures.Architecture, writers []writer) (took time.Duration, rows int, err error) {
	err = b.servers(ctx, infra.Embedded{}, func(instance *infra.Instance) (err error) {
		d, err := deploy(ctx, instance, arch, time.Hour)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.drop(ctx)) }()
		conns := make([]*pgx.Conn, len(writers))
		for i := range writers {
			if conns[i], err = pgx.Connect(ctx, d.env.Postgres); err != nil {
				return err
			}
			defer conns[i].Close(context.WithoutCancel(ctx))
		}
		began := time.Now()
		group, ctx := errgroup.WithContext(ctx)
		for i, w := range writers {
			group.Go(func() error { return commitAll(ctx, conns[i], w) })
		}
		err = group.Wait()
		took = time.Since(began)
		return err
	})
	for _, w := range writers {
		for _, commit := range w {
			for _, s := range commit {
				rows += s.rows
			}
		}
	}
	return took, rows, err
}

func commitAll(ctx context.Context, conn *pgx.Conn, w writer) error {
	for _, commit := range w {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, s := range commit {
				if err := native.Insert(ctx, tx, s.copied, s.sql, s.columns...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
