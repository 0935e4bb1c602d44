package native

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A lost connection is opened again after these waits, and given up after patience in a row.
const (
	shortestWait = 20 * time.Millisecond
	longestWait  = 500 * time.Millisecond
	patience     = 60 * time.Second
)

const (
	takeOver = `
insert into offsets (component, partition, owner, next_offset, max_event_time, rebuild_offset, late, duplicates, dead_letters)
select $1, p, $2, 0, $4, 0, 0, 0, 0 from generate_series(0, $3 - 1) p order by p
on conflict (component, partition) do update set owner = excluded.owner
returning next_offset, max_event_time, rebuild_offset, late, duplicates, dead_letters`

	// In order of partition, as a batch plan locks them, so that the two cannot block each other.
	lockRows = `select partition, owner, next_offset, epoch from offsets where component = $1 order by partition for update`

	updateRows = `
update offsets set next_offset = n.next_offset, max_event_time = n.max_event_time, rebuild_offset = n.rebuild_offset,
  late = n.late, duplicates = n.duplicates, dead_letters = n.dead_letters
from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  n (partition, next_offset, max_event_time, rebuild_offset, late, duplicates, dead_letters)
where offsets.component = $1::text and offsets.partition = n.partition`
)

// committer is the second stage: it writes batches, one after the other, on a connection of its own.
type committer struct {
	config  Config
	address *pgx.ConnConfig
	owner   string
	produce func(context.Context, []letter) error
	conn    *pgx.Conn // nil or closed: to be opened
	rows    []*Param  // of updateRows, by column
}

// open takes the component's rows of table offsets over from whoever had them and returns them by partition. The config
// of the committer is complete.
func open(ctx context.Context, config Config) (*committer, []row, error) {
	address, err := Address(config.Environment, config.Component)
	if err != nil {
		return nil, nil, err
	}
	c := &committer{
		config: config, address: address, owner: rand.Text(),
		rows: []*Param{Int4Array(), Int8Array(), Int8Array(), Int8Array(), Int8Array(), Int8Array(), Int8Array()},
	}
	var rows []row
	if err := c.insist(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			if rows, err = c.takeOver(ctx, tx, config.Component); err != nil || config.Begin == nil {
				return err
			}
			c.config = config
			return config.Begin(ctx, tx, &c.config)
		})
	}); err != nil {
		c.close()
		return nil, nil, fmt.Errorf("take over table offsets: %w", err)
	}
	return c, rows, nil
}

// takeOver makes this process the owner of a component's rows and returns them. It waits for a commit that is under way.
func (c *committer) takeOver(ctx context.Context, tx pgx.Tx, component string) ([]row, error) {
	found, err := tx.Query(ctx, takeOver, component, c.owner, c.config.Environment.Partitions, int64(noTime))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(r pgx.CollectableRow) (row, error) {
		var o row
		err := r.Scan(&o.next, &o.newest, &o.rebuild, &o.late, &o.duplicates, &o.deadLetters)
		return o, err
	})
}

func (c *committer) close() {
	if c.conn != nil {
		// An open transaction is rolled back by the server; there is nobody to tell about anything else.
		_ = c.conn.Close(context.Background())
	}
}

// commit writes a batch. When it returns nil the batch is in the database, once. An empty batch only looks whether this
// process has been replaced.
func (c *committer) commit(ctx context.Context, b *Batch) error {
	return c.insist(ctx, func(conn *pgx.Conn) error { return c.attempt(ctx, conn, b) })
}

// attempt writes a batch in one transaction. It may be repeated whatever became of an earlier attempt, because it first
// looks at the rows, which also waits for the end of a transaction whose connection was lost.
func (c *committer) attempt(ctx context.Context, conn *pgx.Conn, b *Batch) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	done, err := c.lock(ctx, tx, b)
	if err == nil && !done {
		// Dead letters first: once the offsets are committed nobody would send them again. And under the lock: whoever takes
		// the rows over waits for this commit, so that none is sent by both.
		if err = c.send(ctx, b); err == nil {
			err = c.write(ctx, tx, b)
		}
	}
	if err != nil || done {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

// send produces the dead letters of a batch, once however often the batch is tried.
func (c *committer) send(ctx context.Context, b *Batch) error {
	if len(b.letters) == 0 {
		return nil
	}
	if err := c.produce(ctx, b.letters); err != nil {
		return err
	}
	clear(b.letters)
	b.letters = b.letters[:0]
	return nil
}

// lock locks the component's rows, holds them against what this process believes and reads the epoch. done says that
// there is nothing to do: the batch is empty, or was committed by an earlier attempt.
func (c *committer) lock(ctx context.Context, tx pgx.Tx, b *Batch) (done bool, err error) {
	next := make([]int64, c.config.Environment.Partitions)
	found, err := tx.Query(ctx, lockRows, c.config.Component)
	if err != nil {
		return false, err
	}
	var partition int32
	var owner string
	var offset int64
	count := 0
	if _, err = pgx.ForEachRow(found, []any{&partition, &owner, &offset, &b.Epoch}, func() error {
		if owner != c.owner {
			return ErrReplaced
		}
		next[partition] = offset
		count++
		return nil
	}); err != nil {
		return false, err
	}
	if count != len(next) { // a successor has put its rows in their place while this waited for the lock
		return false, fmt.Errorf("%d of %d rows are left: %w", count, len(next), ErrReplaced)
	}
	committed := 0
	for _, p := range b.positions {
		switch next[p.partition] {
		case p.believed:
		case p.next:
			committed++
		default:
			return false, fmt.Errorf("partition %d: next_offset is %d, expected %d: %w", p.partition, next[p.partition], p.believed, ErrReplaced)
		}
	}
	if committed != 0 && committed != len(b.positions) {
		return false, fmt.Errorf("next_offset of %d of %d partitions is ahead: %w", committed, len(b.positions), ErrReplaced)
	}
	return committed == len(b.positions), nil
}

func (c *committer) write(ctx context.Context, tx pgx.Tx, b *Batch) error {
	if err := c.settle(ctx, tx, b); err != nil {
		return err
	}
	if len(b.Events) > 0 {
		if err := c.config.Sink.Write(ctx, tx, b); err != nil {
			return err
		}
	}
	for _, p := range c.rows {
		p.Reset()
	}
	for _, p := range b.positions {
		c.rows[0].Int4(p.partition)
		for i, v := range []int64{p.next, int64(p.newest), p.rebuild, p.late, p.duplicates, p.deadLetters} {
			c.rows[i+1].Int(v)
		}
	}
	hit, err := Exec(ctx, tx, updateRows, append([]*Param{Text(c.config.Component)}, c.rows...)...)
	if err == nil && hit != int64(len(b.positions)) {
		err = fmt.Errorf("table offsets: %d rows updated, expected %d", hit, len(b.positions))
	}
	return err
}

// insist calls f with a connection, again with a new one as long as the reason of failure is one that passes.
func (c *committer) insist(ctx context.Context, f func(*pgx.Conn) error) error {
	wait := shortestWait
	for started := time.Now(); ; {
		err := c.connect(ctx)
		if err == nil {
			err = f(c.conn)
		}
		if err == nil || ctx.Err() != nil || !c.passing(err) {
			return err
		}
		if time.Since(started) > patience {
			return fmt.Errorf("PostgreSQL has not recovered for %v: %w", patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, longestWait)
	}
}

func (c *committer) connect(ctx context.Context) (err error) {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	c.conn, err = pgx.ConnectConfig(ctx, c.address)
	return err
}

// stoodStill is PostgreSQL's code for a session it ended because it did nothing in its transaction for too long.
const stoodStill = "25P03"

// passing says that the same transaction may succeed on a new try: the connection was lost or refused, the server is
// going down or coming up, or it chose this transaction to end a deadlock.
func (c *committer) passing(err error) bool {
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) {
		return slices.Contains([]string{"08", "40", "53", "57"}, server.Code[:2]) || server.Code == stoodStill
	}
	return c.conn == nil || c.conn.IsClosed()
}
