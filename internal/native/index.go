package native

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// fewestSlots is the least size of an index; every size is a power of two.
const fewestSlots = 64

// emptied gives the slots for the next batch: the same, or half as many if the last one needed so few that clearing them
// all would cost every small batch after a large one dearly.
func emptied(slots []uint32, used int) []uint32 {
	if len(slots) > fewestSlots && used < len(slots)/16 {
		return make([]uint32, len(slots)/2)
	}
	clear(slots)
	return slots
}

// interner numbers distinct byte strings from 0 in order of first sight. It refers to the strings it was given and does
// not copy them. Reset keeps the memory.
type interner struct {
	seed  maphash.Seed
	slots []uint32 // number + 1; 0 is free
	keys  [][]byte
	sums  []uint64 // hash of each key, so that growing does not hash again
}

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), slots: make([]uint32, fewestSlots)}
}

func (in *interner) reset() {
	in.slots = emptied(in.slots, len(in.keys))
	clear(in.keys) // drop the references
	in.keys, in.sums = in.keys[:0], in.sums[:0]
}

func (in *interner) number(key []byte) uint32 {
	sum := maphash.Bytes(in.seed, key)
	mask := uint64(len(in.slots) - 1)
	i := sum & mask
	for ; in.slots[i] != 0; i = (i + 1) & mask {
		n := in.slots[i] - 1
		if in.sums[n] == sum && bytes.Equal(in.keys[n], key) {
			return n
		}
	}
	n := uint32(len(in.keys))
	in.keys, in.sums = append(in.keys, key), append(in.sums, sum)
	in.slots[i] = n + 1
	if len(in.keys)*2 > len(in.slots) {
		in.grow()
	}
	return n
}

func (in *interner) grow() {
	in.slots = make([]uint32, 2*len(in.slots))
	mask := uint64(len(in.slots) - 1)
	for n, sum := range in.sums {
		i := sum & mask
		for in.slots[i] != 0 {
			i = (i + 1) & mask
		}
		in.slots[i] = uint32(n) + 1
	}
}

// pair is a key of two numbers.
type pair struct{ a, b uint64 }

func (p pair) hash() uint64 { return mix(p.a^0x9e3779b97f4a7c15, p.b^0xd1b54a32d192ed03) }

// mix spreads two numbers over 64 bits: both halves of their product, folded.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return mixOne(hi ^ lo)
}

func mixOne(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}

// pairIndex numbers distinct pairs from 0 in order of first sight. Reset keeps the memory.
type pairIndex struct {
	slots []uint32 // number + 1; 0 is free
	keys  []pair
}

func newPairIndex() *pairIndex { return &pairIndex{slots: make([]uint32, fewestSlots)} }

func (x *pairIndex) reset() {
	x.slots = emptied(x.slots, len(x.keys))
	x.keys = x.keys[:0]
}

// number returns the pair's number; it is new if it equals the count of pairs before the call.
func (x *pairIndex) number(key pair) uint32 {
	mask := uint64(len(x.slots) - 1)
	i := key.hash() & mask
	for ; x.slots[i] != 0; i = (i + 1) & mask {
		if n := x.slots[i] - 1; x.keys[n] == key {
			return n
		}
	}
	n := uint32(len(x.keys))
	x.keys = append(x.keys, key)
	x.slots[i] = n + 1
	if len(x.keys)*2 > len(x.slots) {
		x.grow()
	}
	return n
}

func (x *pairIndex) grow() {
	x.slots = make([]uint32, 2*len(x.slots))
	mask := uint64(len(x.slots) - 1)
	for n, key := range x.keys {
		i := key.hash() & mask
		for x.slots[i] != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = uint32(n) + 1
	}
}
