package native

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lkbench/internal/bank"
)

// text draws ids so short that many repeat, some of them longer than a key holds exactly.
func text(t *rapid.T, name string) []byte {
	n := rapid.IntRange(1, 60).Draw(t, name)
	s := fmt.Sprintf("T%d", n)
	if n%3 == 0 {
		s += strings.Repeat("x", n)
	}
	return []byte(s)
}

// TestIDTable holds the table against a map that never forgets.
func TestIDTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pack, table, model := newPacker(), newIDTable(), map[string]bank.Micros{}
		newest := bank.Micros(0)
		const horizon = 50
		for range rapid.IntRange(0, 200).Draw(t, "events") {
			id := text(t, "id")
			at := newest + bank.Micros(rapid.IntRange(-100, 20).Draw(t, "at"))
			newest = max(newest, at)
			cut := newest - horizon
			old, known := model[string(id)]
			known = known && old >= cut
			if !known && at >= cut {
				model[string(id)] = at
			}
			if got := table.remember(pack.pack(id), at, cut); got != known {
				t.Fatalf("remember(%s, %d, cut %d) = %v, want %v", id, at, cut, got, known)
			}
		}
	})
}

// TestIDTableForgets runs far more ids through the table than live at once: it stays small, and forgets none too early.
func TestIDTableForgets(t *testing.T) {
	pack, table := newPacker(), newIDTable()
	const live, all = 5_000, 100_000
	for n := range all {
		at := bank.Micros(n)
		if table.remember(pack.pack(fmt.Appendf(nil, "T%011d", n)), at, at-live) {
			t.Fatalf("id %d is new", n)
		}
		if n >= live && !table.remember(pack.pack(fmt.Appendf(nil, "T%011d", n-live)), at-live, at-live) {
			t.Fatalf("id %d is within the horizon", n-live)
		}
		if len(table.slots) > 4*live {
			t.Fatalf("%d slots for %d live ids", len(table.slots), live)
		}
	}
}

func TestPack(t *testing.T) {
	pack := newPacker()
	seen := map[key]string{}
	for _, s := range []string{"a", "a\x00", "a\x01", "aa", "abcdefghijklmno", "abcdefghijklmnop", "abcdefghijklmnoq", strings.Repeat("a", 256)} {
		k := pack.pack([]byte(s))
		if k == (key{}) {
			t.Errorf("%q has the key of a free slot", s)
		}
		if other, taken := seen[k]; taken {
			t.Errorf("%q and %q have the same key", s, other)
		}
		seen[k] = s
		if hashed := k.lo&0xff == hashedLength; hashed != (len(s) > 15) {
			t.Errorf("%q: hashed %v", s, hashed)
		}
	}
}

// TestCountTable holds the table against a map, over many growths and with windows that expire.
func TestCountTable(t *testing.T) {
	type window struct {
		customer string
		start    bank.Micros
	}
	rapid.Check(t, func(t *rapid.T) {
		pack, table, model := newPacker(), newCountTable(), map[window]int64{}
		cut := bank.Micros(-1000)
		for range rapid.IntRange(0, 200).Draw(t, "events") {
			cut += bank.Micros(rapid.IntRange(0, 10).Draw(t, "later"))
			customer := text(t, "customer")
			start := cut + bank.Micros(rapid.IntRange(0, 30).Draw(t, "start"))
			model[window{string(customer), start}]++
			want := model[window{string(customer), start}]
			if got := table.add(pack.pack(customer), start, cut); got != want {
				t.Fatalf("count %d, want %d", got, want)
			}
		}
	})
	pack, table := newPacker(), newCountTable()
	for n := range 100_000 {
		start := bank.Micros(n / 100)
		if got := table.add(pack.pack(fmt.Appendf(nil, "C%d", n%100)), start, start-100); got != 1 {
			t.Fatalf("count %d of a window with one transaction", got)
		}
	}
	if len(table.slots) > 4*10_100 {
		t.Errorf("%d slots for %d live windows", len(table.slots), 10_100)
	}
}

func TestInterner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := newInterner()
		for range 2 {
			model := map[string]uint32{}
			for _, s := range rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 4), 0, 300).Draw(t, "keys") {
				want, known := model[string(s)]
				if !known {
					want = uint32(len(model))
					model[string(s)] = want
				}
				if got := in.number(s); got != want || !bytes.Equal(in.keys[got], s) {
					t.Fatalf("number(%v) = %d, want %d", s, got, want)
				}
			}
			in.reset()
		}
	})
}

func TestPairIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newPairIndex()
		for range 2 {
			model := map[pair]uint32{}
			for range rapid.IntRange(0, 300).Draw(t, "count") {
				p := pair{rapid.Uint64Range(0, 20).Draw(t, "a"), rapid.Uint64Range(0, 20).Draw(t, "b")}
				want, known := model[p]
				if !known {
					want = uint32(len(model))
					model[p] = want
				}
				if got := x.number(p); got != want {
					t.Fatalf("number(%v) = %d, want %d", p, got, want)
				}
			}
			x.reset()
		}
	})
}

func BenchmarkIDTable(b *testing.B) {
	pack, table := newPacker(), newIDTable()
	ids := make([][]byte, 1<<16)
	for i := range ids {
		ids[i] = fmt.Appendf(nil, "T%011d", i)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		id := ids[n&(len(ids)-1)]
		copy(id[1:], fmt.Appendf(id[1:1], "%011d", n))
		table.remember(pack.pack(id), bank.Micros(n), bank.Micros(n-300_000))
		n++
	}
}
