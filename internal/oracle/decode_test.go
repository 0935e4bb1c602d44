package oracle

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lkbench/internal/bank"
)

func TestParsePaise(t *testing.T) {
	for _, c := range []struct {
		text string
		want bank.Paise
	}{
		{"0", 0}, {"-0", 0}, {"1", 100}, {"1.5", 150}, {"-1.25", -125}, {"0.01", 1}, {"0.005", 1}, {"-0.005", -1},
		{"0.0049999", 0}, {"1.005", 101}, {"-1.005", -101}, {"1e2", 10000}, {"1E+2", 10000}, {"12345e-4", 123},
		{"0.9999", 100}, {"99999999999.995", bank.MaxPaise}, {"100000000000", bank.MaxPaise}, {"-100000000000.004", -bank.MaxPaise},
		{"0e999999999999999999999", 0}, {"1e-999999999999999999999", 0}, {"0.000000000000001e15", 100}, {"1000000000000000e-15", 100},
		{"0.5e-2", 1}, {"0.49e-2", 0}, {"5e-3", 1}, {"4e-3", 0}, {"9e-4", 0},
	} {
		if got, err := parsePaise([]byte(c.text)); err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"", "-", "+1", "01", ".5", "1.", "1e", "1e+", "1.e1", "0x1", "1_0", "1 ", " 1", `"1"`, "NaN", "null", "1e1.0",
		"100000000000.005", "-100000000000.01", "1e12", "1e999999999999999999999", "999999999999999999999999",
	} {
		if got, err := parsePaise([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, text := range []string{
		"1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
		"2016-02-29T12:34:56.1Z", "2000-02-29T00:00:00+05:30", "2016-08-01T00:00:00-23:59", "2016-08-01T10:00:00.1234569+00:00",
	} {
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseTime([]byte(text)); err != nil || int64(got) != want.UnixMicro() {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want.UnixMicro())
		}
	}
	for _, text := range []string{
		"", "2016-08-01", "2016-08-01T10:00:00", "2016-08-01 10:00:00Z", "2016-08-01t10:00:00Z", "2016-08-01T10:00:00z", "2016-8-1T10:00:00Z",
		"2016-08-01T1:00:00Z", "2016-08-01T24:00:00Z", "2016-08-01T10:60:00Z", "2016-08-01T10:00:60Z", "2016-02-30T10:00:00Z", "2015-02-29T10:00:00Z",
		"1900-02-29T10:00:00Z", "2016-00-01T10:00:00Z", "2016-13-01T10:00:00Z", "2016-04-31T10:00:00Z", "0000-01-01T00:00:00Z", "2016-08-01T10:00:00.Z",
		"2016-08-01T10:00:00,5Z", "2016-08-01T10:00:00+5:30", "2016-08-01T10:00:00+0530", "2016-08-01T10:00:00+24:00", "2016-08-01T10:00:00+05:60",
		"2016-08-01T10:00:00Zx", "2016-08-01T10:00:00.1", "12016-08-01T10:00:00Z", "+016-08-01T10:00:00Z",
	} {
		if got, err := parseTime([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, got.Time())
		}
	}
}

// TestDaysBefore holds the calendar against package time, over all months of years 1 to 9999.
func TestDaysBefore(t *testing.T) {
	for year := int64(1); year <= 9999; year++ {
		for month := int64(1); month <= 12; month++ {
			first := time.Date(int(year), time.Month(month), 1, 0, 0, 0, 0, time.UTC)
			if got, want := daysBefore(year, month), first.Unix()/86400; got != want {
				t.Fatalf("%d-%d: %d days, want %d", year, month, got, want)
			}
			if got, want := daysIn(year, month), first.AddDate(0, 1, -1).Day(); got != want {
				t.Fatalf("%d-%d has %d days, want %d", year, month, got, want)
			}
		}
	}
}

func TestAverage(t *testing.T) {
	for _, c := range []struct{ amount, n, want int64 }{
		{1, 2, 1}, {-1, 2, -1}, {1, 3, 0}, {2, 3, 1}, {-2, 3, -1}, {-1, 3, 0}, {5, 2, 3}, {-5, 2, -3}, {4, 2, 2}, {0, 7, 0}, {10, 4, 3}, {9, 4, 2},
	} {
		if got := average(c.amount, c.n); got != c.want {
			t.Errorf("%d/%d: %d, want %d", c.amount, c.n, got, c.want)
		}
		exact := new(big.Rat).SetFrac64(c.amount, c.n).FloatString(0)
		if exact = strings.Replace(exact, "-0", "0", 1); exact != fmt.Sprint(c.want) {
			t.Errorf("%d/%d: math/big says %s, the table %d", c.amount, c.n, exact, c.want)
		}
	}
}

// seeds are records for the fuzz tests.
func seeds(f *testing.F) {
	for _, b := range []*bed{oddStream(false)} {
		for _, turn := range b.turns[:600] {
			f.Add(turn.value)
		}
	}
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `null`, `{"a":1}`, `{"TransactionID":"a"`, "{\"TransactionID\":\"a\\u0000\"}",
		`{"TransactionID":"T1","CustomerID":"C","TransactionAmountINR":1,"EventTime":"2016-08-01T10:00:00Z"}`,
		`{"TransactionID":"T1","TransactionID":5,"CustomerID":"C","TransactionAmountINR":1e1,"EventTime":"2016-08-01T10:00:00.5+01:00"}`,
		`{"TransactionID":5,"TransactionID":"T1","CustomerID":"C","TransactionAmountINR":01,"EventTime":"2016-08-01T10:00:00Z"}`,
		`{"Transaction\u0049D":"\ud800","CustomerID":"\ud83d\ude00","TransactionAmountINR":-0.0,"EventTime":"2016-08-01T10:00:00Z","x":[{}]}`,
		`{"TransactionID":"T1","CustomerID":"C","CustAccountBalance":5,"CustAccountBalance":null,"TransactionAmountINR":1,"EventTime":"2016-08-01T10:00:00Z"}`,
		`{"TransactionID":"T1","CustomerID":"\b","TransactionAmountINR":1,"EventTime":"0001-01-01T0:00:00Z"}`,
		`{"TransactionID":"T1","CustomerID":"C","TransactionAmountINR":"1","EventTime":"2016-08-01T10:00:00Z"}`,
		`{"TransactionID":"T1","CustomerID":"C","TransactionAmountINR":1,"EventTime":"2016-08-01T10:00:00Z",}`,
		`{"TransactionID":"T1","CustomerID":"C","TransactionAmountINR":1,"EventTime":"2016-08-01T10:00:00Z"} {}`,
		`{"TransactionID":"T1","CustomerID":"C","CustGender":5,"TransactionAmountINR":1,"EventTime":"2016-08-01T10:00:00Z"}`,
		`{"TransactionID":"T1","CustomerID":"C","CustLocation":"` + strings.Repeat("é", 128) + `","TransactionAmountINR":1,"EventTime":"0001-01-01T00:00:00+01:00"}`,
	} {
		f.Add([]byte(s))
	}
}

// FuzzDecode holds the two readers, the architectures' decoder and the test's model against each other: all must agree
// on what is malformed and on every field.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, value []byte) {
		var d decoder
		tx, err := d.decode(value)
		own := describe(tx, err)
		if plain, ok := d.plain(value); ok && utf8.Valid(value) {
			slow, slowErr := decodeAny(value)
			if fast := describe(plain, nil); fast != describe(slow, slowErr) {
				t.Errorf("jx reads %s, encoding/json %s", fast, describe(slow, slowErr))
			}
		}
		theirs, theirErr := newModel(bank.DefaultRules(), nil, "").decode(value)
		if theirs := describe(theirs, theirErr); own != theirs {
			t.Errorf("the oracle reads %s, the model %s (%v, %v)", own, theirs, err, theirErr)
		}
		var shared bank.Transaction
		sharedErr := bank.Decode(value, &shared)
		if shared := describe(shared, sharedErr); own != shared {
			t.Errorf("the oracle reads %s, the architectures %s (%v, %v)", own, shared, err, sharedErr)
		}
	})
}

func describe(tx bank.Transaction, err error) string {
	if err != nil {
		return "malformed"
	}
	if !tx.HasBalance {
		tx.Balance = 0
	}
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	var out bytes.Buffer
	for _, b := range [][]byte{tx.ID, tx.Customer, tx.DOB, tx.Gender, tx.Location} {
		out.WriteString(text(b) + " ")
	}
	fmt.Fprintf(&out, "%d %v %d %d", tx.Balance, tx.HasBalance, tx.Amount, tx.EventTime)
	return out.String()
}
