package native

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"lkbench/internal/bank"
)

// accepted draws what the first stage hands on.
func accepted(t *rapid.T, rules bank.Rules) []Event {
	events := make([]Event, rapid.IntRange(0, 60).Draw(t, "events"))
	counts := map[window]int64{}
	for i := range events {
		e := &events[i]
		e.Offset = int64(i)
		e.ID = fmt.Appendf(nil, "T%d", i)
		e.Customer = fmt.Appendf(nil, "C%d", rapid.SampledFrom([]int{0, 1, 12, 2, 123456789, 123456788, 1234567}).Draw(t, "customer"))
		if place := rapid.IntRange(0, 3).Draw(t, "location"); place > 0 {
			e.Location = fmt.Appendf(nil, "L%d", place)
		}
		e.Amount = bank.Paise(rapid.Int64Range(-6_000_000, 6_000_000).Draw(t, "amount"))
		e.HasBalance = rapid.Bool().Draw(t, "has balance")
		e.Balance = bank.Paise(rapid.Int64Range(-10_000_000, 10_000_000).Draw(t, "balance"))
		e.EventTime = bank.Micros(rapid.Int64Range(-1e9, 1e9).Draw(t, "time"))
		e.Window = rules.WindowStart(e.EventTime)
		if counts[e.key()] == 0 { // the window may have had some before the batch
			counts[e.key()] = rapid.Int64Range(0, 2).Draw(t, "before")
		}
		counts[e.key()]++
		if rapid.Bool().Draw(t, "decided") {
			e.Count = counts[e.key()]
		}
	}
	return events
}

// naive folds with strings and maps.
func naive(rules bank.Rules, events []Event) (windows, parts, anomalies [][]any) {
	fold := func(keyOf func(e *Event) []any) (rows [][]any) {
		at := map[string]int{}
		for i := range events {
			e := &events[i]
			k := keyOf(e)
			place, known := at[fmt.Sprint(k)]
			if !known {
				place = len(rows)
				at[fmt.Sprint(k)] = place
				rows = append(rows, append(k, int64(0), int64(0), nil, int64(e.EventTime)))
			}
			s := rows[place][2:]
			s[0], s[1], s[3] = s[0].(int64)+1, s[1].(int64)+int64(e.Amount), max(s[3].(int64), int64(e.EventTime))
			if e.HasBalance && (s[2] == nil || s[2].(int64) < int64(e.Balance)) {
				s[2] = int64(e.Balance)
			}
		}
		return rows
	}
	windows = fold(func(e *Event) []any { return []any{string(e.Customer), int64(e.Window)} })
	for i := range windows {
		windows[i] = windows[i][:5]
	}
	parts = fold(func(e *Event) []any { return []any{string(e.Customer), string(e.Location)} })
	for i := range events {
		e := &events[i]
		raised := slices.Clone(rules.Check(&e.Transaction))
		if e.Count == rules.VelocityCount {
			raised = append(raised, bank.Velocity)
		}
		for _, rule := range raised {
			row := []any{string(e.ID), rule, string(e.Customer), int64(e.EventTime), int64(e.Amount), nil, nil}
			if e.HasBalance {
				row[5] = int64(e.Balance)
			}
			if rule == bank.Velocity {
				row[6] = int64(e.Window)
			}
			anomalies = append(anomalies, row)
		}
	}
	return windows, parts, anomalies
}

// rowsOf reads columns back from their binary form.
func rowsOf(columns []*Param) [][]any {
	rows := make([][]any, columns[0].Len())
	for _, c := range columns {
		b := c.value()
		oid := binary.BigEndian.Uint32(b[8:])
		b = b[arrayHeader:]
		for i := range rows {
			size := int32(binary.BigEndian.Uint32(b))
			b = b[4:]
			if size < 0 {
				rows[i] = append(rows[i], nil)
				continue
			}
			switch v := b[:size]; oid {
			case oidText:
				rows[i] = append(rows[i], string(v))
			case oidInt8:
				rows[i] = append(rows[i], int64(binary.BigEndian.Uint64(v)))
			case oidTimestamptz:
				rows[i] = append(rows[i], int64(binary.BigEndian.Uint64(v))+postgresEpoch)
			}
			b = b[size:]
		}
		if len(b) != 0 {
			panic("a column has more values than the first")
		}
	}
	return rows
}

func sorted(rows [][]any) [][]any {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return rows
}

func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := bank.DefaultRules()
		fold := NewFold(rules)
		for range 2 { // the second time with used memory, by other rules
			rules.AbsolutePaise, rules.VelocityCount = rules.AbsolutePaise/2, rules.VelocityCount-1
			fold.Rules(rules)
			events := accepted(t, rules)
			windows, parts, anomalies := naive(rules, events)
			fold.Reset()
			for i := range events {
				fold.Add(&events[i])
			}
			fresh, others := fold.Windows()
			checkFresh(t, events, fresh, others)
			for _, c := range []struct {
				name      string
				got, want [][]any
			}{
				{"windows", append(rowsOf(fresh), rowsOf(others)...), windows},
				{"parts", rowsOf(fold.Parts()), parts},
				{"anomalies", rowsOf(fold.Anomalies()), anomalies},
			} {
				if diff := gocmp.Diff(sorted(c.want), sorted(c.got), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%s, expected and folded:\n%s", c.name, diff)
				}
			}
		}
	})
}

// checkFresh: a window is fresh if its first event says so, and rows are in order of their key.
func checkFresh(t *rapid.T, events []Event, fresh, others []*Param) {
	first := map[window]bool{}
	for i := range events {
		first[events[i].key()] = first[events[i].key()] || events[i].Count == 1
	}
	check := func(rows [][]any, want bool) {
		var before window
		for i, r := range rows {
			w := window{r[0].(string), bank.Micros(r[1].(int64))}
			if first[w] != want {
				t.Fatalf("%v among the fresh: %v", w, want)
			}
			if i > 0 && cmp.Or(cmp.Compare(before.customer, w.customer), cmp.Compare(before.start, w.start)) >= 0 {
				t.Fatalf("%v comes before %v", before, w)
			}
			before = w
		}
	}
	check(rowsOf(fresh), true)
	check(rowsOf(others), false)
}

// TestFoldAgain: the same events folded again with a boundary give, together, what they gave without.
func TestFoldAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := bank.DefaultRules()
		events := accepted(t, rules)
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		fold := NewFold(rules)
		count := func(part []Event) (n int64, raised int) {
			fold.Reset()
			for i := range part {
				fold.Add(&part[i])
			}
			fresh, others := fold.Windows()
			for _, row := range append(rowsOf(fresh), rowsOf(others)...) {
				n += row[2].(int64)
			}
			return n, fold.Anomalies()[0].Len()
		}
		n, raised := count(events)
		below, raisedBelow := count(events[:cut])
		above, raisedAbove := count(events[cut:])
		again, raisedAgain := count(events)
		if n != int64(len(events)) || below+above != n || again != n || raisedBelow+raisedAbove != raised || raisedAgain != raised {
			t.Fatalf("%d events: %d whole, %d and %d with a boundary, %d again", len(events), n, below, above, again)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	rules := bank.DefaultRules()
	events := make([]Event, 100_000)
	for i := range events {
		e := &events[i]
		e.ID = fmt.Appendf(nil, "T%011d", i)
		e.Customer = fmt.Appendf(nil, "C%07d", i*7919%20_000)
		e.Location = fmt.Appendf(nil, "PLACE %d", i*7919%20_000%300)
		e.Amount, e.HasBalance, e.Balance = bank.Paise(i), true, 1_000_000
		e.EventTime = bank.Micros(i * 10_000)
		e.Window = rules.WindowStart(e.EventTime)
	}
	fold := NewFold(rules)
	b.ReportAllocs()
	for b.Loop() {
		fold.Reset()
		for i := range events {
			fold.Add(&events[i])
		}
		fold.Windows()
		fold.Parts()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}
