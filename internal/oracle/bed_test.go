package oracle

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lkbench/internal/bank"
	"lkbench/loadgen"
)

// bed is a run in which everything happens on a fixed clock: turn n is due at n milliseconds, sent 100 µs later, acknowledged
// 400 µs after that, and processed 700 µs after it was due. It is the Source and the Schedule of the judgement.
type bed struct {
	rules  bank.Rules
	lambda bool
	turns  []bedTurn
}

// bedTurn is one event and where it is in the log.
type bedTurn struct {
	key, value []byte
	status     loadgen.Status
	partition  int32
	copies     int // in the log
}

func (b *bed) Len() uint64                     { return uint64(len(b.turns)) }
func (b *bed) Intended(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }
func (b *bed) WarmupEnd() time.Duration        { return 100 * time.Millisecond }

func (b *bed) Event(n uint64, buf []byte) loadgen.Event {
	t := &b.turns[n]
	buf = append(append(buf, t.key...), t.value...)
	return loadgen.Event{Key: buf[:len(t.key):len(t.key)], Value: buf[len(t.key):]}
}

// add appends an event that is acknowledged and once in the log.
func (b *bed) add(partition int32, customer, value string) {
	b.turns = append(b.turns, bedTurn{[]byte(customer), []byte(value), loadgen.Acknowledged, partition, 1})
}

// again appends a second delivery of the event of an earlier turn.
func (b *bed) again(n int) { b.turns = append(b.turns, b.turns[n]) }

// evidence is what is collected of a run, before it is written.
type evidence struct {
	ledger []loadgen.Entry
	// ledgerFrom is a file that holds the same; empty: the ledger is written.
	ledgerFrom string
	topic      map[int32][]record
	starts     []int64       // of the partitions' logs
	views      [3][][]string // in the order of evidenceViews; null is NULL
	dead       [][3]string
	probes     []answer
	late       int64
	cut        []int64
}

var evidenceViews = []view{viewAnomalies, viewWindows, viewProfiles}

// simulate runs the events through a model with the given rules and flaw.
func (b *bed) simulate(rules bank.Rules, flaw string) *evidence {
	e := &evidence{topic: map[int32][]record{}}
	place := map[int32]int64{} // next offset
	for n, t := range b.turns {
		e.ledger = append(e.ledger, loadgen.Entry{
			Status: t.status, Partition: t.partition, Offset: place[t.partition], Delay: 100 * time.Microsecond, Ack: 400 * time.Microsecond,
		})
		for range t.copies {
			e.topic[t.partition] = append(e.topic[t.partition], record{offset: place[t.partition], n: uint64(n), kind: recordSame})
			place[t.partition]++
		}
	}
	if b.lambda {
		for p := range int32(4) {
			e.cut = append(e.cut, place[p]*2/3)
		}
		if place[3] > 12 {
			e.cut[3] = 12 // between the two late repetitions of oddStream
		}
	}

	m := newModel(rules, e.cut, flaw)
	next := map[int32]int64{}
	for n, t := range b.turns {
		for range t.copies {
			offset := next[t.partition]
			next[t.partition]++
			if flaw == "batch lost" && t.partition == 1 && offset >= 200 && offset < 220 {
				continue
			}
			m.take(t.partition, offset, t.value)
			if flaw == "batch doubled" && t.partition == 1 && offset >= 200 && offset < 220 {
				m.flaw = "duplicate counted"
				m.take(t.partition, offset, t.value)
				m.flaw = flaw
			}
		}
		e.ask(b, m, n)
	}
	e.late, e.dead = m.late, m.dead
	for _, key := range m.order {
		e.views[0] = append(e.views[0], m.anomalies[key])
	}
	windows := slices.SortedFunc(maps.Keys(m.windows), func(a, b modelWindowKey) int {
		if a.customer != b.customer {
			return strings.Compare(a.customer, b.customer)
		}
		return int(a.start/1000 - b.start/1000)
	})
	for _, key := range windows {
		e.views[1] = append(e.views[1], m.windowRow(key))
	}
	for _, customer := range slices.Sorted(maps.Keys(m.profiles)) {
		e.views[2] = append(e.views[2], m.profileRow(customer))
	}
	return e
}

// ask sends a probe about every fifth turn's customer just after its event was processed. Every other answer takes 40
// milliseconds less than it should to be old: its query is sent that much later than the state it shows.
func (e *evidence) ask(b *bed, m *model, n int) {
	if n%5 != 0 {
		return
	}
	t := &b.turns[n]
	at := int64(n)*1000 + 800
	if n%2 == 0 {
		at += 40_000
	}
	a := answer{View: viewProfiles.name, Customer: string(t.key), IntendedUS: at - 50, SentUS: at, AnsweredUS: at + 100}
	var row []string
	if n%3 == 0 {
		row = m.profileRow(a.Customer)
	} else {
		a.View = viewWindows.name
		var object struct{ EventTime time.Time }
		if json.Unmarshal(t.value, &object) != nil {
			return
		}
		window := m.rules.Window.Microseconds()
		a.WindowStart = object.EventTime.UnixMicro() / window * window
		row = m.windowRow(modelWindowKey{a.Customer, a.WindowStart})
	}
	if row != nil {
		a.Found = true
		if a.View == viewWindows.name {
			a.Transactions, a.AmountPaise, a.MaxBalance = number(row[2]), number(row[3]), numberOrNil(row[4])
		} else {
			a.Transactions, a.AmountPaise, a.AverageAmount, a.MaxBalance = number(row[1]), number(row[2]), row[3], numberOrNil(row[4])
			if row[5] != null {
				a.TopLocation = &row[5]
			}
			a.Segment, a.LastEventTime = row[6], number(row[7])
		}
	}
	e.probes = append(e.probes, a)
}

func number(text string) int64 {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return v
}

func numberOrNil(text string) *int64 {
	if text == null {
		return nil
	}
	v := number(text)
	return &v
}
