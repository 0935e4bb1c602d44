package native

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"lkbench/internal/bank"
)

// row is a row of the master dataset as the batch sees it. Its byte slices refer to the buffer it was parsed from.
type row struct {
	bank.Transaction
	// position is offset × 2^16 + partition: one column less on the wire, and within a partition it orders like offset.
	position int64
}

func (r *row) partition() int { return int(r.position & 0xffff) }
func (r *row) offset() int64  { return r.position >> 16 }

// rowColumns are what parse expects, in its order. Dates of birth and genders are not read, as no view shows them.
const rowColumns = `customer_id, transaction_id, location, balance_paise, amount_paise, event_time, "offset" << 16 | partition`

// postgresEpoch is 2000-01-01 in microseconds since the Unix epoch: binary timestamps count from there.
const postgresEpoch = 946_684_800_000_000

// errMaster says that the master dataset holds what it cannot hold; trying again does not help.
var errMaster = errors.New("raw_transactions is damaged")

var errTuple = fmt.Errorf("%w: a row on the wire is not of the expected form", errMaster)

// parse reads a tuple of binary COPY with rowColumns.
func (r *row) parse(b []byte) error {
	if len(b) < 2 || binary.BigEndian.Uint16(b) != 7 {
		return errTuple
	}
	b = b[2:]
	var field [7][]byte
	for i := range field {
		if len(b) < 4 {
			return errTuple
		}
		n := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n < 0 {
			continue
		}
		if int(n) > len(b) || i > 2 && n != 8 {
			return errTuple
		}
		field[i], b = b[:n:n], b[n:]
	}
	if len(b) != 0 || field[0] == nil || field[1] == nil || field[4] == nil || field[5] == nil || field[6] == nil {
		return errTuple
	}
	r.Customer, r.ID, r.Location = field[0], field[1], field[2]
	r.HasBalance, r.Balance = field[3] != nil, 0
	if r.HasBalance {
		r.Balance = bank.Paise(binary.BigEndian.Uint64(field[3]))
	}
	r.Amount = bank.Paise(binary.BigEndian.Uint64(field[4]))
	r.EventTime = bank.Micros(binary.BigEndian.Uint64(field[5])) + postgresEpoch
	r.position = int64(binary.BigEndian.Uint64(field[6]))
	return nil
}

// copyHeader begins every binary COPY: signature, no flags, no extension.
var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// isTrailer says whether b ends a binary COPY.
func isTrailer(b []byte) bool { return len(b) == 2 && b[0] == 0xff && b[1] == 0xff }

// tuples hands the rows of a binary COPY to each. PostgreSQL sends the header, every row and the trailer as a message of
// its own, so a Write is exactly one of them; the slice is valid only during the call.
type tuples struct {
	begun bool
	each  func(tuple []byte) error
}

func (t *tuples) Write(b []byte) (int, error) {
	switch {
	case !t.begun:
		if !bytes.HasPrefix(b, copyHeader) {
			return 0, fmt.Errorf("binary COPY begins with %q", b[:min(len(b), len(copyHeader))])
		}
		t.begun = true
		if len(b) == len(copyHeader) {
			return len(b), nil
		}
		return len(b), t.row(b[len(copyHeader):])
	default:
		return len(b), t.row(b)
	}
}

func (t *tuples) row(b []byte) error {
	if isTrailer(b) {
		return nil
	}
	return t.each(b)
}
