package loadgen

import (
	"fmt"
	"math"
	"testing"
)

func TestID(t *testing.T) {
	for n, want := range map[uint64]string{0: "T00000000000", 12345: "T00000012345", MaxEvents - 1: "T99999999999"} {
		if got := string(AppendID([]byte("x"), n)); got != "x"+want {
			t.Errorf("AppendID(%d) = %q", n, got)
		}
		if got, ok := ParseID([]byte(want)); !ok || got != n {
			t.Errorf("ParseID(%q) = %d, %v", want, got, ok)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"", "T", "T00000000012", "t00000000012", "T0000000001", "T000000000120", "T0000000001x", "T-0000000001", "T+0000000001"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, id []byte) {
		n, ok := ParseID(id)
		if ok && string(id) != fmt.Sprintf("T%011d", n) {
			t.Errorf("ParseID(%q) = %d", id, n)
		}
		if !ok && len(id) == 12 && id[0] == 'T' {
			for _, c := range id[1:] {
				if c < '0' || c > '9' {
					return
				}
			}
			t.Errorf("ParseID(%q) refuses", id)
		}
	})
}

// The table of an alias distribution tells how often each item comes; it must be its weight.
func TestAliasHasItsWeights(t *testing.T) {
	for name, weights := range map[string][]uint64{
		"one": {7}, "equal": {5, 5, 5}, "with a zero": {0, 1, 3}, "Zipf": powerLaw(1, 100_000, 1), "steep": powerLaw(1, 1000, 3),
	} {
		table := newAlias(weights)
		got, sum := make([]float64, len(weights)), 0.0
		for i, e := range table {
			own := float64(e.cut) / (1 << 32)
			got[i] += own
			got[e.other] += 1 - own
			sum += float64(weights[i])
		}
		for i, w := range weights {
			want := float64(w) / sum
			if have := got[i] / float64(len(weights)); math.Abs(have-want) > 1e-9 {
				t.Fatalf("%s: item %d comes with probability %v, want %v", name, i, have, want)
			}
		}
	}
}

// And pick must use the table as it is meant.
func TestAliasPick(t *testing.T) {
	weights := []uint64{1, 2, 3, 4}
	table, d := newAlias(weights), drawFor(1, 1)
	const draws = 1_000_000
	var got [4]int
	for range draws {
		got[table.pick(d.next())]++
	}
	for i, n := range got {
		p := float64(weights[i]) / 10
		if sigma := math.Sqrt(draws * p * (1 - p)); math.Abs(float64(n)-draws*p) > 5*sigma {
			t.Errorf("item %d came %d times, want %v", i, n, draws*p)
		}
	}
}
