package native

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// order puts rows into the order of a table's primary key: a statement then walks each index from left to right instead
// of jumping about in it, which saved a quarter of PostgreSQL's time on an upsert. It keeps its memory.
type order struct {
	customers []ranked
	ranks     []uint32
	rows      []sortable
	sorted    []uint32
}

// ranked is a customer with the first eight bytes of its id, which decide nearly every comparison.
type ranked struct {
	prefix uint64
	number uint32
}

type sortable struct {
	rank   uint32
	row    uint32
	second int64
}

// of gives the places of keys in order of customer, then of the second number. Keys name customers by their place in
// customers.
func (o *order) of(customers [][]byte, keys []pair) []uint32 {
	o.customers = o.customers[:0]
	for i, id := range customers {
		var first [8]byte
		copy(first[:], id)
		o.customers = append(o.customers, ranked{binary.BigEndian.Uint64(first[:]), uint32(i)})
	}
	slices.SortFunc(o.customers, func(a, b ranked) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return bytes.Compare(customers[a.number], customers[b.number])
	})
	o.ranks = slices.Grow(o.ranks[:0], len(customers))[:len(customers)]
	for rank, c := range o.customers {
		o.ranks[c.number] = uint32(rank)
	}
	o.rows = o.rows[:0]
	for i, k := range keys {
		o.rows = append(o.rows, sortable{o.ranks[k.a], uint32(i), int64(k.b)})
	}
	slices.SortFunc(o.rows, func(a, b sortable) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return cmp.Compare(a.second, b.second)
	})
	o.sorted = o.sorted[:0]
	for _, r := range o.rows {
		o.sorted = append(o.sorted, r.row)
	}
	return o.sorted
}
