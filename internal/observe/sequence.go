package observe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// pollEvery is how often the tables are read: the resolution of what is seen by sequence.
const pollEvery = 10 * time.Millisecond

// numberName is the column, and the sequence behind it. It is the tables' last column and has a default, so that neither a COPY or
// an insert that names its columns nor an insert that gives the first ones by position notices it.
const numberName = "lkbench_seq"

// lockWithin bounds the wait for the lock that adding or dropping a column needs.
const lockWithin = "20s"

// sequenceSource reads the alert tables themselves, every pollEvery, for rows with numbers not read yet. It is for servers
// whose log may not be followed. It costs the system under test a number and an index entry a row, and the reading.
//
// A row of an answer was visible when the answer came, and was not when the poll before it was sent: so a latency is never
// too short, and too long by less than the time between these two, which is the observer lag here.
type sequenceSource struct {
	*Follower
	conn    *pgx.Conn
	numbers numbers
	read    []int64
	sent    time.Time // when the last poll that was answered was sent

	begun, done atomic.Uint64 // number of the poll begun last, and of the last whose rows are recorded
}

// prepare adds the column to every table. Rows that are there have no number and are not seen.
//
// A number must be given to a transaction that has its id already, else nothing would say that it is still under way: a plain
// sequence gives numbers to transactions without one.
func (s *sequenceSource) prepare(ctx context.Context) error {
	if err := s.remove(ctx); err != nil {
		return err
	}
	ddl := []string{"begin", "set local lock_timeout = '" + lockWithin + "'"}
	for i, table := range s.tables() {
		ddl = append(ddl, "alter table "+table+" add column "+numberName+" bigint")
		if i == 0 { // one for all tables; it goes with this column
			ddl = append(ddl, "create sequence "+numberName+" cache 1 owned by "+table+"."+numberName)
		}
		ddl = append(ddl, "alter table "+table+" alter column "+numberName+
			" set default case when pg_current_xact_id() > '0'::xid8 then nextval('"+numberName+"') end",
			"create index on "+table+" ("+numberName+")")
	}
	err := s.withConn(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, strings.Join(append(ddl, "commit"), "; "))
		return err
	})
	if err != nil {
		return fmt.Errorf("add the column %s to %s: %w", numberName, strings.Join(s.cfg.Tables, ", "), err)
	}
	return nil
}

// add is not possible: a table that comes up while it is written to cannot get the column without holding its writer up.
func (s *sequenceSource) add(context.Context, []string) error {
	return errors.New("tables that come up during a run can be followed by the write-ahead log only")
}

// remove drops the columns; of the first table last, because the sequence goes with it.
func (s *sequenceSource) remove(ctx context.Context) error {
	err := s.withConn(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "set lock_timeout = '"+lockWithin+"'"); err != nil {
			return err
		}
		for _, table := range slices.Backward(s.tables()) {
			if _, err := conn.Exec(ctx, "alter table if exists "+table+" drop column if exists "+numberName); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop the column %s of %s: %w", numberName, strings.Join(s.cfg.Tables, ", "), err)
	}
	return nil
}

func (s *sequenceSource) tables() []string {
	var quoted []string
	for _, table := range s.cfg.Tables {
		quoted = append(quoted, pgx.Identifier{table}.Sanitize())
	}
	return quoted
}

// settings keep the plan to the index, also when it was made for tables that were empty.
const settings = `set enable_seqscan = off; set enable_material = off; set max_parallel_workers_per_gather = 0; set jit = off;
	set application_name = 'lkbench observer'`

func (s *sequenceSource) connect(ctx context.Context, lookUp bool) (time.Time, error) {
	s.disconnect()
	s.numbers, s.sent = numbers{}, s.cfg.Now()
	conn, err := pgx.Connect(ctx, s.cfg.Postgres)
	if err != nil {
		return time.Time{}, err
	}
	s.conn = conn
	if _, err := conn.Exec(ctx, settings); err != nil || !lookUp {
		return s.sent, err
	}
	// Whatever was numbered is read again. Rows already seen are no repeats here, and those that cannot be decoded were counted
	// when they were read first, or not at all.
	sent, at, err := s.poll(ctx)
	s.whole.repeats, s.whole.undecoded = 0, 0
	s.sent = sent
	return at, err
}

// receive polls until the connection breaks.
func (s *sequenceSource) receive() error {
	for {
		if s.beforeGet != nil {
			s.beforeGet()
		}
		next := time.After(pollEvery)
		number := s.begun.Add(1)
		sent, at, err := s.poll(s.ctx)
		if err != nil {
			return err
		}
		if s.whole.rows > 0 {
			s.lagged(at.Sub(s.sent))
			s.visible(&s.whole, time.Time{}, at)
		}
		s.sent = sent
		s.done.Store(number)
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-next:
		}
	}
}

// The kinds of rows in the answer to a poll.
const (
	kindAlert   = iota // a numbered row
	kindRunning        // the lowest transaction that ran when the answer's snapshot was taken
	kindNext           // the next transaction id
)

// query reads all tables in one statement, hence in one snapshot. age counts from a transaction id to the next one that will
// be given away: a snapshot's own upper bound would leave out transactions that began last and have not ended.
func (s *sequenceSource) query() string {
	parts := []string{
		fmt.Sprintf("select %d, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, null::text, null::text", kindRunning),
		fmt.Sprintf("select %d, pg_snapshot_xmax(s)::text::bigint + age(pg_snapshot_xmax(s)::xid), null, null from pg_current_snapshot() s", kindNext),
	}
	for _, table := range s.tables() {
		row := fmt.Sprintf("select %d, %s, transaction_id::text, rule::text from %s ", kindAlert, numberName, table)
		parts = append(parts, row+"where "+numberName+" > $1",
			row+"join unnest($2::bigint[], $3::bigint[]) as missing (f, t) on "+numberName+" between f and t")
	}
	return strings.Join(parts, "\nunion all\n")
}

// poll asks once and puts the rows that were not read before into whole. It gives the times before and after.
func (s *sequenceSource) poll(ctx context.Context) (sent, at time.Time, err error) {
	s.read = s.read[:0]
	var running, next uint64
	from, to := s.numbers.missed()
	sent = s.cfg.Now()
	rows, err := s.conn.Query(ctx, s.query(), s.numbers.high, from, to)
	if err != nil {
		return sent, at, err
	}
	for rows.Next() {
		value := rows.RawValues() // integers are binary, as pgx asks for them
		number := int64(binary.BigEndian.Uint64(value[1]))
		switch binary.BigEndian.Uint32(value[0]) {
		case kindRunning:
			running = uint64(number)
		case kindNext:
			next = uint64(number)
		default:
			s.read = append(s.read, number)
			s.row(&s.whole, value[2], value[3])
		}
	}
	if err := rows.Err(); err != nil {
		return sent, at, err
	}
	at = s.cfg.Now()
	s.numbers.take(s.read, running, next)
	return sent, at, nil
}

// catchUp waits for the rows of a poll that begins after the call.
func (s *sequenceSource) catchUp(ctx context.Context) error {
	target := s.begun.Load() + 1
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	for s.done.Load() < target {
		select {
		case <-s.Follower.done:
			return errors.New("the follower was closed")
		case <-ctx.Done():
			return fmt.Errorf("the observer has not read the alert tables again: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// wake has nothing to do: a poll ends with the follower's context.
func (s *sequenceSource) wake() {}

func (s *sequenceSource) forget() { s.whole.reset() }

func (s *sequenceSource) disconnect() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // it may be broken already
	s.conn = nil
}
