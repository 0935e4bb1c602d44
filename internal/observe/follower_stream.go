package observe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// statusEvery is how often the server is told what it may forget.
const statusEvery = time.Second

// receive reads the connection until it breaks. It reads without a context, because watching one costs a goroutine for every
// message; a deadline set from outside ends a read early.
func (f *walSource) receive() error {
	conn := f.conn
	var nextStatus time.Time
	for {
		if f.beforeGet != nil {
			f.beforeGet()
		}
		if f.ctx.Err() != nil {
			return f.ctx.Err()
		}
		hurry := f.hurry.CompareAndSwap(true, false)
		if now := time.Now(); hurry || now.After(nextStatus) {
			if err := f.sendStatus(conn, hurry); err != nil {
				return err
			}
			nextStatus = now.Add(statusEvery)
			if err := conn.Conn().SetReadDeadline(nextStatus); err != nil {
				return err
			}
			if f.hurry.Load() || f.ctx.Err() != nil {
				continue // asked for just before the deadline was moved
			}
		}
		message, err := conn.ReceiveMessage(context.Background())
		if pgconn.Timeout(err) {
			nextStatus = time.Time{}
			continue
		}
		if err != nil {
			return err
		}
		switch message := message.(type) {
		case *pgproto3.CopyData:
			if err := f.handle(message.Data); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(message)
		case *pgproto3.CopyDone, *pgproto3.CommandComplete:
			return errors.New("the server ended the stream")
		}
	}
}

func (f *walSource) sendStatus(conn *pgconn.PgConn, reply bool) error {
	return pglogrepl.SendStandbyStatusUpdate(context.Background(), conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(f.position.Load()),
		ReplyRequested:   reply,
	})
}

// handle takes one message of the replication stream.
func (f *walSource) handle(data []byte) error {
	r := reader{rest: data}
	switch r.u8() {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		f.advance(r.u64()) // all that lies before has been sent
		r.u64()
		if r.u8() != 0 {
			return f.sendStatus(f.conn, false)
		}
		return nil
	case pglogrepl.XLogDataByteID:
		r.take(24) // positions and the server's clock
		kind := r.u8()
		if r.bad {
			return errShort
		}
		return f.logical(kind, r.rest)
	}
	return nil
}

// logical takes one message of pgoutput.
func (f *walSource) logical(kind byte, body []byte) error {
	switch kind {
	case msgInsert:
		return f.insert(body)
	case msgBegin:
		f.whole.reset()
	case msgCommit:
		c, err := parseCommit(body)
		if err != nil {
			return err
		}
		f.commit(&f.whole, c)
	case msgStreamStart:
		return f.startBlock(body)
	case msgStreamStop:
		f.block = 0
	case msgStreamCommit:
		return f.streamCommit(body)
	case msgStreamAbort:
		return f.streamAbort(body)
	case msgRelation:
		r := reader{rest: body}
		f.receiving(&r)
		rel, err := parseRelation(r.rest)
		if err != nil {
			return err
		}
		for i := range f.relations {
			if f.relations[i].oid == rel.oid {
				f.relations[i] = rel
				return nil
			}
		}
		f.relations = append(f.relations, rel)
	}
	return nil
}

// insert takes one row of the transaction being received. It allocates nothing but the growth of pending.
func (f *walSource) insert(body []byte) error {
	r := reader{rest: body}
	t := f.receiving(&r)
	oid := r.u32()
	rel, ok := f.relation(oid)
	if !ok {
		return fmt.Errorf("a row of table %d, which was not announced", oid)
	}
	id, rule, err := parseInsert(r.rest, rel)
	if err != nil {
		return err
	}
	f.row(t, id, rule)
	return nil
}

func (f *walSource) relation(oid uint32) (relation, bool) {
	for _, rel := range f.relations {
		if rel.oid == oid {
			return rel, true
		}
	}
	return relation{}, false
}

func (f *walSource) advance(position uint64) {
	if position > f.position.Load() {
		f.position.Store(position)
	}
}

// catchUp waits until the log has been received up to its present end.
func (f *walSource) catchUp(ctx context.Context) error {
	target, err := f.logEnd(ctx)
	if err != nil {
		return fmt.Errorf("ask for the end of the write-ahead log: %w", err)
	}
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	for f.position.Load() < uint64(target) {
		f.hurry.Store(true)
		f.wake()
		select {
		case <-f.done:
			return errors.New("the follower was closed")
		case <-ctx.Done():
			return fmt.Errorf("the observer has read the write-ahead log up to %s of %s: %w",
				pglogrepl.LSN(f.position.Load()), target, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// logEnd returns the present end of the log and has it flushed up to there, by committing something: the log is only sent
// as far as it is flushed, and an asynchronous commit may not be yet.
func (f *walSource) logEnd(ctx context.Context) (end pglogrepl.LSN, err error) {
	err = f.withConn(ctx, func(conn *pgx.Conn) error {
		var text string
		const query = "select pg_current_wal_insert_lsn()::text, pg_logical_emit_message(true, 'lkbench', '')"
		if err := conn.QueryRow(ctx, query).Scan(&text, nil); err != nil {
			return err
		}
		end, err = pglogrepl.ParseLSN(text)
		return err
	})
	return end, err
}

// wake ends a read that is under way.
func (f *walSource) wake() {
	f.connMu.Lock()
	defer f.connMu.Unlock()
	if f.conn != nil {
		_ = f.conn.Conn().SetReadDeadline(time.Now()) // fails on a broken connection only, where no read lasts
	}
}

// remove drops the publication and waits until the server has dropped the slots, which keep the database from being dropped.
func (f *walSource) remove(ctx context.Context) error {
	err := f.withConn(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "drop publication if exists "+f.cfg.Publication); err != nil {
			return err
		}
		for left := f.slots != ""; left; {
			const query = `select exists (select from pg_replication_slots where database = current_database()
				and starts_with(slot_name, $1)), pg_sleep(0.005)::text`
			if err := conn.QueryRow(ctx, query, f.slots).Scan(&left, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop publication %s and its slots: %w", f.cfg.Publication, err)
	}
	return nil
}
