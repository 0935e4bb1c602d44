package oracle

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"lkbench/internal/bank"
	"lkbench/loadgen"
)

// view is the shape of one served view as it is dumped.
type view struct {
	name    string
	columns []string
	keys    int // how many of the first columns are the key
}

var (
	viewAnomalies = view{"anomalies",
		[]string{"transaction_id", "rule", "customer_id", "event_time", "amount_paise", "balance_paise", "window_start"}, 2}
	viewWindows = view{"customer_windows",
		[]string{"customer_id", "window_start", "transactions", "amount_paise", "max_balance_paise"}, 2}
	viewProfiles = view{"customer_profiles",
		[]string{"customer_id", "transactions", "amount_paise", "average_amount", "max_balance_paise", "top_location", "segment", "last_event_time"}, 1}
)

// timeColumns are dumped as microseconds since the Unix epoch.
var timeColumns = map[string]bool{"event_time": true, "window_start": true, "last_event_time": true}

// expectedRows are the rows a view must have. The one found last, or visited now, is the current one.
type expectedRows interface {
	// find makes the row with the key of the given one current and returns where to note that it was seen; nil if none has.
	find(row []field) (seen *bool)
	// render writes the columns of the current row.
	render(to *rowText)
	// all visits every row in a fixed order.
	all(visit func(seen bool))
}

// tally is the outcome of holding a view against the rows expected of it.
type tally struct {
	expected, observed, missing, duplicate, wrong, unexpected int64

	differences differences
}

// compareView reads a view's dump through and ticks off what is expected.
func compareView(dump io.Reader, file string, v view, want expectedRows) (tally, error) {
	var t tally
	var expected rowText
	text := func(row []field) string { return v.describe(row[v.keys:]) }
	in := newCSVReader(dump, file, len(v.columns))
	for {
		row, err := in.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return t, err
		}
		t.observed++
		seen := want.find(row)
		if seen == nil {
			t.unexpected++
			t.differences.add(v.name, kindUnexpected, func() (key, expected, observed string) { return v.key(row), "", text(row) })
			continue
		}
		expected.reset()
		want.render(&expected)
		if *seen {
			t.duplicate++
			t.differences.add(v.name, kindDuplicate, func() (string, string, string) { return v.key(row), text(expected.fields()), text(row) })
			continue
		}
		*seen = true
		if !expected.equals(row) {
			t.wrong++
			t.differences.add(v.name, kindWrong, func() (string, string, string) { return v.key(row), text(expected.fields()), text(row) })
		}
	}
	want.all(func(seen bool) {
		t.expected++
		if seen {
			return
		}
		t.missing++
		t.differences.add(v.name, kindMissing, func() (string, string, string) {
			expected.reset()
			want.render(&expected)
			row := expected.fields()
			return v.key(row), text(row), ""
		})
	})
	return t, nil
}

func (v view) key(row []field) string {
	var parts []string
	for i := range v.keys {
		parts = append(parts, readable(v.columns[i], row[i]))
	}
	return strings.Join(parts, " ")
}

// describe names the columns that are not the key.
func (v view) describe(values []field) string {
	var parts []string
	for i, f := range values {
		name := v.columns[v.keys+i]
		parts = append(parts, name+"="+readable(name, f))
	}
	return strings.Join(parts, " ")
}

func readable(column string, f field) string {
	switch {
	case f.null:
		return "null"
	case len(f.text) == 0:
		return `""`
	}
	if timeColumns[column] {
		if micros, err := strconv.ParseInt(string(f.text), 10, 64); err == nil {
			return instant(micros)
		}
	}
	return string(f.text)
}

// instant writes microseconds since the Unix epoch for a reader.
func instant(micros int64) string {
	return bank.Micros(micros).Time().Format("2006-01-02T15:04:05.999999Z")
}

// rowText is a row in the text form of a dump.
type rowText struct {
	buf  []byte
	ends []int
	null []bool
	row  []field
}

func (r *rowText) reset() { r.buf, r.ends, r.null = r.buf[:0], r.ends[:0], r.null[:0] }

func (r *rowText) end(null bool) {
	r.ends = append(r.ends, len(r.buf))
	r.null = append(r.null, null)
}

func (r *rowText) text(s string) { r.buf = append(r.buf, s...); r.end(false) }
func (r *rowText) int(v int64)   { r.buf = strconv.AppendInt(r.buf, v, 10); r.end(false) }

// id writes the TransactionID of event n.
func (r *rowText) id(n uint64) { r.buf = loadgen.AppendID(r.buf, n); r.end(false) }

// intIf writes NULL unless known.
func (r *rowText) intIf(known bool, v int64) {
	if known {
		r.int(v)
	} else {
		r.end(true)
	}
}

// decimal writes hundredths with two digits after the point.
func (r *rowText) decimal(hundredths int64) { r.buf = appendDecimal(r.buf, hundredths); r.end(false) }

func appendDecimal(to []byte, hundredths int64) []byte {
	if hundredths < 0 {
		to, hundredths = append(to, '-'), -hundredths
	}
	to = strconv.AppendInt(to, hundredths/100, 10)
	return append(to, '.', byte('0'+hundredths/10%10), byte('0'+hundredths%10))
}

func (r *rowText) fields() []field {
	r.row = r.row[:0]
	start := 0
	for i, end := range r.ends {
		r.row = append(r.row, field{text: r.buf[start:end], null: r.null[i]})
		start = end
	}
	return r.row
}

func (r *rowText) equals(row []field) bool {
	for i, f := range r.fields() {
		if f.null != row[i].null || !bytes.Equal(f.text, row[i].text) {
			return false
		}
	}
	return true
}
