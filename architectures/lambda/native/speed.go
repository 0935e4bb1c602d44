package native

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// runSpeed keeps the realtime views: what the published generation does not cover, each event under the epoch of the
// generation after whose cut it lies.
func runSpeed(ctx context.Context, env architectures.Environment) error {
	return native.Run(ctx, native.Config{
		Component: "speed", Environment: env, Detect: true, Unsettled: true, Sink: newSpeedSink(env),
	})
}

// speedSink folds events by key and adds them to the realtime views.
type speedSink struct {
	partitions int
	deployed   bank.Rules // in force until the first change
	fold       *native.Fold
	unsettled  []*native.Param // columns of rt_unsettled
	// Cuts are never changed once a plan has committed, so that they need reading only when the epoch has moved on.
	epoch int64
	cuts  []cut
}

// cut is where the events of an epoch begin, by partition, and the rules that they are under.
type cut struct {
	generation int64
	offsets    []int64
	rules      bank.Rules
}

func newSpeedSink(env architectures.Environment) *speedSink {
	return &speedSink{
		partitions: int(env.Partitions), deployed: env.Rules, fold: native.NewFold(env.Rules), epoch: -1,
		unsettled: []*native.Param{
			native.TextArray(), native.TimeArray(), native.Int8Array(), native.TextArray(), native.TimeArray(), native.Int8Array(), native.Int8Array(),
		},
	}
}

// The tables whose rows are nearly always new, with their columns.
const (
	rtWindows   = "rt_windows (epoch, customer_id, window_start, transactions, amount_paise, max_balance_paise)"
	rtAnomalies = "rt_anomalies (epoch, transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)"
)

const (
	addWindows = `
insert into rt_windows as w (epoch, customer_id, window_start, transactions, amount_paise, max_balance_paise)
select $1::bigint, * from unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[])
on conflict (customer_id, window_start, epoch) do update set transactions = w.transactions + excluded.transactions,
  amount_paise = w.amount_paise + excluded.amount_paise, max_balance_paise = greatest(w.max_balance_paise, excluded.max_balance_paise)`

	addParts = `
insert into rt_profile_parts as p (epoch, customer_id, location, transactions, amount_paise, max_balance_paise, last_event_time)
select $1::bigint, * from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[])
on conflict (customer_id, location, epoch) do update set transactions = p.transactions + excluded.transactions,
  amount_paise = p.amount_paise + excluded.amount_paise, max_balance_paise = greatest(p.max_balance_paise, excluded.max_balance_paise),
  last_event_time = greatest(p.last_event_time, excluded.last_event_time)`

	addAnomalies = `
insert into rt_anomalies (epoch, transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start)
select $1::bigint, * from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::timestamptz[])
on conflict do nothing`

	addUnsettled = `
insert into rt_unsettled (epoch, customer_id, window_start, "offset", transaction_id, event_time, amount_paise, balance_paise)
select $1::bigint, * from unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[])`

	// Velocity alerts that the view shows by these unsettled events.
	tellUnsettledOf = `
insert into generation_alerts (transaction_id, rule, generation)
select v.transaction_id, 'velocity', 0 from unnest($1::text[], $2::timestamptz[], $3::bigint[]) u (customer_id, window_start, "offset"),
lateral (
  select transaction_id from unsettled_velocity v
  where v.customer_id = u.customer_id and v.window_start = u.window_start and v."offset" = u."offset" offset 0 -- by key, one by one
) v
on conflict do nothing`
)

func (s *speedSink) Write(ctx context.Context, tx pgx.Tx, b *native.Batch) error {
	if err := s.follow(ctx, tx, b.Epoch); err != nil {
		return err
	}
	// Nearly always all events are of the newest epoch; when a plan has just been made, some are of the one before.
	for i := range s.cuts {
		s.reset()
		s.fold.Rules(s.cuts[i].rules)
		none := true
		for n := range b.Events {
			if e := &b.Events[n]; s.epochOf(e) == i {
				s.take(e)
				none = false
			}
		}
		if none {
			continue
		}
		if err := s.add(ctx, tx, s.cuts[i].generation); err != nil {
			return err
		}
	}
	return nil
}

func (s *speedSink) reset() {
	s.fold.Reset()
	for _, p := range s.unsettled {
		p.Reset()
	}
}

func (s *speedSink) take(e *native.Event) {
	s.fold.Add(e)
	if !e.Unsettled {
		return
	}
	c := s.unsettled
	c[0].Text(e.Customer)
	c[1].Time(e.Window)
	c[2].Int(e.Offset)
	c[3].Text(e.ID)
	c[4].Time(e.EventTime)
	c[5].Int(int64(e.Amount))
	if e.HasBalance {
		c[6].Int(int64(e.Balance))
	} else {
		c[6].Null()
	}
}

// follow reads the cuts if a plan has moved the epoch on since they were read: those of the published generation and of
// the planned ones, with the rules that a change has given to each or to one before it.
func (s *speedSink) follow(ctx context.Context, tx pgx.Tx, epoch int64) error {
	if epoch == s.epoch {
		return nil
	}
	found, err := tx.Query(ctx, `select generation, array_agg(cut_offset order by partition),
			coalesce((select rules from changes where changes.generation <= cuts.generation order by changes.generation desc limit 1), $2::jsonb)
		from cuts where generation between (select generation from serving) and $1 group by generation order by generation`, epoch, s.deployed)
	if err != nil {
		return fmt.Errorf("read table cuts: %w", err)
	}
	cuts, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (cut, error) {
		var c cut
		err := r.Scan(&c.generation, &c.offsets, &c.rules)
		return c, err
	})
	if err != nil {
		return fmt.Errorf("read table cuts: %w", err)
	}
	for _, c := range cuts {
		if len(c.offsets) != s.partitions {
			return fmt.Errorf("table cuts: generation %d has %d partitions, expected %d", c.generation, len(c.offsets), s.partitions)
		}
	}
	if len(cuts) == 0 || cuts[len(cuts)-1].generation != epoch {
		return fmt.Errorf("table cuts: no cut of generation %d, which the offsets of speed name as their epoch", epoch)
	}
	s.cuts, s.epoch = cuts, epoch
	return nil
}

// epochOf is the number in s.cuts of the last cut at or below e, or -1 if even the first lies above: then the published
// generation covers e.
func (s *speedSink) epochOf(e *native.Event) int {
	i := len(s.cuts) - 1
	for i >= 0 && e.Offset < s.cuts[i].offsets[e.Partition] {
		i--
	}
	return i
}

func (s *speedSink) add(ctx context.Context, tx pgx.Tx, epoch int64) error {
	key := native.Int8(epoch)
	fresh, others := s.fold.Windows()
	for _, w := range []struct {
		statement, copied string
		columns           []*native.Param
	}{
		{addAnomalies, rtAnomalies, s.fold.Anomalies()},
		{addWindows, rtWindows, fresh},
		{addWindows, "", others},
		{addParts, "", s.fold.Parts()},
		{addUnsettled, "", s.unsettled},
	} {
		if err := native.Insert(ctx, tx, w.copied, w.statement, append([]*native.Param{key}, w.columns...)...); err != nil {
			return err
		}
	}
	if s.unsettled[0].Len() == 0 {
		return nil
	}
	_, err := native.Exec(ctx, tx, tellUnsettledOf, s.unsettled[:3]...)
	return err
}
