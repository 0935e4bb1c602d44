package native

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"lkbench/internal/bank"
)

// customers need escaping in one notation or another; two of them look alike.
var customers = []string{"C1", "C10", "c1", `O'Neil`, `a,"b"\`, `\N`, "tab\there", "two\nlines", "é", "日本", "%s{}$1", " "}

// locations tie easily. The empty one is a missing one.
var locations = []string{"", "DELHI", "Delhi", "É", "a", "b"}

// drawRecords draws n records with offsets from from on, each customer on one partition.
func drawRecords(t *rapid.T, n int, from int64, partitions int32) []record {
	records := make([]record, n)
	for i := range records {
		c := rapid.IntRange(0, len(customers)-1).Draw(t, "customer")
		var balance *int64
		if rapid.IntRange(0, 3).Draw(t, "has balance") > 0 {
			balance = new(rapid.Int64Range(-3_000_000, 20_000_000).Draw(t, "balance"))
		}
		// A few windows, some of them before 1970, and times at the very start and end of one.
		window := rapid.Int64Range(-2, 2).Draw(t, "window") * 300_000_000
		within := rapid.SampledFrom([]int64{0, 1, 77_000_000, 299_999_999}).Draw(t, "within")
		records[i] = record{
			partition: int32(c) % partitions, offset: from + int64(i), id: fmt.Sprintf("T%d'\"", from+int64(i)), customer: customers[c],
			location: rapid.SampledFrom(locations).Draw(t, "location"), balance: balance,
			amount: rapid.OneOf(rapid.Int64Range(-10, 10), rapid.Int64Range(-6_000_000, 6_000_000), rapid.SampledFrom([]int64{5_000_000, 5_000_001, -5_000_001})).Draw(t, "amount"),
			at:     bank.Micros(window + within),
		}
	}
	return records
}

func shuffled(t *rapid.T, records []record) []record {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	list := slices.Clone(records)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func below(records []record, cut int64) []record {
	var list []record
	for _, r := range records {
		if r.offset < cut {
			list = append(list, r)
		}
	}
	return list
}

// TestBatchIsTheReference holds generation after generation of a growing master dataset against the naive computation.
// Rows lie in the table in any order, some of them beyond the cut. The first generation is copied, the later ones publish
// changes only, and each of them equals what everything from scratch would be.
func TestBatchIsTheReference(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		w.clear(t)
		rules := bank.DefaultRules()
		rules.VelocityCount = rapid.Int64Range(1, 5).Draw(t, "velocity_count")
		w.setRules(rules)
		var records []record
		next := int64(0)
		for step := range 3 {
			n := rapid.IntRange(0, 60).Draw(t, "rows")
			fresh := drawRecords(t, n, next, w.env.Partitions)
			next += int64(n)
			w.insert(t, shuffled(t, fresh))
			records = append(records, fresh...)
			var cut int64
			if len(records) > 0 {
				cut = rapid.Int64Range(w.cutBefore(t), next).Draw(t, "cut")
			}
			w.streams(t, cut, cut)
			m := w.generate(t)
			covered := below(records, cut)
			if diff := cmp.Diff(reference(covered, rules), w.batchAnswers(t), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("generation %d, want - got +:\n%s", m.Generation, diff)
			}
			mode := modeChanges
			if step == 0 {
				mode = modeFull
			}
			if m.Mode != mode || m.Rows != int64(len(covered)) {
				t.Fatalf("generation %d: mode %s, %d rows; want %s, %d", m.Generation, m.Mode, m.Rows, mode, len(covered))
			}
		}
	})
}

// cutBefore is the cut of the published generation, which is the same on every partition here.
func (w *world) cutBefore(t tb) (cut int64) {
	t.Helper()
	progress, err := w.system.Progress(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(progress.Cut) > 0 {
		cut = progress.Cut[0]
	}
	return cut
}

// TestVelocityTakesTheLogsOrder shows every order of four rows of one window to the shard.
func TestVelocityTakesTheLogsOrder(t *testing.T) {
	rules := bank.DefaultRules()
	for count := range int64(6) {
		rules.VelocityCount = count + 1
		permute([]int64{1, 2, 3, 4, 5}, func(order []int64) {
			var s shard
			s.reset(rules)
			for _, position := range order {
				r := row{position: position}
				r.Customer, r.ID, r.Amount = []byte("C"), fmt.Appendf(nil, "T%d", position), bank.Paise(position*10)
				s.addAll([]addition{{row: r, customerHash: customerHash(r.Customer), fresh: true}})
			}
			alert := s.velocity(&s.windows[0])
			switch want := rules.VelocityCount; {
			case want > 5:
				if alert != nil {
					t.Errorf("5 rows in the order %v raise an alert at %d", order, want)
				}
			case alert == nil || alert.position != want || string(s.id(alert)) != fmt.Sprintf("T%d", want) || alert.amount != bank.Paise(want*10):
				t.Errorf("order %v: the alert is %+v, want row %d", order, alert, want)
			}
		})
	}
}

func permute(list []int64, visit func([]int64)) {
	var step func(int)
	step = func(n int) {
		if n == len(list) {
			visit(list)
			return
		}
		for i := n; i < len(list); i++ {
			list[n], list[i] = list[i], list[n]
			step(n + 1)
			list[n], list[i] = list[i], list[n]
		}
	}
	step(0)
}

// TestShardGrows puts more into a shard than its first tables hold.
func TestShardGrows(t *testing.T) {
	var s shard
	for range 2 { // the second time in the memory of the first
		s.reset(bank.DefaultRules())
		const n = 5000
		for i := range n {
			r := row{position: int64(i)}
			r.Customer, r.ID = fmt.Appendf(nil, "C%d", i%700), fmt.Appendf(nil, "T%d", i)
			r.Location, r.EventTime, r.Amount = fmt.Appendf(nil, "L%d", i%3), bank.Micros(i/1400)*300_000_000, 1
			s.addAll([]addition{{row: r, customerHash: customerHash(r.Customer)}})
		}
		if len(s.customers) != 700 || len(s.windows) != 700*4 || len(s.parts) != 700*3 {
			t.Fatalf("%d customers, %d windows, %d parts; want 700, 2800, 2100", len(s.customers), len(s.windows), len(s.parts))
		}
		rows := int64(0)
		for _, w := range s.windows {
			rows += int64(w.transactions)
		}
		for _, p := range s.parts {
			rows += p.transactions
		}
		if rows != 2*n {
			t.Fatalf("windows and parts hold %d rows together, want %d", rows, 2*n)
		}
	}
}

// TestRowRefusesWhatIsNotARow cuts a tuple anywhere and lengthens it.
func TestRowRefusesWhatIsNotARow(t *testing.T) {
	var c copyRows
	c.begin(7)
	c.text([]byte("C1"))
	c.text([]byte("T1"))
	c.null()
	c.null()
	c.int(-5)
	c.time(7)
	c.int(3<<16 | 2)
	var r row
	if err := r.parse(c.buf); err != nil {
		t.Fatal(err)
	}
	if string(r.Customer) != "C1" || string(r.ID) != "T1" || r.Location != nil || r.HasBalance || r.Amount != -5 || r.EventTime != 7 ||
		r.offset() != 3 || r.partition() != 2 {
		t.Errorf("parsed %+v", r)
	}
	for n := range c.buf {
		if r.parse(c.buf[:n]) == nil {
			t.Errorf("the first %d of %d bytes pass for a row", n, len(c.buf))
		}
	}
	if r.parse(append(c.buf, 0)) == nil {
		t.Error("a row with a byte too many passes")
	}
}

func FuzzRow(f *testing.F) {
	f.Add([]byte("\x00\x07\x00\x00\x00\x01C\x00\x00\x00\x01T\xff\xff\xff\xff"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var r row
		_ = r.parse(b) // must not panic
	})
}

// TestCopyReader reads in the smallest steps what was encoded in large ones.
func TestCopyReader(t *testing.T) {
	make := func() io.Reader {
		n := 0
		return newCopyReader(func(c *copyRows) bool {
			n++
			if n > 30_000 {
				return false
			}
			c.begin(1)
			c.int(int64(n))
			return true
		})
	}
	if err := iotest.TestReader(iotest.OneByteReader(make()), must(io.ReadAll(make()))); err != nil {
		t.Error(err)
	}
	if all := must(io.ReadAll(make())); len(all) != len(copyHeader)+30_000*14+2 {
		t.Errorf("%d bytes", len(all))
	}
	if all := must(io.ReadAll(newCopyReader(func(*copyRows) bool { return false }))); !bytes.Equal(all, append(bytes.Clone(copyHeader), 0xff, 0xff)) {
		t.Errorf("nothing to copy is %q", all)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
