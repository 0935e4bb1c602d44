package native

import (
	"lkbench/internal/bank"
)

// countTable counts the transactions of each customer's window, by open addressing like idTable. Windows that start
// before the cut are not to be asked for; they leave the table when it is made anew.
type countTable struct {
	slots []countSlot
	taken int
}

type countSlot struct {
	customer key
	window   bank.Micros
	count    int64
}

func newCountTable() *countTable { return &countTable{slots: make([]countSlot, smallestTable)} }

// add counts one more transaction and returns how many there are now. The window must not start before cut.
func (t *countTable) add(customer key, window, cut bank.Micros) int64 {
	slot := t.find(customer, window)
	slot.count++
	count := slot.count
	if count > 1 {
		return count
	}
	slot.customer, slot.window = customer, window
	t.taken++
	if t.taken > len(t.slots)/4*3 {
		t.renew(cut)
	}
	return count
}

// find returns the slot of a customer's window, or the free one where it would be.
func (t *countTable) find(customer key, window bank.Micros) *countSlot {
	mask := uint64(len(t.slots) - 1)
	for i := mixOne(customer.hash()^uint64(window)) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.customer == customer && s.window == window || s.count == 0 {
			return s
		}
	}
}

func (t *countTable) renew(cut bank.Micros) {
	live := 0
	for i := range t.slots {
		if s := &t.slots[i]; s.count > 0 && s.window >= cut {
			live++
		}
	}
	old := t.slots
	t.slots, t.taken = make([]countSlot, slotsFor(live)), live
	for i := range old {
		if s := &old[i]; s.count > 0 && s.window >= cut {
			*t.find(s.customer, s.window) = *s
		}
	}
}
