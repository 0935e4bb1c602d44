package observe

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// streamAbove is the size of the changes of a transaction, of all tables, from which it is received while it runs: some
// thousand rows, which take the server some milliseconds.
const streamAbove = "1MB"

// walSource reads the inserts of the alert tables from a temporary logical replication slot.
//
// When is an alert visible? PostgreSQL decodes a transaction after its commit record is on disk, and makes it visible to
// other sessions at the same moment (some microseconds apart). The follower takes one time a transaction, when it has received
// all of it: every row of it was visible by then at the latest. So a latency is never too short; it is too long by less than the
// observer lag, which is that time minus the server's commit time. The server takes its commit time before it flushes
// the log, hence the lag contains the flush. Large transactions, such as the publication of a batch generation, are
// received while they run; else the server would begin to send one at its commit, and all that commits meanwhile would wait
// behind it and seem to be late.
type walSource struct {
	*Follower
	hurry    atomic.Bool   // ask the server how far it is, now
	position atomic.Uint64 // everything before it has been received

	connMu sync.Mutex
	conn   *pgconn.PgConn

	// Of what is being received; whole is one that comes after its commit.
	relations []relation
	parts     map[part]*transaction // those that come in blocks while they run
	block     uint32                // transaction of the present block; 0 outside of one

	slots  string // how the names of its slots begin
	number int    // of slots made
}

// slotName gives a new name for a slot, of at most 63 bytes. Slots are named in the whole server, and it keeps an old one until it
// has noticed that its connection is lost.
func (f *walSource) slotName() string {
	if f.slots == "" {
		f.slots = f.cfg.Publication[:min(len(f.cfg.Publication), 40)] + "_" + strings.ToLower(rand.Text()[:13]) + "_"
	}
	f.number++
	return f.slots + strconv.Itoa(f.number)
}

// prepare creates the publication. It lists only the two columns the follower reads, which spares the server from
// writing the others out.
func (f *walSource) prepare(ctx context.Context) error {
	err := f.withConn(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf("begin; drop publication if exists %[1]s; create publication %[1]s for table %[2]s with (publish = 'insert'); commit",
			f.cfg.Publication, published(f.cfg.Tables)))
		return err
	})
	if err != nil {
		return fmt.Errorf("create publication %s: %w", f.cfg.Publication, err)
	}
	return nil
}

// published lists tables with the columns that are to be sent.
func published(tables []string) string {
	var listed []string
	for _, table := range tables {
		listed = append(listed, pgx.Identifier{table}.Sanitize()+" (transaction_id, rule)")
	}
	return strings.Join(listed, ", ")
}

// add extends the publication. The server heeds it for every transaction that it decodes from then on.
func (f *walSource) add(ctx context.Context, tables []string) error {
	return f.withConn(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "alter publication "+f.cfg.Publication+" add table "+published(tables))
		return err
	})
}

// connect makes a slot and begins to stream from it. With lookUp, the alerts in the tables that were not seen yet are put
// into pending, read in the snapshot at which the slot begins: what is in it does not come through the slot, what
// is not in it does. It returns the time at which that snapshot was known to hold.
func (f *walSource) connect(ctx context.Context, lookUp bool) (time.Time, error) {
	cfg, err := pgconn.ParseConfig(f.cfg.Postgres)
	if err != nil {
		return time.Time{}, err
	}
	cfg.RuntimeParams["replication"] = "database"
	cfg.RuntimeParams["logical_decoding_work_mem"] = streamAbove
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return time.Time{}, fmt.Errorf("open a replication connection: %w", err)
	}
	at, err := f.stream(ctx, conn, lookUp)
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error matters
		return time.Time{}, err
	}
	f.connMu.Lock()
	f.conn = conn
	f.connMu.Unlock()
	return at, nil
}

func (f *walSource) stream(ctx context.Context, conn *pgconn.PgConn, lookUp bool) (time.Time, error) {
	slotName := f.slotName()
	slot, err := pglogrepl.CreateReplicationSlot(ctx, conn, slotName, "pgoutput",
		pglogrepl.CreateReplicationSlotOptions{Temporary: true, Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT"})
	if err != nil {
		return time.Time{}, fmt.Errorf("create replication slot %s: %w", slotName, err)
	}
	at := f.cfg.Now()
	if lookUp {
		if err := f.lookUp(ctx, slot.SnapshotName); err != nil {
			return time.Time{}, fmt.Errorf("look up alerts missed: %w", err)
		}
	}
	start, err := pglogrepl.ParseLSN(slot.ConsistentPoint)
	if err != nil {
		return time.Time{}, fmt.Errorf("consistent point of the slot: %w", err)
	}
	f.relations = f.relations[:0]
	err = pglogrepl.StartReplication(ctx, conn, slotName, start, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '2'", "streaming 'on'", fmt.Sprintf("publication_names '%s'", f.cfg.Publication)},
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("start replication: %w", err)
	}
	f.advance(uint64(start))
	return at, nil
}

// lookUp reads all alerts of a snapshot and keeps as pending those not seen yet. Rows already seen are no repeats
// here, and rows that cannot be decoded were counted when they were streamed, or not at all: neither is counted.
func (f *walSource) lookUp(ctx context.Context, snapshot string) error {
	f.forget()
	err := f.withConn(ctx, func(conn *pgx.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(ctx))
		if _, err := tx.Exec(ctx, fmt.Sprintf("set transaction snapshot '%s'", snapshot)); err != nil {
			return err
		}
		for _, table := range f.alertTables() {
			rows, err := tx.Query(ctx, "select transaction_id, rule from "+pgx.Identifier{table}.Sanitize())
			if err != nil {
				return err
			}
			for rows.Next() {
				value := rows.RawValues()
				f.row(&f.whole, value[0], value[1])
			}
			if err := rows.Err(); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return nil
	})
	f.whole.repeats, f.whole.undecoded = 0, 0
	return err
}

// disconnect closes the connection, and with it the slot.
func (f *walSource) disconnect() {
	f.connMu.Lock()
	conn := f.conn
	f.conn = nil
	f.connMu.Unlock()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it may be broken already
}
