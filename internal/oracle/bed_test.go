package oracle

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/loadgen"
	"lkbench/results"
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
	topic  map[int32][]record
	views  [3][][]string // in the order of evidenceViews; null is NULL
	dead   [][3]string
	probes []answer
	late   int64
	cut    []int64
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

// write puts the evidence into a folder as a run leaves it.
func (e *evidence) write(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "evidence"), 0o755); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := loadgen.NewLedgerWriter(filepath.Join(dir, ledgerFile), uint64(len(e.ledger)))
	must(err)
	for n, entry := range e.ledger {
		if entry.Status == loadgen.NotSent {
			continue
		}
		ledger.Sent(uint64(n), entry.Delay)
		if entry.Status == loadgen.Acknowledged {
			ledger.Acked(uint64(n), entry.Partition, entry.Offset, entry.Ack)
		} else {
			ledger.Failed(uint64(n))
		}
	}
	must(ledger.Close())
	for name, write := range e.files() {
		must(save(dir, name, write))
	}
}

// files are the writers of the files in the folder evidence.
func (e *evidence) files() map[string]func(io.Writer) error {
	files := map[string]func(io.Writer) error{
		topicFile: packed(func(w io.Writer) error {
			out, err := newTopicWriter(w)
			for _, p := range slices.Sorted(maps.Keys(e.topic)) {
				if err == nil {
					err = out.write(p, e.topic[p])
				}
			}
			if err == nil {
				err = out.close()
			}
			return err
		}),
		deadLettersFile: func(w io.Writer) error {
			out := csv.NewWriter(w)
			for _, d := range e.dead {
				if err := out.Write(d[:]); err != nil {
					return err
				}
			}
			out.Flush()
			return out.Error()
		},
		probesFile: func(w io.Writer) error {
			out := json.NewEncoder(w)
			for _, a := range e.probes {
				if err := out.Encode(a); err != nil {
					return err
				}
			}
			return nil
		},
		progressFile: func(w io.Writer) error {
			component := "stream"
			if e.cut != nil {
				component = "speed"
			}
			return json.NewEncoder(w).Encode(map[string]any{
				"positions": []map[string]any{{"component": component, "late": e.late}, {"component": "ingest", "late": 0}},
				"cut":       e.cut,
			})
		},
	}
	for i, v := range evidenceViews {
		files[v.file()] = packed(func(w io.Writer) error {
			var out bytes.Buffer
			for _, row := range e.views[i] {
				for c, text := range row {
					if c > 0 {
						out.WriteByte(',')
					}
					switch {
					case text == null:
					case text == "" || strings.ContainsAny(text, "\",\r\n"):
						out.WriteString(`"` + strings.ReplaceAll(text, `"`, `""`) + `"`)
					default:
						out.WriteString(text)
					}
				}
				out.WriteByte('\n')
			}
			_, err := w.Write(out.Bytes())
			return err
		})
	}
	return files
}

// judge writes the evidence and judges it.
func (b *bed) judge(t testing.TB, e *evidence) *Judgement {
	t.Helper()
	dir := t.TempDir()
	e.write(t, dir)
	j, err := Judge(dir, JudgeConfig{Rules: b.rules, Source: b, Schedule: b})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// verdict is what the record of a run, sound in every other way, would say.
func verdict(j *Judgement) results.Verdict {
	c := j.Correctness
	return results.Decide(&results.Record{Correctness: c, Drained: true})
}

// event writes a record's value. Money is JSON as it stands; location "null" is NULL.
func event(id int, customer, amount, balance, location, at string) string {
	place := strconv.Quote(location)
	if location == "null" {
		place = location
	}
	return fmt.Sprintf(`{"TransactionID":"%s","CustomerID":%q,"CustomerDOB":"1984-02-29","CustGender":"F","CustLocation":%s,"CustAccountBalance":%s,"TransactionAmountINR":%s,"EventTime":%q}`,
		loadgen.AppendID(nil, uint64(id)), customer, place, balance, amount, at)
}
