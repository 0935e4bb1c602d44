package bank

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record is a well-formed value with some parts replaced (pairs of old and new).
func record(replacements ...string) string {
	return strings.NewReplacer(replacements...).Replace(usual)
}

var long = strings.Repeat("x", MaxText)

// malformed are values and the reason each must be refused with.
var malformed = []struct{ value, reason string }{
	{"", "not JSON"},
	{" ", "not JSON"},
	{"hello", "not JSON"},
	{usual[:len(usual)-1], "not JSON"},
	{usual + "x", "not JSON"},
	{usual + usual, "not JSON"},
	{usual + ",", "not JSON"},
	{usual + "\x00", "not JSON"},
	{"\ufeff" + usual, "not JSON"},
	{record(`{"T`, `{,"T`), "not JSON"},
	{record(`Z"}`, `Z",}`), "not JSON"},
	{record(`:25,`, `:25;`), "not JSON"},
	{record(`:25,`, `:NaN,`), "not JSON"},
	{record(`:25,`, `:Infinity,`), "not JSON"},
	{record(`:25,`, `:+25,`), "not JSON"},
	{record(`:25,`, `:025,`), "not JSON"},
	{record(`:25,`, `:00,`), "not JSON"},
	{record(`:25,`, `:25.,`), "not JSON"},
	{record(`:25,`, `:.25,`), "not JSON"},
	{record(`:25,`, `:-,`), "not JSON"},
	{record(`:25,`, `:2e,`), "not JSON"},
	{record(`:25,`, `:0x19,`), "not JSON"},
	{record(`:25,`, `:2 5,`), "not JSON"},
	{record(`:25,`, `:nul,`), "not JSON"},
	{record(`:25,`, `:,`), "not JSON"},
	{record(`"F"`, "\"F\n\""), "not JSON"},
	{record(`"F"`, `"\x"`), "not JSON"},
	{record(`"F"`, `"F`), "not JSON"},
	{record(`"F"`, `F"`), "not JSON"},
	{record(`"CustGender"`, `CustGender`), "not JSON"},
	{record(`"CustGender":`, `"CustGender"`), "not JSON"},
	{"[" + usual + "]", "not an object"},
	{"null", "not an object"},
	{`"T1"`, "not an object"},
	{"1", "not an object"},
	{record(`"F"`, "\"\xff\""), "not UTF-8"},
	{record(`"F"`, "\"\xed\xa0\x80\""), "not UTF-8"},
	{record(`{"T`, "{\"\xff\":1,\"T"), "not UTF-8"},
	{"{}", "missing TransactionID"},
	{record(`"TransactionID"`, `"transactionid"`), "missing TransactionID"},
	{record(`"TransactionID"`, `"TransactionID "`), "missing TransactionID"},
	{record(`"CustomerID"`, `"Customer"`), "missing CustomerID"},
	{record(`"TransactionAmountINR"`, `"Amount"`), "missing TransactionAmountINR"},
	{record(`"EventTime"`, `"Time"`), "missing EventTime"},
	{record(`"T00000012345"`, `null`), "missing TransactionID"},
	{record(`"C5841053"`, `null`), "missing CustomerID"},
	{record(`:25,`, `:null,`), "missing TransactionAmountINR"},
	{record(`"2016-08-02T14:32:07.25Z"`, `null`), "missing EventTime"},
	{record(`:25,`, `:25,"TransactionAmountINR":null,`), "missing TransactionAmountINR"},
	{record(`"T00000012345"`, `""`), "TransactionID is empty"},
	{record(`"C5841053"`, `""`), "CustomerID is empty"},
	{record(`"T00000012345"`, `5`), "TransactionID is not a string"},
	{record(`"C5841053"`, `["C"]`), "CustomerID is not a string"},
	{record(`"1994-01-10"`, `19940110`), "CustomerDOB is not a string"},
	{record(`"F"`, `true`), "CustGender is not a string"},
	{record(`"JAMSHEDPUR"`, `{"city":"JAMSHEDPUR"}`), "CustLocation is not a string"},
	{record(`"2016-08-02T14:32:07.25Z"`, `1470148327`), "EventTime is not a string"},
	{record(`T00000012345`, long+"x"), "TransactionID is longer than 256 bytes"},
	{record(`JAMSHEDPUR`, long+"x"), "CustLocation is longer than 256 bytes"},
	{record(`JAMSHEDPUR`, strings.Repeat("é", 129)), "CustLocation is longer than 256 bytes"},
	{record(`JAMSHEDPUR`, strings.Repeat(`\ud800`, 86)), "CustLocation is longer than 256 bytes"},
	{record(`JAMSHEDPUR`, `A\u0000`), "CustLocation contains U+0000"},
	{record(`C5841053`, `\u0000`), "CustomerID contains U+0000"},
	{record(`:25,`, `:"25",`), "TransactionAmountINR is not a number"},
	{record(`:25,`, `:[25],`), "TransactionAmountINR is not a number"},
	{record(`:25,`, `:true,`), "TransactionAmountINR is not a number"},
	{record(`17819.05`, `"17819.05"`), "CustAccountBalance is not a number"},
	{record(`17819.05`, `{}`), "CustAccountBalance is not a number"},
	{record(`:25,`, `:100000000001,`), "TransactionAmountINR is out of range"},
	{record(`:25,`, `:999999999999.99,`), "TransactionAmountINR is out of range"},
	{record(`:25,`, `:100000000000.005,`), "TransactionAmountINR is out of range"},
	{record(`:25,`, `:-100000000000.005,`), "TransactionAmountINR is out of range"},
	{record(`:25,`, `:1e999999999999999999999999,`), "TransactionAmountINR is out of range"},
	{record(`17819.05`, `1`+strings.Repeat("0", 400)), "CustAccountBalance is out of range"},
	{record(`2016-08-02T14:32:07.25Z`, ``), "EventTime is not an RFC 3339 time"},
	{record(`2016-08-02T14:32:07.25Z`, `2016-08-02`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07.25`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07,25Z`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `60Z`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07.25z`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07.Z`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07+0530`), "EventTime is not an RFC 3339 time"},
	{record(`07.25Z`, `07+24:00`), "EventTime is not an RFC 3339 time"},
	{record(`02T14`, `02 14`), "EventTime is not an RFC 3339 time"},
	{record(`02T14`, `02T24`), "EventTime is not an RFC 3339 time"},
	{record(`02T14`, `02T4`), "EventTime is not an RFC 3339 time"},
	{record(`2016-08-02`, `2015-02-29`), "EventTime is not an RFC 3339 time"},
	{record(`2016-08-02`, `10000-08-02`), "EventTime is not an RFC 3339 time"},
	{record(`2016-08-02`, `0000-08-02`), "EventTime is outside the years 1 to 9999"},
	{record(`2016-08-02T14:32:07.25Z`, `0000-12-31T23:59:59-00:01`), "EventTime is outside the years 1 to 9999"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range malformed {
		var tx Transaction
		err := Decode([]byte(c.value), &tx)
		var m *Malformed
		if !errors.As(err, &m) || m.Reason != c.reason {
			t.Errorf("%s\ngot  %v\nwant %s", c.value, err, c.reason)
		}
	}
}

func plain() Transaction {
	return Transaction{
		ID: []byte("T00000012345"), Customer: []byte("C5841053"), DOB: []byte("1994-01-10"), Gender: []byte("F"),
		Location: []byte("JAMSHEDPUR"), Balance: 1781905, HasBalance: true, Amount: 2500, EventTime: 1470148327250000,
	}
}

// wellFormed are values and what each means, as a change to plain.
var wellFormed = []struct {
	value  string
	change func(*Transaction)
}{
	{usual, func(*Transaction) {}},
	{shuffled, func(*Transaction) {}},
	{" \r\n\t" + usual + " \r\n\t", func(*Transaction) {}},
	{record(`":`, "\" :\n", `,"`, " ,\t\"", `}`, " }"), func(*Transaction) {}},
	{record(`{"`, `{"a":{"EventTime":[null,{}]},"CustomerId":"C9","`), func(*Transaction) {}},
	{record(`"TransactionID"`, `"Transaction\u0049D"`), func(*Transaction) {}},
	{record(`"F"`, `"\u0046"`), func(*Transaction) {}},
	{record(`"F"`, `"\"\\\/\n"`), func(t *Transaction) { t.Gender = []byte("\"\\/\n") }},
	{record(`"F"`, `"é世🏦"`), func(t *Transaction) { t.Gender = []byte("é世🏦") }},
	{record(`"F"`, `"\ud83c\udfe6"`), func(t *Transaction) { t.Gender = []byte("🏦") }},
	{record(`"F"`, `"\ud800"`), func(t *Transaction) { t.Gender = []byte("\ufffd") }},
	{record(`"F"`, `"\ud800\ud800"`), func(t *Transaction) { t.Gender = []byte("\ufffd\ufffd") }},
	{record(`"F"`, "\"\x7f\""), func(t *Transaction) { t.Gender = []byte("\x7f") }},
	{record(`"F"`, `""`), func(t *Transaction) { t.Gender = nil }},
	{record(`"F"`, `null`), func(t *Transaction) { t.Gender = nil }},
	{record(`"F"`, `" "`), func(t *Transaction) { t.Gender = []byte(" ") }},
	{record(`"CustGender":"F",`, ``), func(t *Transaction) { t.Gender = nil }},
	{record(`"1994-01-10"`, `null`), func(t *Transaction) { t.DOB = nil }},
	{record(`"1994-01-10"`, `"not a date"`), func(t *Transaction) { t.DOB = []byte("not a date") }},
	{record(`"JAMSHEDPUR"`, `""`), func(t *Transaction) { t.Location = nil }},
	{record(`JAMSHEDPUR`, long), func(t *Transaction) { t.Location = []byte(long) }},
	{record(`T00000012345`, long), func(t *Transaction) { t.ID = []byte(long) }},
	{record(`"F"`, `1,"CustGender":"M"`), func(t *Transaction) { t.Gender = []byte("M") }},
	{record(`"F"`, `"M","CustGender":null`), func(t *Transaction) { t.Gender = nil }},
	{record(`:25,`, `:"x","TransactionAmountINR":7,`), func(t *Transaction) { t.Amount = 700 }},
	{record(`17819.05`, `null`), func(t *Transaction) { t.Balance, t.HasBalance = 0, false }},
	{record(`"CustAccountBalance":17819.05,`, ``), func(t *Transaction) { t.Balance, t.HasBalance = 0, false }},
	{record(`17819.05`, `0`), func(t *Transaction) { t.Balance = 0 }},
	{record(`17819.05`, `-17.5`), func(t *Transaction) { t.Balance = -1750 }},
	{record(`:25,`, `:-0,`), func(t *Transaction) { t.Amount = 0 }},
	{record(`:25,`, `:1e3,`), func(t *Transaction) { t.Amount = 100_000 }},
	{record(`:25,`, `:25.10,`), func(t *Transaction) { t.Amount = 2510 }},
	{record(`:25,`, `:0.005,`), func(t *Transaction) { t.Amount = 1 }},
	{record(`:25,`, `:-0.005,`), func(t *Transaction) { t.Amount = -1 }},
	{record(`:25,`, `:123.455,`), func(t *Transaction) { t.Amount = 12346 }},
	{record(`:25,`, `:1.005,`), func(t *Transaction) { t.Amount = 101 }}, // a float64 says 1.00
	{record(`:25,`, `:100000000000,`), func(t *Transaction) { t.Amount = MaxPaise }},
	{record(`:25,`, `:-100000000000.00499,`), func(t *Transaction) { t.Amount = -MaxPaise }},
	{record(`:25,`, `:99999999999.99,`), func(t *Transaction) { t.Amount = MaxPaise - 1 }},
	{record(`07.25Z`, `07.250000999999Z`), func(*Transaction) {}},
	{record(`14:32:07.25Z`, `20:02:07.25+05:30`), func(*Transaction) {}},
	{record(`07.25Z`, `07.25-00:00`), func(*Transaction) {}},
	{record(`2016-08-02T14:32:07.25Z`, `1970-01-01T00:00:00Z`), func(t *Transaction) { t.EventTime = 0 }},
	{record(`2016-08-02T14:32:07.25Z`, `1969-12-31T23:59:59.9999999Z`), func(t *Transaction) { t.EventTime = -1 }},
	{record(`2016-08-02T14:32:07.25Z`, `0001-01-01T00:00:00Z`), func(t *Transaction) { t.EventTime = minTime }},
	{record(`2016-08-02T14:32:07.25Z`, `9999-12-31T23:59:59.999999Z`), func(t *Transaction) { t.EventTime = maxTime }},
	{record(`2016-08-02T14:32:07.25Z`, `0001-01-01T00:00:00+00:01`), func(t *Transaction) { t.EventTime = minTime - 60_000_000 }},
	{record(`2016-08-02T14:32:07.25Z`, `9999-12-31T23:59:59.999999-00:01`), func(t *Transaction) { t.EventTime = maxTime + 60_000_000 }},
}

func TestDecodeAccepts(t *testing.T) {
	for _, c := range wellFormed {
		want := plain()
		c.change(&want)
		got := plain() // what is left of an earlier record must not shine through
		if err := Decode([]byte(c.value), &got); err != nil {
			t.Errorf("%s\n%v", c.value, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got)\n%s", c.value, diff)
		}
	}
}

func TestDecodePlainTakesWhatTheGeneratorWrites(t *testing.T) {
	for _, value := range []string{
		usual, shuffled, record(`"F"`, `null`, `17819.05`, `null`), record(`JAMSHEDPUR`, `São Paulo`),
		record(`,`, `, `, `":`, `": `), record(`"CustGender":"F",`, ``), record(`:25,`, `:-99999999999.99,`),
	} {
		var tx Transaction
		bytes := []byte(value)
		if !decodePlain(bytes, &tx) {
			t.Errorf("declined %s", value)
		}
		if n := testing.AllocsPerRun(100, func() { decodePlain(bytes, &tx) }); n > 0 {
			t.Errorf("%v allocations for %s", n, value)
		}
	}
}

// FuzzDecode holds the fast path against the reference.
func FuzzDecode(f *testing.F) {
	for _, c := range malformed {
		f.Add([]byte(c.value))
	}
	for _, c := range wellFormed {
		f.Add([]byte(c.value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		var want, got Transaction
		wantErr, gotErr := decodeReference(value, &want), Decode(value, &got)
		if !bytes.Equal(before, value) {
			t.Fatal("the record was changed")
		}
		if wantErr != nil || gotErr != nil {
			if wantErr == nil || gotErr == nil || wantErr.Error() != gotErr.Error() {
				t.Fatalf("reference: %v, Decode: %v", wantErr, gotErr)
			}
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
