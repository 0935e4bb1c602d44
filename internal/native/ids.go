package native

import (
	"encoding/binary"
	"hash/maphash"

	"lkbench/internal/bank"
)

// key is a text in 128 bits: up to 15 bytes exactly, with their number in the last byte; a longer text as two hashes
// with a number that no short one has. The zero key is no text at all, because ids are never empty.
type key struct{ hi, lo uint64 }

// hashedLength stands where a packed text has its length.
const hashedLength = 0xff

// packer makes keys. Its seeds differ from process to process, so nobody can choose texts that collide.
type packer struct{ first, second maphash.Seed }

func newPacker() packer { return packer{maphash.MakeSeed(), maphash.MakeSeed()} }

func (p *packer) pack(text []byte) key {
	if len(text) > 15 {
		return key{maphash.Bytes(p.first, text), maphash.Bytes(p.second, text) | hashedLength}
	}
	var b [16]byte
	copy(b[:], text)
	b[15] = byte(len(text))
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (k key) hash() uint64 { return mix(k.hi^0x9e3779b97f4a7c15, k.lo^0xd1b54a32d192ed03) }

// smallestTable is the least number of slots; every number of slots is a power of two.
const smallestTable = 1 << 10

// slotsFor is the number of slots that a table gets when live entries are left in it: at most half of them are taken,
// at least an eighth unless it is the smallest. A table is made anew when three quarters are taken.
func slotsFor(live int) int {
	slots := smallestTable
	for slots < 2*live {
		slots *= 2
	}
	return slots
}

// idTable remembers TransactionIDs with their event times, by open addressing. Entries older than the cut are as good
// as absent; they leave it when it is made anew.
type idTable struct {
	slots []idSlot
	taken int
}

type idSlot struct {
	key key
	at  bank.Micros
}

func newIDTable() *idTable { return &idTable{slots: make([]idSlot, smallestTable)} }

// remember says whether id is in the table with a time that is not before cut. If not, it is now there with the time at,
// unless that is itself before cut.
func (t *idTable) remember(id key, at, cut bank.Micros) (known bool) {
	slot := t.find(id)
	if slot.key == id && slot.at >= cut {
		return true
	}
	if at < cut {
		return false
	}
	if slot.key == id {
		slot.at = at
		return false
	}
	*slot = idSlot{id, at}
	t.taken++
	if t.taken > len(t.slots)/4*3 {
		t.renew(cut)
	}
	return false
}

// find returns the slot of id, or the free one where it would be.
func (t *idTable) find(id key) *idSlot {
	mask := uint64(len(t.slots) - 1)
	for i := id.hash() & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.key == id || s.key == (key{}) {
			return s
		}
	}
}

func (t *idTable) renew(cut bank.Micros) {
	live := 0
	for i := range t.slots {
		if s := &t.slots[i]; s.key != (key{}) && s.at >= cut {
			live++
		}
	}
	old := t.slots
	t.slots, t.taken = make([]idSlot, slotsFor(live)), live
	for i := range old {
		if s := &old[i]; s.key != (key{}) && s.at >= cut {
			*t.find(s.key) = *s
		}
	}
}
