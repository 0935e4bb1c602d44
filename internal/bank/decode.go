package bank

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Malformed says why a record is not a transaction. Reason is short and the same for the same kind of defect, so that
// dead letters can be counted by it.
type Malformed struct{ Reason string }

func (m *Malformed) Error() string { return "malformed record: " + m.Reason }

// Decode reads the value of a record into t, by the rules of docs/workload.md. The slices of t may refer to value. An
// error is always a *Malformed; then t is not to be used.
//
// What a record means is defined by decodeReference alone. decodePlain only recognises the form that nearly every record
// has, without allocating, and declines the rest.
func Decode(value []byte, t *Transaction) error {
	if decodePlain(value, t) {
		return nil
	}
	return decodeReference(value, t)
}

// The fields, in the order in which the generator writes them.
const (
	fieldID = iota
	fieldCustomer
	fieldDOB
	fieldGender
	fieldLocation
	fieldBalance
	fieldAmount
	fieldTime
	fieldCount

	requiredFields = 1<<fieldID | 1<<fieldCustomer | 1<<fieldAmount | 1<<fieldTime
)

// fieldNames are the names in JSON, by the constants above.
var fieldNames = [fieldCount]string{
	"TransactionID", "CustomerID", "CustomerDOB", "CustGender", "CustLocation",
	"CustAccountBalance", "TransactionAmountINR", "EventTime",
}

// decodePlain decodes an object that has only the eight fields, each at most once, in any order, with no escapes and no
// number that needs rounding. It returns false for everything else, be it well-formed or not.
func decodePlain(b []byte, t *Transaction) bool {
	*t = Transaction{}
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	seen, field := 0, -1
	for i := 1; ; i++ { // i is past the brace or the comma
		i = skipSpace(b, i)
		field, i = scanField(b, i, field+1)
		if field < 0 || seen&(1<<field) != 0 {
			return false
		}
		seen |= 1 << field
		i = skipSpace(b, i)

		if i+4 <= len(b) && string(b[i:i+4]) == "null" {
			if requiredFields&(1<<field) != 0 {
				return false
			}
			i += 4
		} else if field == fieldBalance || field == fieldAmount {
			var p Paise
			if p, i = scanPaise(b, i); i < 0 {
				return false
			}
			if field == fieldAmount {
				t.Amount = p
			} else {
				t.Balance, t.HasBalance = p, true
			}
		} else {
			var s []byte
			if s, i = scanText(b, i); i < 0 || !t.setText(field, s) {
				return false
			}
		}

		i = skipSpace(b, i)
		if i >= len(b) {
			return false
		}
		if b[i] == '}' {
			return i == len(b)-1 && seen&requiredFields == requiredFields
		}
		if b[i] != ',' {
			return false
		}
	}
}

// setText stores a text field and says whether it is acceptable as it is.
func (t *Transaction) setText(field int, s []byte) bool {
	if field == fieldTime {
		var defect string
		t.EventTime, defect = parseTime(s)
		return defect == ""
	}
	if len(s) > MaxText {
		return false
	}
	if len(s) == 0 {
		return requiredFields&(1<<field) == 0 // an empty optional text is a missing one
	}
	switch field {
	case fieldID:
		t.ID = s
	case fieldCustomer:
		t.Customer = s
	case fieldDOB:
		t.DOB = s
	case fieldGender:
		t.Gender = s
	case fieldLocation:
		t.Location = s
	}
	return true
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanField reads a field name and its colon at b[i]. It tries the expected field first. The field is -1 if there is
// no known one.
func scanField(b []byte, i, expected int) (field, end int) {
	for n := range fieldCount {
		field := (expected + n) % fieldCount
		name := fieldNames[field]
		end := i + len(name) + 2
		if end >= len(b) || b[i] != '"' || b[end-1] != '"' || string(b[i+1:end-1]) != name {
			continue
		}
		if end = skipSpace(b, end); end == len(b) || b[end] != ':' {
			return -1, -1
		}
		return field, end + 1
	}
	return -1, -1
}

// scanText reads a string without escapes at b[i]. The end is -1 if there is none.
func scanText(b []byte, i int) (s []byte, end int) {
	if i >= len(b) || b[i] != '"' {
		return nil, -1
	}
	i++
	start, ascii := i, true
	for i+8 <= len(b) {
		n, high := plainPrefix(binary.LittleEndian.Uint64(b[i:]))
		ascii = ascii && !high
		i += n
		if n < 8 {
			break
		}
	}
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if s = b[start:i]; !ascii && !utf8.Valid(s) {
				return nil, -1
			}
			return s, i + 1
		case c == '\\' || c < ' ':
			return nil, -1
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, -1
}

// plainPrefix says how many of eight bytes come before a quote, a backslash or a control character, and whether
// one of all eight is not ASCII.
func plainPrefix(x uint64) (n int, high bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^('"'*ones), x^('\\'*ones)
	stop := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & highs
	return bits.TrailingZeros64(stop) / 8, x&highs != 0
}

// scanPaise reads a number of at most eleven digits before and two after the point at b[i]: such a number is exact in paise.
// The end is -1 if there is none. A third decimal or an exponent stays unread, where the caller expects a comma or a brace.
func scanPaise(b []byte, i int) (p Paise, end int) {
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	start := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		p = p*10 + Paise(b[i]-'0')
	}
	if n := i - start; n == 0 || n > 11 || n > 1 && b[start] == '0' {
		return 0, -1
	}
	p *= 100
	if i < len(b) && b[i] == '.' {
		if i++; i == len(b) || b[i]-'0' > 9 {
			return 0, -1
		}
		p += 10 * Paise(b[i]-'0')
		if i++; i < len(b) && b[i]-'0' <= 9 {
			p += Paise(b[i] - '0')
			i++
		}
	}
	if negative {
		p = -p
	}
	return p, i
}
