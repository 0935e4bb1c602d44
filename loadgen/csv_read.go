package loadgen

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"lkbench/internal/bank"
)

// table is a file of rows, made ready to be sent.
type table struct {
	rows     []row
	text     []byte // key and JSON fragment of one row after the other
	first    bank.Micros
	bad      int64
	badLines []int64 // the first keptBadLines of them
	sha256   string
}

// row lies in the table's text: the key, and after it the JSON between the TransactionID and the EventTime; for a row that cannot
// be read, all of the JSON after the TransactionID.
type row struct {
	start, end uint64
	time       bank.Micros // its own
	key        uint16
	bad        bool
	complete   bool // balance and location are known
}

const keptBadLines = 100

// unreadableKey is the key of rows without a usable customer.
const unreadableKey = "unreadable"

// The columns, by their names without blanks and punctuation, in lower case.
const (
	columnCustomer = iota
	columnDOB
	columnGender
	columnLocation
	columnBalance
	columnDate
	columnTime
	columnAmount
	columnCount
)

var columnNames = [columnCount][]string{
	{"CustomerID"}, {"CustomerDOB"}, {"CustGender"}, {"CustLocation"}, {"CustAccountBalance"}, {"TransactionDate"}, {"TransactionTime"},
	{"TransactionAmount (INR)", "TransactionAmountINR", "TransactionAmount"},
}

// readTable reads a whole file. Rows that cannot be read are part of the table; an error means that nothing of it can be used.
func readTable(r io.Reader) (*table, error) {
	hash := sha256.New()
	buffered := bufio.NewReaderSize(io.TeeReader(r, hash), 64<<10)
	if mark, _ := buffered.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(len(mark)) // just peeked at
	}
	reader := csv.NewReader(buffered)
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty; expected a header line with the names of the columns")
	} else if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	columns, err := findColumns(header)
	if err != nil {
		return nil, err
	}
	reader.ReuseRecord = true
	t := &table{first: math.MaxInt64}
	for {
		fields, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err := t.add(reader, columns, len(header), fields, err); err != nil {
			return nil, err
		}
	}
	t.sha256 = hex.EncodeToString(hash.Sum(nil))
	if int64(len(t.rows)) == t.bad {
		return nil, fmt.Errorf("none of its %d rows can be read; lines %v", t.bad, t.badLines)
	}
	for i := range t.rows { // rows above the first readable one
		if t.rows[i].time == math.MinInt64 {
			t.rows[i].time = t.first
		}
	}
	return t, nil
}

// findColumns finds the place of every column in the header.
func findColumns(header []string) (columns [columnCount]int, err error) {
	plain := func(name string) string {
		return strings.ToLower(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, name))
	}
	var missing []string
	for c, names := range columnNames {
		columns[c] = -1
		for i, h := range header {
			for _, name := range names {
				if plain(h) != plain(name) {
					continue
				}
				if before := columns[c]; before >= 0 {
					return columns, fmt.Errorf("columns %d (%q) and %d (%q) of the header both are %s; remove or rename one", before+1, header[before], i+1, h, names[0])
				}
				columns[c] = i
				break
			}
		}
		if columns[c] < 0 {
			missing = append(missing, names[0])
		}
	}
	if len(missing) > 0 {
		return columns, fmt.Errorf("the header lacks %s; it has: %s", strings.Join(missing, ", "), strings.Join(header, ", "))
	}
	return columns, nil
}

// add appends a row, or what the reader could not take for one. It returns errors of reading the file, not of the row.
func (t *table) add(reader *csv.Reader, columns [columnCount]int, width int, fields []string, err error) error {
	var syntax *csv.ParseError
	switch {
	case errors.As(err, &syntax):
		t.addBad(int64(syntax.StartLine), "", syntax.Err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("read the file: %w", err)
	}
	if len(t.rows) >= math.MaxUint32 {
		return errors.New("the file has more rows than can be numbered in 32 bits")
	}
	line, _ := reader.FieldPos(0)
	if len(fields) != width {
		t.addBad(int64(line), "", fmt.Sprintf("%d fields, the header has %d", len(fields), width))
		return nil
	}
	var values [columnCount]string
	for c, i := range columns {
		if v := strings.TrimSpace(fields[i]); !strings.EqualFold(v, "nan") {
			values[c] = v
		}
	}
	start := len(t.text)
	at, defect := t.render(&values)
	if defect != "" {
		t.text = t.text[:start]
		t.addBad(int64(line), values[columnCustomer], defect)
		return nil
	}
	t.rows = append(t.rows, row{
		start: uint64(start), end: uint64(len(t.text)), key: uint16(len(values[columnCustomer])), time: at,
		complete: values[columnBalance] != "" && values[columnLocation] != "",
	})
	t.first = min(t.first, at)
	return nil
}

// addBad appends a row that cannot be read.
func (t *table) addBad(line int64, customer, defect string) {
	if t.bad++; len(t.badLines) < keptBadLines {
		t.badLines = append(t.badLines, line)
	}
	if customer == "" || len(customer) > bank.MaxText {
		customer = unreadableKey
	}
	at := bank.Micros(math.MinInt64)
	if n := len(t.rows); n > 0 {
		at = t.rows[n-1].time
	}
	start := len(t.text)
	t.text = append(t.text, customer...)
	t.text = fmt.Appendf(t.text, `,"Line":%d,"Error":`, line)
	t.text = append(appendText(t.text, defect), '}')
	t.rows = append(t.rows, row{start: uint64(start), end: uint64(len(t.text)), key: uint16(len(customer)), time: at, bad: true, complete: true})
}
