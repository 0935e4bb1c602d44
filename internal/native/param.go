package native

import (
	"encoding/binary"

	"lkbench/internal/bank"
)

// The types a Param can have, by PostgreSQL's fixed object identifiers.
const (
	oidInt4        = 23
	oidInt8        = 20
	oidText        = 25
	oidTimestamptz = 1184
)

// postgresEpoch is 2000-01-01 in microseconds since the Unix epoch: PostgreSQL's binary timestamps count from there.
const postgresEpoch = 946_684_800_000_000

// arrayHeader is the length of a one-dimensional array's header: dimensions, null flag, element type, length, lower bound.
const arrayHeader = 20

// Param is one parameter of a statement in PostgreSQL's binary form, written without an allocation per value and reused
// from batch to batch: usually an array that is a column of rows for unnest. It is created empty by TextArray,
// Int4Array, Int8Array, TimeArray, or complete by Int8 and
// Text.
type Param struct {
	buf   []byte
	n     int
	nulls bool
	array bool
}

func newArray(oid uint32) *Param {
	p := &Param{array: true, buf: make([]byte, arrayHeader)}
	binary.BigEndian.PutUint32(p.buf[0:], 1)
	binary.BigEndian.PutUint32(p.buf[8:], oid)
	binary.BigEndian.PutUint32(p.buf[16:], 1)
	return p
}

// TextArray is an empty text[].
func TextArray() *Param { return newArray(oidText) }

// Int4Array is an empty int[].
func Int4Array() *Param { return newArray(oidInt4) }

// Int8Array is an empty bigint[].
func Int8Array() *Param { return newArray(oidInt8) }

// TimeArray is an empty timestamptz[].
func TimeArray() *Param { return newArray(oidTimestamptz) }

// Int8 is a single bigint.
func Int8(v int64) *Param {
	return &Param{buf: binary.BigEndian.AppendUint64(nil, uint64(v))}
}

// Text is a single text.
func Text(s string) *Param { return &Param{buf: []byte(s)} }

// Reset empties an array and keeps its memory.
func (p *Param) Reset() { p.buf, p.n, p.nulls = p.buf[:arrayHeader], 0, false }

// Len is the number of values in an array.
func (p *Param) Len() int { return p.n }

// Text appends to a text[].
func (p *Param) Text(b []byte) {
	p.buf = binary.BigEndian.AppendUint32(p.buf, uint32(len(b)))
	p.buf = append(p.buf, b...)
	p.n++
}

// String appends to a text[].
func (p *Param) String(s string) {
	p.buf = binary.BigEndian.AppendUint32(p.buf, uint32(len(s)))
	p.buf = append(p.buf, s...)
	p.n++
}

// Int4 appends to an int[].
func (p *Param) Int4(v int32) {
	p.buf = binary.BigEndian.AppendUint32(p.buf, 4)
	p.buf = binary.BigEndian.AppendUint32(p.buf, uint32(v))
	p.n++
}

// Int appends to a bigint[].
func (p *Param) Int(v int64) {
	p.buf = binary.BigEndian.AppendUint32(p.buf, 8)
	p.buf = binary.BigEndian.AppendUint64(p.buf, uint64(v))
	p.n++
}

// Time appends to a timestamptz[].
func (p *Param) Time(m bank.Micros) { p.Int(int64(m) - postgresEpoch) }

// Null appends a null to any array.
func (p *Param) Null() {
	p.buf = binary.BigEndian.AppendUint32(p.buf, 0xffffffff)
	p.nulls = true
	p.n++
}

func (p *Param) value() []byte {
	if p.array {
		var flag uint32
		if p.nulls {
			flag = 1
		}
		binary.BigEndian.PutUint32(p.buf[4:], flag)
		binary.BigEndian.PutUint32(p.buf[12:], uint32(p.n))
	}
	return p.buf
}
