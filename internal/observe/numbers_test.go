package observe

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// holder is a transaction of the model: its id, the numbers that it holds, and whether it has ended.
type holder struct {
	id      uint64
	numbers []int64
	ended   bool
}

// world is a model of a server: transactions take ids and numbers, commit or roll back, in any order.
type world struct {
	holders   []*holder
	number    int64
	nextID    uint64
	completed uint64
	rows      map[int64]bool
}

func (w *world) begin() { w.holders = append(w.holders, &holder{id: w.nextID}); w.nextID++ }

func (w *world) end(h *holder, commit bool) {
	h.ended = true
	w.completed = max(w.completed, h.id)
	if commit {
		for _, n := range h.numbers {
			w.rows[n] = true
		}
	}
}

func (w *world) running() []*holder {
	return slices.DeleteFunc(slices.Clone(w.holders), func(h *holder) bool { return h.ended })
}

// look answers as the poll's query does.
func (w *world) look(n *numbers) (read []int64, running, next uint64) {
	for number := range w.rows {
		if number > n.high || slices.ContainsFunc(n.missing, func(s span) bool { return s.from <= number && number <= s.to }) {
			read = append(read, number)
		}
	}
	running = w.completed + 1 // as a snapshot's upper bound
	for _, h := range w.running() {
		running = min(running, h.id)
	}
	return read, running, w.nextID
}

// TestNumbersReadEveryRowOnce lets transactions take numbers and end in every order, between looks.
func TestNumbersReadEveryRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{nextID: 100, completed: 99, rows: map[int64]bool{}}
		var n numbers
		seen := map[int64]int{}
		deleted := map[int64]bool{}
		look := func() {
			read, running, next := w.look(&n)
			for _, number := range read {
				seen[number]++
			}
			n.take(read, running, next)
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			open := w.running()
			switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
			case what < 2 || len(open) == 0:
				w.begin()
			case what < 5:
				h := rapid.SampledFrom(open).Draw(t, "holder")
				w.number += int64(rapid.SampledFrom([]int{1, 1, 1, 7}).Draw(t, "step")) // some are burnt
				h.numbers = append(h.numbers, w.number)
			case what < 7:
				w.end(rapid.SampledFrom(open).Draw(t, "ends"), rapid.Bool().Draw(t, "commit"))
			case what == 7 && len(w.rows) > 0:
				numbers := make([]int64, 0, len(w.rows))
				for number := range w.rows {
					numbers = append(numbers, number)
				}
				slices.Sort(numbers)
				number := rapid.SampledFrom(numbers).Draw(t, "deleted")
				delete(w.rows, number)
				deleted[number] = true
			default:
				look()
			}
		}
		for _, h := range w.running() {
			w.end(h, true)
		}
		look()
		for number := range w.rows {
			if seen[number] != 1 {
				t.Fatalf("row %d was read %d times", number, seen[number])
			}
		}
		for number, times := range seen {
			if times != 1 {
				t.Fatalf("number %d was read %d times", number, times)
			}
		}
		// Nothing runs any more: two looks later nothing is waited for.
		look()
		look()
		if len(n.missing) != 0 {
			t.Fatalf("still missing %v", n.missing)
		}
	})
}

func TestNumbersKeepRangesNotNumbers(t *testing.T) {
	var n numbers
	n.take([]int64{math.MaxInt64 - 1, 3}, 10, 10)
	if from, to := n.missed(); !slices.Equal(from, []int64{1, 4}) || !slices.Equal(to, []int64{2, math.MaxInt64 - 2}) {
		t.Fatalf("missing %v to %v, want 1 to 2 and 4 to the number before the highest", from, to)
	}
	n.take([]int64{1_000_000, 4, math.MaxInt64 - 2}, 5, 12) // both ends and one within
	if from, to := n.missed(); !slices.Equal(from, []int64{1, 5, 1_000_001}) || !slices.Equal(to, []int64{2, 999_999, math.MaxInt64 - 3}) {
		t.Fatalf("missing %v to %v", from, to)
	}
	n.take([]int64{2}, 11, 13) // transaction 11 began before the gaps were missed
	if from, _ := n.missed(); !slices.Equal(from, []int64{1, 5, 1_000_001}) {
		t.Fatalf("missing from %v; a transaction that may hold them still runs", from)
	}
	n.take([]int64{1}, 12, 13) // seen in the very look that gives the rest up
	if from, _ := n.missed(); len(from) != 0 {
		t.Fatalf("missing from %v, all who could hold them have ended", from)
	}
}
