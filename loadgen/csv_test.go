package loadgen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/results"
	"lkbench/scenarios"

	"github.com/google/go-cmp/cmp"
)

const publicHeader = "TransactionID,CustomerID,CustomerDOB,CustGender,CustLocation,CustAccountBalance,TransactionDate,TransactionTime,TransactionAmount (INR)\n"

// csvScenario sends a hundred events of a file with the content.
func csvScenario(t testing.TB, content, order string) *scenarios.Scenario {
	t.Helper()
	s := ordinary(100)
	s.Events.Source, s.Events.File, s.Events.Order = "csv", filepath.Join(t.TempDir(), "data.csv"), order
	if err := os.WriteFile(s.Events.File, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCSV(t testing.TB, s *scenarios.Scenario) *CSV {
	t.Helper()
	c, err := OpenCSV(s, mustSchedule(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values are the values of the first events.
func values(c *CSV, events int) []string {
	var list []string
	for n := range uint64(events) {
		list = append(list, string(c.Event(n, nil).Value))
	}
	return list
}

func TestCSVRows(t *testing.T) {
	row := func(id, customer, dob, gender, place, balance, amount, at string) string {
		return fmt.Sprintf(`{"TransactionID":"%s","CustomerID":"%s","CustomerDOB":%s,"CustGender":%s,"CustLocation":%s,"CustAccountBalance":%s,"TransactionAmountINR":%s,"EventTime":"%s"}`,
			id, customer, dob, gender, place, balance, amount, at)
	}
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"as published": {publicHeader + "T1,C5841053,10-01-1994,F,JAMSHEDPUR,17819.05,02-08-2016,143207,25\n", []string{
			row("T00000000000", "C5841053", `"1994-01-10"`, `"F"`, `"JAMSHEDPUR"`, "17819.05", "25", "2016-08-02T14:32:07Z")}},
		"sorted by time, equal ones as in the file": {publicHeader +
			"T1,C1,1/1/1800,M,A,1,2/8/16,100001,1\nT2,C2,1/1/1800,M,A,2,2/8/16,95959,2\nT3,C3,1/1/1800,M,A,3,1/8/16,235959,3\nT4,C4,1/1/1800,M,A,4,2/8/16,95959,4\n", []string{
			row("T00000000000", "C3", `"1800-01-01"`, `"M"`, `"A"`, "3", "3", "2016-08-01T23:59:59Z"),
			row("T00000000001", "C2", `"1800-01-01"`, `"M"`, `"A"`, "2", "2", "2016-08-01T23:59:59.06Z"),
			row("T00000000002", "C4", `"1800-01-01"`, `"M"`, `"A"`, "4", "4", "2016-08-01T23:59:59.12Z"),
			row("T00000000003", "C1", `"1800-01-01"`, `"M"`, `"A"`, "1", "1", "2016-08-01T23:59:59.18Z")}},
		"mark, CRLF, quotes, other order and case, extra columns, nan": {"\xef\xbb\xbfNote,custlocation,CUSTOMER ID,CustGender,CustAccountBalance,transaction_date,TransactionTime,TransactionAmountINR,CustomerDOB\r\n" +
			"x,\"A, \"\"B\"\"\nC\",C1,nan,NaN,02/08/2016,7,.5,nan\r\n", []string{
			row("T00000000000", "C1", `null`, `null`, `"A, \"B\"\nC"`, "null", "0.5", "2016-08-02T00:00:07Z")}},
		"numbers as spreadsheets write them": {publicHeader + "T1,C1,4/4/57,F,śrī,+007.50,2/8/16,0,1.5E+3\n", []string{
			row("T00000000000", "C1", `"1957-04-04"`, `"F"`, `"śrī"`, "7.50", "1.5E+3", "2016-08-02T00:00:00Z")}},
	} {
		t.Run(name, func(t *testing.T) {
			source := mustCSV(t, csvScenario(t, c.content, ""))
			got := values(source, len(c.want))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for n, v := range got {
				var tx bank.Transaction
				if err := bank.Decode([]byte(v), &tx); err != nil {
					t.Errorf("event %d: %v", n, err)
				} else if e := source.Event(uint64(n), nil); string(e.Key) != string(tx.Customer) {
					t.Errorf("event %d has the key %q", n, e.Key)
				}
			}
		})
	}
}

// What cannot be read is counted, named by line and sent as a malformed event in its place.
func TestCSVBadRows(t *testing.T) {
	content := publicHeader +
		"T1,C1,10-01-1994,F,A,1,02-08-2016,143207,1\n" +
		"T2,C2,10-01-1994,F,A,1,31-02-2016,143207,1\n" + // 3: no such day
		"T3,C3,10-01-1994,F,A,1,02-08-2016,146007,1\n" + // 4: no such minute
		"T4,C4,10-01-1994,F,A,1,02-08-2016,143207,x\n" + // 5
		"T5,,10-01-1994,F,A,1,02-08-2016,143207,1\n" + // 6: nobody
		"T6,C6,10-01-1994,F,A,1,02-08-2016\n" + // 7: too few fields
		"T7,C7,10-01-1994,F\"A,1,02-08-2016,143207,1\n" + // 8: a quote in a field
		"T8,C8,someday,F,A,1,02-08-2016,143207,1\n" + // 9
		"T9,C9,10-01-1994,F,\xff,1,02-08-2016,143207,1\n" + // 10
		"T10,C10,10-01-1994,F,A,1e40,02-08-2016,143207,1\n" + // 11
		"T11,C11,10-01-1994,F,A,1,02-08-2016,143207,nan\n" + // 12
		"T12,C12,10-01-1994,F,A,1,02-08-2016,143207,\"1,\"\"x\"\":2\"\n" + // 13: no way into the JSON
		"T13,C13,10-01-1994,F,A,-,02-08-2016,143207,1\n" + // 14
		"T14," + strings.Repeat("C", 257) + ",10-01-1994,F,A,1,02-08-2016,143207,1\n" + // 15
		"T15,C15,10-01-1994,F,A,1,02-08-2016,143207,1\n"
	for _, order := range []string{"event_time", "file"} {
		c := mustCSV(t, csvScenario(t, content, order))
		const rows, bad = 15, 13
		for n := range uint64(rows) {
			e := c.Event(n, nil)
			var tx bank.Transaction
			err := bank.Decode(e.Value, &tx)
			if isBad := n != 0 && n != 14; (err != nil) != isBad || (e.Kind&Malformed != 0) != isBad {
				t.Errorf("order %s, event %d, kind %b: %v: %s", order, n, e.Kind, err, e.Value)
			} else if isBad && (!bytes.Contains(e.Value, fmt.Appendf(nil, `"Line":%d,"Error":"`, n+2)) || len(e.Key) == 0) {
				t.Errorf("order %s, event %d: key %q, value %s", order, n, e.Key, e.Value)
			}
		}
		hash := sha256.Sum256([]byte(content))
		want := results.Data{
			Path: c.path, SHA256: hex.EncodeToString(hash[:]), Rows: rows, BadRows: bad, Repeats: 6, OrderOfEvents: order,
			BadLines: []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		}
		if diff := cmp.Diff(want, c.Data(100)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	c := mustCSV(t, csvScenario(t, publicHeader+strings.Repeat("x\n", 500)+"T1,C1,10-01-1994,F,A,1,02-08-2016,143207,1\n", ""))
	if d := c.Data(0); d.BadRows != 500 || len(d.BadLines) != keptBadLines || d.Repeats != 0 {
		t.Errorf("%d bad rows, %d lines kept, %d repeats", d.BadRows, len(d.BadLines), d.Repeats)
	}
}

func TestCSVRefuses(t *testing.T) {
	for want, content := range map[string]string{
		"the file is empty":        "",
		"lacks CustLocation, Tran": "CustomerID,CustomerDOB,CustGender,CustAccountBalance,TransactionDate,TransactionTime,Amount\n",
		"it has: a, b":             "a,b\n",
		"both are CustomerID":      "customer-id," + publicHeader,
		"none of its 0 rows":       publicHeader,
		"none of its 2 rows":       publicHeader + "x\ny\n",
		"read the header":          "a\"b,c\n",
	} {
		s := csvScenario(t, content, "")
		if _, err := OpenCSV(s, mustSchedule(t, s)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), s.Events.File) {
			t.Errorf("error %v, want one that contains %q and the path", err, want)
		}
	}
	s := csvScenario(t, disordered(1), "sideways")
	if _, err := OpenCSV(s, mustSchedule(t, s)); err == nil || !strings.Contains(err.Error(), "expected event_time or file") {
		t.Error(err)
	}
	s.Events.Order, s.Events.File = "", "/does/not/exist.csv"
	if _, err := OpenCSV(s, mustSchedule(t, s)); err == nil || !strings.Contains(err.Error(), "/does/not/exist.csv") {
		t.Error(err)
	}
}

func TestCSVDates(t *testing.T) {
	notAfter := time.Date(2016, 8, 2, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"02-08-2016": "2016-08-02", "02/08/2016": "2016-08-02", "2/8/16": "2016-08-02", "3/8/16": "1916-08-03", "31/12/99": "1999-12-31",
		"1/1/1800": "1800-01-01", "29-02-2016": "2016-02-29", "29-02-2015": "", "00-01-2016": "", "1-13-2016": "", "1-1-016": "", "1--1-2016": "",
		"1-1": "", "": "", "1-1-2016-": "", "2016-08-02": "", "a-b-cd": "", "1-1-0000": "", "+1-1-2016": "",
	} {
		got, ok := parseDate(in, notAfter)
		if ok != (want != "") || ok && got.Format(time.DateOnly) != want {
			t.Errorf("parseDate(%q) = %v, %v; want %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]time.Duration{
		"143207": 14*time.Hour + 32*time.Minute + 7*time.Second, "7": 7 * time.Second, "107": time.Minute + 7*time.Second, "000000": 0, "235959": 24*time.Hour - time.Second,
		"240000": -1, "1060": -1, "6000": -1, "": -1, "-1": -1, "0000001": -1, "12:00": -1,
	} {
		if got, ok := parseClock(in); ok != (want >= 0) || ok && got != want {
			t.Errorf("parseClock(%q) = %v, %v", in, got, ok)
		}
	}
}

// disordered is a file of rows whose times are not in order.
func disordered(rows int) string {
	b := strings.Builder{}
	b.WriteString(publicHeader)
	for i := range rows {
		at := i * 7 % rows
		fmt.Fprintf(&b, "T%d,C%d,10-01-1994,F,A,1,02-08-2016,%d%02d,%d\n", i, i%5, at/60, at%60, i)
	}
	return b.String()
}

func TestCSVEqualTimesKeepTheOrderOfTheFile(t *testing.T) {
	content := publicHeader
	for i := range 100 {
		content += fmt.Sprintf("T%d,C1,10-01-1994,F,A,1,02-08-2016,%d,%d\n", i, i*7%3, i)
	}
	c := mustCSV(t, csvScenario(t, content, ""))
	for place := 1; place < len(c.sequence); place++ {
		before, i := c.sequence[place-1], c.sequence[place]
		if rows := c.table.rows; rows[before].time > rows[i].time || rows[before].time == rows[i].time && before > i {
			t.Fatalf("row %d comes before row %d", before, i)
		}
	}
}

// A file that is shorter than the run is begun again, with new ids and with event time going on.
func TestCSVRepeats(t *testing.T) {
	c := mustCSV(t, csvScenario(t, disordered(30), ""))
	var last bank.Micros
	for n := range uint64(100) {
		var first, tx bank.Transaction
		if err := bank.Decode(c.Event(n%30, nil).Value, &first); err != nil {
			t.Fatal(err)
		}
		if err := bank.Decode(c.Event(n, nil).Value, &tx); err != nil {
			t.Fatal(err)
		}
		if tx.Amount != first.Amount || string(tx.Customer) != string(first.Customer) {
			t.Errorf("event %d is not the row of event %d", n, n%30)
		}
		if id, _ := ParseID(tx.ID); id != n {
			t.Errorf("event %d has the id %s", n, tx.ID)
		}
		if tx.EventTime <= last {
			t.Errorf("event time stands still at event %d", n)
		}
		last = tx.EventTime
	}
	if d := c.Data(100); d.Repeats != 3 {
		t.Errorf("%d repeats, want 3", d.Repeats)
	}
	if d := c.Data(30); d.Repeats != 0 {
		t.Errorf("%d repeats of a file sent once", d.Repeats)
	}
}

// In the order of the file the event times are those of the schedule too, but each pass has them in the order of its rows' times.
func TestCSVOrderOfFile(t *testing.T) {
	const rows, events = 30, 100
	s := csvScenario(t, disordered(rows), "file")
	c, schedule := mustCSV(t, s), mustSchedule(t, s)
	var times, want []bank.Micros
	for n := range uint64(events) {
		var tx bank.Transaction
		if err := bank.Decode(c.Event(n, nil).Value, &tx); err != nil {
			t.Fatal(err)
		}
		if tx.Amount != bank.Paise(n%rows*100) {
			t.Errorf("event %d is the row with amount %d", n, tx.Amount)
		}
		times = append(times, tx.EventTime)
		want = append(want, c.turns.base+bank.Micros(schedule.Intended(n)/1000*60))
	}
	for from := 0; from < events; from += rows {
		pass := times[from:min(from+rows, events)]
		for i := range pass {
			for j := range i {
				if (pass[j] < pass[i]) != (j*7%rows < i*7%rows) {
					t.Fatalf("rows %d and %d of the pass from %d: event times %d and %d are not in the order of the rows' times", j, i, from, pass[j], pass[i])
				}
			}
		}
		slices.Sort(pass)
	}
	if diff := cmp.Diff(want, times); diff != "" {
		t.Errorf("event times of the passes, sorted, are not the schedule's (-want +got)\n%s", diff)
	}
}

// The oddities of a scenario apply to the rows of a file as well.
func TestCSVOddities(t *testing.T) {
	for _, order := range []string{"event_time", "file"} {
		s := csvScenario(t, disordered(1000), order)
		s.Load[0].For = scenarios.Duration(20 * time.Second)
		s.Events.Duplicates, s.Events.Malformed = 0.1, 0.1
		s.Events.Late, s.Events.Disorder = scenarios.Late{Share: 0.1, By: scenarios.Duration(time.Hour)}, scenarios.Disorder{Share: 0.2, Max: scenarios.Duration(time.Second)}
		c, schedule := mustCSV(t, s), mustSchedule(t, s)
		kinds := map[Kind]int{}
		for n := range schedule.Len() {
			e := c.Event(n, nil)
			var tx bank.Transaction
			if err := bank.Decode(e.Value, &tx); (err != nil) != (e.Kind&Malformed != 0) {
				t.Fatalf("event %d, kind %b: %v: %s", n, e.Kind, err, e.Value)
			} else if err == nil {
				if id, _ := ParseID(tx.ID); id != e.Original {
					t.Fatalf("event %d: %s", n, e.Value)
				}
			}
			if e.Kind&Duplicate != 0 && !bytes.Equal(e.Value, c.Event(e.Original, nil).Value) {
				t.Fatalf("event %d is no repetition", n)
			}
			for _, k := range []Kind{Duplicate, Malformed, Late, Disordered} {
				if e.Kind&k != 0 {
					kinds[k]++
				}
			}
			if e.Kind&Boundary != 0 {
				t.Fatal("a row was moved to a boundary")
			}
		}
		for k, share := range map[Kind]float64{Duplicate: 0.1, Malformed: 0.1, Late: 0.1, Disordered: 0.2} {
			if got := float64(kinds[k]) / float64(schedule.Len()); got < 0.9*share || got > 1.1*share {
				t.Errorf("order %s: share %v of kind %b, want %v", order, got, k, share)
			}
		}
	}
}

// The real rows, where somebody has put them beside the project.
func TestCSVPublicSample(t *testing.T) {
	const path = "../../shared/data/bank_transactions_20000.csv"
	if _, err := os.Stat(path); err != nil {
		t.Skip("no public sample here, and its rows may not be part of the project: ", err)
	}
	s := ordinary(50_000)
	s.Events.Source, s.Events.File = "csv", path
	schedule := mustSchedule(t, s)
	source, err := OpenSource(s, schedule)
	if err != nil {
		t.Fatal(err)
	}
	rules := bank.DefaultRules()
	var relative, absolute, overdraft int
	for n := range uint64(20_000) {
		var tx bank.Transaction
		if err := bank.Decode(source.Event(n, nil).Value, &tx); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		raised := rules.Check(&tx)
		for rule, count := range map[string]*int{bank.HighValueRelative: &relative, bank.HighValueAbsolute: &absolute, bank.OverdraftAttempt: &overdraft} {
			if slices.Contains(raised, rule) {
				*count++
			}
		}
	}
	// The shares of the profile, 0.113, 0.0042 and 0.083, with one more digit.
	if relative != 2260 || absolute != 83 || overdraft != 1658 {
		t.Errorf("the rules fire %d, %d and %d times", relative, absolute, overdraft)
	}
	if d := source.(*CSV).Data(50_000); d.Rows != 20_000 || d.BadRows != 0 || d.Repeats != 2 {
		t.Errorf("%+v", d)
	}
}

func TestCSVDoesNotAllocate(t *testing.T) {
	c := mustCSV(t, csvScenario(t, disordered(30), ""))
	buf, n := make([]byte, 0, 1<<10), uint64(0)
	if allocs := testing.AllocsPerRun(1000, func() {
		c.Event(n%100, buf)
		n++
	}); allocs > 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}

// Whatever a file holds: it is refused as a whole, or every event is a transaction or declared malformed, and the facts add up.
func FuzzCSV(f *testing.F) {
	f.Add(disordered(3), true)
	f.Add("\xef\xbb\xbf"+publicHeader+"T1,C1,nan,nan,\"a\nb\",nan,2/8/16,7,.5\r\n", false)
	f.Add(publicHeader+"T1,C1,1/1/16,F,A,1,02-08-2016,143207,1e308\nx\n\"", true)
	f.Add(publicHeader+"T1,\"C\"\"\\\u2028\",1/1/16,F,A,-0,02-08-2016,143207,-0.0\n", true)
	f.Fuzz(func(t *testing.T, content string, inOrderOfFile bool) {
		order := orderEventTime
		if inOrderOfFile {
			order = orderFile
		}
		table, err := readTable(strings.NewReader(content))
		if err != nil {
			return
		}
		s := ordinary(100)
		s.Events.Order = order
		schedule := mustSchedule(t, s)
		c, err := newCSV(s, schedule, table)
		if err != nil {
			t.Fatal(err)
		}
		bad := int64(0)
		for n := range min(schedule.Len(), c.rows) {
			e := c.Event(n, nil)
			var tx bank.Transaction
			err := bank.Decode(e.Value, &tx)
			if (err != nil) != (e.Kind&Malformed != 0) {
				t.Fatalf("event %d, kind %b: %v: %q", n, e.Kind, err, e.Value)
			}
			if err != nil {
				bad++
			} else if !bytes.Equal(tx.Customer, e.Key) {
				t.Fatalf("event %d: key %q of %q", n, e.Key, e.Value)
			}
			if len(e.Key) == 0 {
				t.Fatalf("event %d has no key", n)
			}
		}
		if d := c.Data(1); d.Rows != int64(c.rows) || (c.rows <= schedule.Len() && d.BadRows != bad) || len(d.BadLines) != int(min(d.BadRows, keptBadLines)) {
			t.Errorf("%d malformed of %d rows: %+v", bad, c.rows, d)
		}
	})
}
