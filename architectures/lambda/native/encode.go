package native

import (
	"encoding/binary"
	"io"

	"lkbench/internal/bank"
)

// copyRows is rows in the form of binary COPY.
type copyRows struct{ buf []byte }

func (c *copyRows) begin(fields int) { c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(fields)) }

func (c *copyRows) text(b []byte) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(b)))
	c.buf = append(c.buf, b...)
}

func (c *copyRows) int(v int64) {
	c.buf = append(c.buf, 0, 0, 0, 8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
}

func (c *copyRows) paise(v bank.Paise) {
	if v == noBalance {
		c.null()
		return
	}
	c.int(int64(v))
}

func (c *copyRows) time(m bank.Micros) { c.int(int64(m) - postgresEpoch) }

func (c *copyRows) null() { c.buf = append(c.buf, 0xff, 0xff, 0xff, 0xff) }

func (c *copyRows) window(s *shard, w *window) {
	c.begin(5)
	c.text(s.names.bytes(s.customers[w.customer].name))
	c.time(w.start)
	c.int(int64(w.transactions))
	c.int(int64(w.amount))
	c.paise(w.balance)
}

func (c *copyRows) part(s *shard, p *part) {
	c.begin(6)
	c.text(s.names.bytes(s.customers[p.customer].name))
	c.text(s.places.bytes(p.location))
	c.int(p.transactions)
	c.int(int64(p.amount))
	c.paise(p.balance)
	c.time(p.last)
}

// anomaly is a row of a rule that looks at one transaction only.
func (c *copyRows) anomaly(t *bank.Transaction, rule string) {
	balance := bank.Paise(noBalance)
	if t.HasBalance {
		balance = t.Balance
	}
	c.begin(7)
	c.text(t.ID)
	c.text([]byte(rule))
	c.text(t.Customer)
	c.time(t.EventTime)
	c.int(int64(t.Amount))
	c.paise(balance)
	c.null()
}

func (c *copyRows) velocity(s *shard, w *window, alert *candidate) {
	c.begin(7)
	c.text(s.id(alert))
	c.text([]byte(bank.Velocity))
	c.text(s.names.bytes(s.customers[w.customer].name))
	c.time(alert.eventTime)
	c.int(int64(alert.amount))
	c.paise(alert.balance)
	c.time(w.start)
}

// copyChunk is about how much is encoded at a time.
const copyChunk = 1 << 16

// copyReader is the input of a binary COPY, encoded while it is read.
type copyReader struct {
	rows copyRows
	fill func(*copyRows) bool // appends a few rows; false if there are no more
	at   int
	done bool
}

func newCopyReader(fill func(*copyRows) bool) *copyReader {
	return &copyReader{rows: copyRows{buf: append(make([]byte, 0, 2*copyChunk), copyHeader...)}, fill: fill}
}

func (r *copyReader) Read(b []byte) (int, error) {
	if r.at == len(r.rows.buf) {
		if r.done {
			return 0, io.EOF
		}
		r.rows.buf, r.at = r.rows.buf[:0], 0
	}
	for !r.done && len(r.rows.buf) < copyChunk {
		if !r.fill(&r.rows) {
			r.rows.buf = append(r.rows.buf, 0xff, 0xff)
			r.done = true
		}
	}
	n := copy(b, r.rows.buf[r.at:])
	r.at += n
	return n, nil
}
