package observe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The messages of pgoutput, protocol version 2, that the follower meets: a publication of inserts sends no others that matter.
const (
	msgBegin        = 'B'
	msgCommit       = 'C'
	msgRelation     = 'R'
	msgInsert       = 'I'
	msgStreamStart  = 'S'
	msgStreamStop   = 'E'
	msgStreamCommit = 'c'
	msgStreamAbort  = 'A'
)

// errShort is a message that ends before its fields do.
var errShort = errors.New("the message is cut short")

// postgresEpoch is 2000-01-01, from which PostgreSQL counts microseconds.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// relation is what is needed of a table to read its rows: where the two columns stand.
type relation struct {
	oid      uint32
	id, rule int
}

// commit is the end of a transaction.
type commit struct {
	end    uint64 // position in the log behind the transaction
	micros int64  // the server's clock when it committed, microseconds since the Unix epoch
}

// reader takes fields off the front of a message. After the first field that is not there, bad is set and all
// fields are zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	field := r.rest[:n]
	r.rest = r.rest[n:]
	return field
}

func (r *reader) u8() byte {
	if f := r.take(1); f != nil {
		return f[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if f := r.take(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if f := r.take(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if f := r.take(8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

// text takes bytes up to a zero byte.
func (r *reader) text() []byte {
	end := bytes.IndexByte(r.rest, 0)
	field := r.take(end)
	r.take(1)
	return field
}

// parseCommit reads the body of a Commit message.
func parseCommit(body []byte) (commit, error) {
	r := reader{rest: body}
	r.u8()  // flags, unused
	r.u64() // position of the commit itself
	c := commit{end: r.u64(), micros: postgresEpoch + int64(r.u64())}
	if r.bad {
		return commit{}, fmt.Errorf("commit: %w", errShort)
	}
	return c, nil
}

// parseRelation reads the body of a Relation message, which comes before the first row of a table.
func parseRelation(body []byte) (relation, error) {
	r := reader{rest: body}
	rel := relation{oid: r.u32(), id: -1, rule: -1}
	r.text() // schema
	table := r.text()
	r.u8() // replica identity
	for i := range int(r.u16()) {
		r.u8() // flags
		switch string(r.text()) {
		case "transaction_id":
			rel.id = i
		case "rule":
			rel.rule = i
		}
		r.take(8) // type and its modifier
	}
	if r.bad {
		return relation{}, fmt.Errorf("relation: %w", errShort)
	}
	if rel.id < 0 || rel.rule < 0 {
		return relation{}, fmt.Errorf("table %s lacks a column transaction_id or rule", table)
	}
	return rel, nil
}

// parseInsert takes the two columns out of an Insert message without copying them; null gives nil. The table's oid,
// which the body starts with, was read by the caller.
func parseInsert(row []byte, rel relation) (id, rule []byte, err error) {
	r := reader{rest: row}
	r.u8() // 'N': a new row follows
	for i := range int(r.u16()) {
		var value []byte
		switch kind := r.u8(); kind {
		case 't':
			value = r.take(int(r.u32()))
		case 'n':
		default:
			if !r.bad {
				return nil, nil, fmt.Errorf("insert: a column of kind %q, expected text or null", kind)
			}
		}
		switch i {
		case rel.id:
			id = value
		case rel.rule:
			rule = value
		}
	}
	if r.bad {
		return nil, nil, fmt.Errorf("insert: %w", errShort)
	}
	return id, rule, nil
}
