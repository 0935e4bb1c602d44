package loadgen

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

// limits are the thresholds of the rules, at which boundary events are put.
type limits struct {
	percent           int64
	absolute          bank.Paise
	window, watermark bank.Micros
}

func newLimits(r scenarios.Rules) (limits, error) {
	l := limits{
		percent: int64(r.RelativePercent), absolute: bank.Paise(math.Round(r.AbsoluteINR * 100)),
		window: bank.Micros(r.Window / 1000), watermark: bank.Micros(r.Watermark / 1000),
	}
	if l.window <= 0 || l.percent < 0 || l.absolute < 0 || l.absolute >= bank.MaxPaise {
		return limits{}, fmt.Errorf("rules: window %v ns, relative_percent %d and absolute_inr %v, expected a window above 0, a percentage of 0 or more and an amount from 0 to 100 billion",
			int64(r.Window), r.RelativePercent, r.AbsoluteINR)
	}
	return l, nil
}

// move puts an event exactly on a threshold, or as little as possible beside it.
func (l limits) move(m *money, at *bank.Micros, d *draw) {
	beside := bank.Paise(d.below(3)) - 1 // a paisa below, on it, a paisa above
	m.balance.missing, m.balance.absent = false, false
	switch d.below(7) {
	case 0: // high_value_relative
		m.balance.paise = (m.balance.paise + 100) / 100 * 100 // whole rupees: the threshold is then whole paise
		m.amount = m.balance.paise*bank.Paise(l.percent)/100 + beside
	case 1: // overdraft_attempt
		m.amount = m.balance.paise + beside
	case 2: // high_value_absolute
		m.amount = l.absolute + beside
	case 3: // the same, money coming in
		m.amount = -l.absolute + beside
	case 4: // half a paisa rounds away from zero: to the threshold, or beyond it
		m.amount, m.half = l.absolute-1+max(0, beside), true
		if d.next()&1 == 0 {
			m.amount = -m.amount
		}
	case 5: // an empty account; a paisa or nothing
		m.balance.paise, m.amount = 0, beside
	case 6: // the first instant of a window, or the last of the one before while that is not late
		edge := *at - *at%l.window
		if beside < 0 && *at-edge < l.watermark {
			edge--
		}
		*at = edge
	}
	m.amount = min(max(m.amount, -bank.MaxPaise), bank.MaxPaise)
}

// raise makes an event raise an alert: high_value_absolute or overdraft_attempt.
func (l limits) raise(m *money, d *draw) {
	if d.next()&1 == 0 {
		m.amount = l.absolute + 1 + bank.Paise(d.below(uint64(l.absolute)+1))
	} else {
		m.balance.missing, m.balance.absent = false, false
		m.amount = m.balance.paise + 1 + bank.Paise(d.below(100_00))
	}
	m.amount = min(m.amount, bank.MaxPaise)
}

// spoil makes the record that begins at buf[start] malformed if the turn says so.
func (t *turn) spoil(buf []byte, start int) []byte {
	switch {
	case t.kind&Oversized != 0:
		return oversize(buf, start, &t.draw)
	case t.kind&Malformed != 0:
		return spoil(buf, start, &t.draw)
	}
	return buf
}

// spoil makes a record malformed, in one of the ways that docs/workload.md lists.
func spoil(buf []byte, start int, d *draw) []byte {
	switch d.below(12) {
	case 0: // cut off
		return buf[:start+1+int(d.below(uint64(len(buf)-start-1)))]
	case 1: // no value at all
		return buf[:start]
	case 2:
		return append(buf, `{"`...)
	case 3:
		return setField(buf, start, "TransactionAmountINR", `NaN`)
	case 4:
		return setField(buf, start, "TransactionAmountINR", `"459.03"`)
	case 5:
		return setField(buf, start, "TransactionAmountINR", `1e400`)
	case 6:
		return setField(buf, start, "TransactionAmountINR", `null`)
	case 7:
		return setField(buf, start, "CustomerID", `""`)
	case 8:
		return setField(buf, start, "EventTime", `"2016-08-32T25:61:00Z"`)
	case 9:
		return setField(buf, start, "CustGender", "\"\xff\xfe\"")
	case 10:
		return setField(buf, start, "CustAccountBalance", `true`)
	default: // a required field is missing: nobody reads it under this name
		i := start + bytes.Index(buf[start:], []byte(`"EventTime"`))
		buf[i+1] = 'e'
		return buf
	}
}

// oversizedValue is the size of an oversized value: a mebibyte, less what surrounds a record of ours in a batch (its key of at
// most 256 bytes, its header and about 90 bytes more). Kafka takes batches of 1,048,588 bytes unless told otherwise, others a mebibyte.
const oversizedValue = 1<<20 - 1<<10

// oversize makes the record that begins at buf[start] malformed and that large.
func oversize(buf []byte, start int, d *draw) []byte {
	flaw := [...]struct {
		field, open, close string
		fill               byte
	}{
		{"CustLocation", `"`, `"`, 'A'},       // a text beyond 256 bytes
		{"TransactionAmountINR", "", "", '9'}, // a number beyond any amount
		{"CustAccountBalance", "", "", '['},   // nesting beyond any stack, and never closed
	}[d.below(3)]
	buf = setField(buf, start, flaw.field, flaw.open+flaw.close)
	name := `"` + flaw.field + `":` + flaw.open
	i := start + bytes.Index(buf[start:], []byte(name)) + len(name)
	filled := start + oversizedValue - len(buf)
	buf = slices.Grow(buf, filled)
	buf = buf[:len(buf)+filled]
	copy(buf[i+filled:], buf[i:])
	filling := buf[i : i+filled]
	filling[0] = flaw.fill
	for done := 1; done < filled; done *= 2 { // much faster than byte by byte
		copy(filling[done:], filling[:done])
	}
	return buf
}

// setField replaces the value of a field of the flat object at buf[start:], or adds the field at its front.
func setField(buf []byte, start int, name, value string) []byte {
	i := bytes.Index(buf[start:], []byte(`"`+name+`":`))
	if i < 0 {
		return slices.Insert(buf, start+1, []byte(`"`+name+`":`+value+`,`)...)
	}
	i += start + len(name) + 3
	end := i
	if buf[end] == '"' {
		for end++; buf[end] != '"'; end++ {
			if buf[end] == '\\' {
				end++
			}
		}
	}
	for buf[end] != ',' && buf[end] != '}' {
		end++
	}
	return slices.Replace(buf, i, end, []byte(value)...)
}
