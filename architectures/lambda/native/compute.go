package native

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"lkbench/internal/bank"
)

// aggregate is what one reading of the master dataset comes to. Its memory is used again by the next reading.
type aggregate struct {
	rules   bank.Rules // of the present reading
	shards  [shardCount]shard
	readers []*reader
	covered tally // rows below the cut
	known   tally // of them, below the last cut

	rangePages   int64 // how many pages one statement reads
	pendingBytes int   // when a reader's rows for a shard are added
}

// A range is small enough that the readers end together and stay near each other in the log, and large enough that
// statements cost nothing. What is pending for all shards fits the processor's cache.
const (
	defaultRangePages   = 2048
	defaultPendingBytes = 1 << 15
)

// tally is how many rows there were and what they were, whatever their order.
type tally struct {
	rows        int64
	fingerprint uint64
}

func (t *tally) add(tuple uint64) {
	t.rows++
	t.fingerprint += tuple
}

func (t *tally) merge(o tally) {
	t.rows += o.rows
	t.fingerprint += o.fingerprint
}

func newAggregate() *aggregate {
	// A reader keeps a processor busy, and so does the server's process that feeds it; more of them than processors
	// hide each other's waiting, but every one has buffers of its own.
	a := &aggregate{
		readers:    make([]*reader, max(2, min(runtime.GOMAXPROCS(0), 8))),
		rangePages: defaultRangePages, pendingBytes: defaultPendingBytes,
	}
	for i := range a.readers {
		a.readers[i] = &reader{aggregate: a}
	}
	return a
}

// reader is what one connection has read. Rows are collected by shard, and a shard is locked only to add many at once,
// while its tables are in the processor's cache.
type reader struct {
	aggregate      *aggregate
	cut, last      []int64 // by partition
	row            row
	pending        [shardCount][]byte // tuples, each with its length before it
	rows           []addition         // those of one shard
	covered, known tally
	// Alerts of the rules that look at one transaction, in the order read, apart for rows below the last cut and above.
	anomalies, freshAnomalies chunks
}

func (r *reader) reset(cut, last []int64) {
	r.cut, r.last = cut, last
	r.covered, r.known = tally{}, tally{}
	r.anomalies.reset()
	r.freshAnomalies.reset()
	for i := range r.pending {
		r.pending[i] = r.pending[i][:0]
	}
}

// add takes one tuple of the master dataset.
func (r *reader) add(tuple []byte) error {
	if err := r.row.parse(tuple); err != nil {
		return err
	}
	p := r.row.partition()
	if p >= len(r.cut) {
		return fmt.Errorf("%w: transaction %q is of partition %d, expected 0 to %d", errMaster, r.row.ID, p, len(r.cut)-1)
	}
	if r.row.offset() >= r.cut[p] {
		return nil
	}
	print := xxhash.Sum64(tuple)
	r.covered.add(print)
	anomalies := &r.freshAnomalies
	if r.row.offset() < r.last[p] {
		r.known.add(print)
		anomalies = &r.anomalies
	}
	for _, rule := range r.aggregate.rules.Check(&r.row.Transaction) {
		anomalies.next().anomaly(&r.row.Transaction, rule)
	}

	shard := customerHash(r.row.Customer) >> (64 - 8)
	pending := binary.BigEndian.AppendUint32(r.pending[shard], uint32(len(tuple)))
	r.pending[shard] = append(pending, tuple...)
	if len(r.pending[shard]) >= r.aggregate.pendingBytes {
		return r.flush(int(shard))
	}
	return nil
}

// flush adds a shard's pending rows to it.
func (r *reader) flush(n int) error {
	s := &r.aggregate.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	r.rows = r.rows[:0]
	for b := r.pending[n]; len(b) > 0; {
		size := binary.BigEndian.Uint32(b)
		r.rows = append(r.rows, addition{})
		a := &r.rows[len(r.rows)-1]
		if err := a.parse(b[4 : 4+size]); err != nil {
			return err
		}
		a.customerHash = customerHash(a.Customer)
		a.fresh = a.offset() >= r.last[a.partition()]
		b = b[4+size:]
	}
	s.addAll(r.rows)
	r.pending[n] = r.pending[n][:0]
	return nil
}

// read counts every row of raw_transactions below the cut of p, in parallel and by its rules, as the exported snapshot shows
// the table. pages is the size of the table; the last range is open, so rows on later pages are not lost.
func (a *aggregate) read(ctx context.Context, address *pgconn.Config, snapshot string, pages int64, p plan) error {
	a.rules = p.rules
	for i := range a.shards {
		a.shards[i].reset(p.rules)
	}
	ranges := max(1, (pages+a.rangePages-1)/a.rangePages)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range a.readers {
		r.reset(p.cut, p.last)
		group.Go(func() error {
			return r.read(ctx, address, snapshot, func() (from, to int64, ok bool) {
				n := next.Add(1) - 1
				to = (n + 1) * a.rangePages
				if n == ranges-1 {
					to = -1
				}
				return n * a.rangePages, to, n < ranges
			})
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("read raw_transactions: %w", err)
	}
	a.covered, a.known = tally{}, tally{}
	for _, r := range a.readers {
		a.covered.merge(r.covered)
		a.known.merge(r.known)
	}
	a.covered.fingerprint += logicOf(p.rules)
	a.known.fingerprint += logicOf(p.rules)
	return nil
}

// errSnapshotGone says that the connection that exported the snapshot has ended meanwhile.
var errSnapshotGone = errors.New("the exported snapshot is gone")

// undefinedObject is PostgreSQL's code for it.
const undefinedObject = "42704"

// read reads ranges of pages [from, to), to = -1 meaning without end, until take has no more.
func (r *reader) read(ctx context.Context, address *pgconn.Config, snapshot string, take func() (from, to int64, ok bool)) error {
	conn, err := pgconn.ConnectConfig(ctx, address)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	begin := "begin transaction isolation level repeatable read read only; set transaction snapshot " + quote(snapshot)
	if _, err := conn.Exec(ctx, begin).ReadAll(); err != nil {
		if server := (*pgconn.PgError)(nil); errors.As(err, &server) && server.Code == undefinedObject {
			return fmt.Errorf("%w: %w", errSnapshotGone, err)
		}
		return err
	}
	for {
		from, to, ok := take()
		if !ok {
			break
		}
		where := fmt.Sprintf("ctid >= '(%d,0)'", from)
		if to >= 0 {
			where += fmt.Sprintf(" and ctid < '(%d,0)'", to)
		}
		sql := "copy (select " + rowColumns + " from raw_transactions where " + where + ") to stdout (format binary)"
		if _, err := conn.CopyTo(ctx, &tuples{each: r.add}, sql); err != nil {
			return err
		}
	}
	for n := range r.pending {
		if err := r.flush(n); err != nil {
			return err
		}
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// chunks is many encoded rows, in buffers that never move.
type chunks struct {
	list []copyRows
	used int
}

const chunkBytes = 1 << 20

// next is where to encode the next row.
func (c *chunks) next() *copyRows {
	if c.used > 0 && len(c.list[c.used-1].buf) < chunkBytes-1024 {
		return &c.list[c.used-1]
	}
	if c.used == len(c.list) {
		c.list = append(c.list, copyRows{buf: make([]byte, 0, chunkBytes)})
	}
	c.used++
	return &c.list[c.used-1]
}

func (c *chunks) reset() {
	for i := range c.list {
		c.list[i].buf = c.list[i].buf[:0]
	}
	c.used = 0
}

func (c *chunks) bytes() [][]byte {
	var all [][]byte
	for _, rows := range c.list[:c.used] {
		all = append(all, rows.buf)
	}
	return all
}
