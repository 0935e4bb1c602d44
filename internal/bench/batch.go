package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"lkbench/architectures"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

// remeasured is how long after a generation can be seen its measures stand for sure: how long the publishing transaction
// took is added once it has ended.
const remeasured = 200 * time.Millisecond

// batchSpan is the event time that ten million master rows cover.
const batchSpan = 28 * 24 * time.Hour

// batch lets Lambda's batch component compute a first generation, and a second one after some more rows; beside it stand
// reading the same rows with nothing done to them, and PostgreSQL writing the same results by itself.
func (b *Bench) batch(ctx context.Context) error {
	for _, rows := range b.Size.MasterRows {
		repeat := b.Size.Repeat
		if rows > 2_000_000 {
			repeat = 1 // minutes each
		}
		var all []*generations
		for i := range repeat {
			b.Log("%d: %s master rows: filling", i+1, number(float64(rows)))
			var g *generations
			err := b.servers(ctx, infra.Embedded{}, func(instance *infra.Instance) (err error) {
				g, err = b.generations(ctx, instance, rows)
				return err
			})
			if err != nil {
				return err
			}
			all = append(all, g)
			b.Log("%d: first generation: read and compute %s s, publish %s s; changes: publish %s s",
				i+1, number(g.first.ReadS), number(g.first.PublishS), number(g.second.PublishS))
		}
		if err := b.batchTable(rows, all); err != nil {
			return err
		}
	}
	return nil
}

// generation is a published generation and the component's peak memory in MiB.
type generation struct {
	architectures.Batch
	peak float64
}

// generations is what one filling of the master dataset gave. Durations are in seconds.
type generations struct {
	first, second                  generation
	bareRead, bareInsert, bareKeys float64
}

func (b *Bench) batchTable(rows int, all []*generations) error {
	of := func(f func(*generations) float64) series {
		var s series
		for _, g := range all {
			s = append(s, f(g))
		}
		return s
	}
	var figures [][]string
	for _, line := range []struct {
		name string
		of   func(generation) float64
	}{
		{"master rows read", func(g generation) float64 { return float64(g.Rows) }},
		{"result rows written", func(g generation) float64 { return float64(g.ChangedRows) }},
		{"read and compute, s", func(g generation) float64 { return g.ReadS }},
		{"stage, s", func(g generation) float64 { return g.WriteS }},
		{"publish, s", func(g generation) float64 { return g.PublishS }},
		{"from start to published, s", func(g generation) float64 { return g.PublishedAt.Sub(g.StartedAt).Seconds() }},
		{"peak memory, MiB", func(g generation) float64 { return g.peak }},
	} {
		figures = append(figures, []string{
			line.name, of(func(g *generations) float64 { return line.of(g.first) }).text(number),
			of(func(g *generations) float64 { return line.of(g.second) }).text(number),
		})
	}
	read, insert, keys := of(func(g *generations) float64 { return g.bareRead }), of(func(g *generations) float64 { return g.bareInsert }), of(func(g *generations) float64 { return g.bareKeys })
	ourRead, ourWrite := of(func(g *generations) float64 { return g.first.ReadS }), of(func(g *generations) float64 { return g.first.WriteS + g.first.PublishS })
	both := of(func(g *generations) float64 { return g.bareInsert + g.bareKeys })
	return errors.Join(
		table(b.Out, []string{
			number(float64(rows)) + " master rows", "first generation", fmt.Sprintf("after %s more (%s)", number(float64(b.Size.FreshRows)), all[0].second.Mode),
		}, figures),
		table(b.Out, []string{"bare, beside the first generation", "s", "the batch's own, s", "own ÷ bare"}, [][]string{
			{"read: binary COPY of the same columns on two connections, thrown away", read.text(number), ourRead.text(number), ourRead.over(read).text(number)},
			{"write: insert … select of the same rows within the server", insert.text(number), "", ""},
			{"keys: alter table … add primary key", keys.text(number), "", ""},
			{"write and keys together, against stage and publish", both.text(number), ourWrite.text(number), ourWrite.over(both).text(number)},
		}))
}

func (b *Bench) generations(ctx context.Context, instance *infra.Instance, rows int) (g *generations, err error) {
	d, err := deploy(ctx, instance, lambda.New(), time.Hour)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.drop(ctx)) }()
	m, err := newMaster(rows + b.Size.FreshRows)
	if err != nil {
		return nil, err
	}
	if err := m.fill(ctx, d.env.Postgres, rows); err != nil {
		return nil, err
	}
	g = &generations{}
	if g.bareRead, err = readMaster(ctx, d.env.Postgres); err != nil {
		return nil, err
	}
	if g.first, err = b.generation(ctx, d, 1); err != nil {
		return nil, err
	}
	if g.bareInsert, g.bareKeys, err = rewrite(ctx, d.env.Postgres); err != nil {
		return nil, err
	}
	if err := m.fill(ctx, d.env.Postgres, b.Size.FreshRows); err != nil {
		return nil, err
	}
	d.env.Settings.BatchEvery = time.Millisecond // else the second would wait for its time
	if g.second, err = b.generation(ctx, d, 2); err != nil {
		return nil, err
	}
	if g.first.Rows != int64(rows) || g.second.Rows != int64(rows+b.Size.FreshRows) {
		return nil, fmt.Errorf("%w: the generations cover %d and %d rows of %d and %d", errIncorrect, g.first.Rows, g.second.Rows, rows, rows+b.Size.FreshRows)
	}
	return g, nil
}

// generation runs the batch component until it has published generation n.
func (b *Bench) generation(ctx context.Context, d *deployment, n int64) (g generation, err error) {
	p, err := b.start(d, "batch")
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, p.Abort()) }()
	var seen time.Time
	err = await(ctx, p, func() (bool, error) {
		batches, err := d.Batches(ctx)
		if err != nil || int64(len(batches)) < n {
			return false, err
		}
		if seen.IsZero() {
			seen = time.Now()
		}
		g = generation{batches[n-1], peakMiB(p.PID())}
		return time.Since(seen) > remeasured, nil
	})
	return g, err
}

// peakMiB is the largest resident size a process has had; NaN where the system does not tell.
func peakMiB(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return math.NaN()
	}
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 64); err == nil {
				return kib / 1024
			}
		}
	}
	return math.NaN()
}

// master makes the rows of the master dataset from the same synthetic events as every load.
type master struct {
	source  loadgen.Source
	next    uint64
	offsets [partitions]int64
}

func newMaster(rows int) (*master, error) {
	s, err := constant(replayRate, time.Duration(rows)*time.Second/replayRate+time.Second)
	if err != nil {
		return nil, err
	}
	s.Warmup = 0
	s.Events.Duplicates, s.Events.Malformed = 0, 0
	s.Events.Speed = batchSpan.Seconds() / (10e6 / replayRate)
	s.Events.Disorder = scenarios.Disorder{}
	_, source, err := stream(s)
	return &master{source: source}, err
}

// fill appends rows as ingest would have, and moves the positions of the stream components behind them.
func (m *master) fill(ctx context.Context, postgres string, rows int) error {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	columns := []string{"partition", "offset", "transaction_id", "customer_id", "dob", "gender", "location", "balance_paise", "amount_paise", "event_time"}
	end := m.next + uint64(rows)
	var buf []byte
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"raw_transactions"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if m.next == end {
			return nil, nil
		}
		e := m.source.Event(m.next, buf[:0])
		buf = e.Key
		m.next++
		return m.row(e)
	}))
	if err != nil {
		return fmt.Errorf("fill the master dataset: %w", err)
	}
	for p, offset := range m.offsets {
		_, err := conn.Exec(ctx, `
			insert into offsets (component, partition, owner, next_offset, max_event_time, rebuild_offset, late, duplicates, dead_letters)
			select c, $1::int, 'bench', $2::bigint, 0, 0, 0, 0, 0 from (values ('ingest'), ('speed')) v (c)
			on conflict (component, partition) do update set next_offset = excluded.next_offset`, p, offset)
		if err != nil {
			return fmt.Errorf("move the stream components' positions: %w", err)
		}
	}
	// Neither the statistics of the planner nor the pages still to be written are the batch's affair.
	for _, statement := range []string{"vacuum (analyze) raw_transactions", "checkpoint"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (m *master) row(e loadgen.Event) ([]any, error) {
	var t bank.Transaction
	if err := bank.Decode(e.Value, &t); err != nil {
		return nil, err
	}
	p := crc32.ChecksumIEEE(e.Key) % partitions
	m.offsets[p]++
	text := func(b []byte) any {
		if b == nil {
			return nil
		}
		return string(b)
	}
	var balance any
	if t.HasBalance {
		balance = int64(t.Balance)
	}
	return []any{
		int32(p), m.offsets[p] - 1, string(t.ID), string(t.Customer), text(t.DOB), text(t.Gender), text(t.Location), balance,
		int64(t.Amount), t.EventTime.Time(),
	}, nil
}

// readMaster reads the columns that the batch reads, in halves of the table on two connections, and throws them away.
func readMaster(ctx context.Context, postgres string) (seconds float64, err error) {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var pages int64
	const size = `select pg_relation_size('raw_transactions') / current_setting('block_size')::bigint`
	if err := conn.QueryRow(ctx, size).Scan(&pages); err != nil {
		return 0, err
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, half := range []string{"ctid < '(%d,0)'", "ctid >= '(%d,0)'"} {
		group.Go(func() error {
			conn, err := pgconn.Connect(ctx, postgres)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			_, err = conn.CopyTo(ctx, io.Discard, `copy (select customer_id, transaction_id, location, balance_paise, amount_paise, event_time,
				"offset" << 16 | partition from raw_transactions where `+fmt.Sprintf(half, pages/2)+`) to stdout (format binary)`)
			return err
		})
	}
	err = group.Wait()
	return time.Since(began).Seconds(), err
}

// rewrite has PostgreSQL write the batch views again within the server, without keys, and then build the keys.
func rewrite(ctx context.Context, postgres string) (insert, keys float64, err error) {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	timed := func(statement string) float64 {
		began := time.Now()
		if err == nil {
			_, err = conn.Exec(ctx, statement)
		}
		return time.Since(began).Seconds()
	}
	for _, t := range []struct{ table, key string }{
		{"batch_anomalies", "transaction_id, rule"}, {"batch_windows", "customer_id, window_start"}, {"batch_profile_parts", "customer_id, location"},
	} {
		timed("create table again (like " + t.table + ")")
		insert += timed("insert into again select * from " + t.table)
		keys += timed("alter table again add primary key (" + t.key + ")")
		timed("drop table again")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("write the batch views again: %w", err)
	}
	return insert, keys, nil
}
