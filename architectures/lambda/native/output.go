package native

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
)

// selection is what of an aggregate goes to the database, in the order of the keys: inserting in that order touches
// every page of an index once.
type selection struct {
	aggregate *aggregate
	all       bool // else only what a row at or above the last cut has touched
	customers []selected
}

// selected is one customer's rows, as numbers of entries of its shard.
type selected struct {
	shard          *shard
	name           []byte
	windows, parts []uint32
}

// choose puts the result in order, the shards in parallel.
func (a *aggregate) choose(all bool) *selection {
	var lists [shardCount][]selected
	var group sync.WaitGroup
	for i := range a.readers {
		group.Go(func() {
			for n := i; n < shardCount; n += len(a.readers) {
				lists[n] = a.shards[n].choose(all)
			}
		})
	}
	group.Wait()
	s := &selection{aggregate: a, all: all, customers: slices.Concat(lists[:]...)}
	slices.SortFunc(s.customers, func(a, b selected) int { return bytes.Compare(a.name, b.name) })
	return s
}

func (s *shard) choose(all bool) []selected {
	windows := group(len(s.customers), len(s.windows), func(n int) (uint32, bool) {
		return s.windows[n].customer, all || s.windows[n].fresh
	})
	parts := group(len(s.customers), len(s.parts), func(n int) (uint32, bool) {
		return s.parts[n].customer, all || s.parts[n].fresh
	})
	var list []selected
	for c := range s.customers {
		if len(windows[c]) == 0 { // whoever has a fresh row has it in a window
			continue
		}
		slices.SortFunc(windows[c], func(a, b uint32) int { return cmp.Compare(s.windows[a].start, s.windows[b].start) })
		slices.SortFunc(parts[c], func(a, b uint32) int {
			return bytes.Compare(s.places.bytes(s.parts[a].location), s.places.bytes(s.parts[b].location))
		})
		list = append(list, selected{s, s.names.bytes(s.customers[c].name), windows[c], parts[c]})
	}
	return list
}

// group lists, for each of owners, which of n entries are its own, in their order. of gives an entry's owner and
// whether it counts.
func group(owners, n int, of func(int) (uint32, bool)) [][]uint32 {
	ends := make([]int, owners)
	for i := range n {
		if owner, ok := of(i); ok {
			ends[owner]++
		}
	}
	total := 0
	for i, count := range ends {
		ends[i] = total
		total += count
	}
	sorted := make([]uint32, total)
	for i := range n {
		if owner, ok := of(i); ok {
			sorted[ends[owner]] = uint32(i)
			ends[owner]++
		}
	}
	lists := make([][]uint32, owners)
	begin := 0
	for i, end := range ends {
		lists[i] = sorted[begin:end:end]
		begin = end
	}
	return lists
}

// windows is the rows of batch_windows.
func (s *selection) windows() *copyReader {
	return s.each(func(c *copyRows, from *selected) {
		for _, n := range from.windows {
			c.window(from.shard, &from.shard.windows[n])
		}
	})
}

// parts is the rows of batch_profile_parts.
func (s *selection) parts() *copyReader {
	return s.each(func(c *copyRows, from *selected) {
		for _, n := range from.parts {
			c.part(from.shard, &from.shard.parts[n])
		}
	})
}

func (s *selection) each(encode func(*copyRows, *selected)) *copyReader {
	next := 0
	return newCopyReader(func(c *copyRows) bool {
		if next == len(s.customers) {
			return false
		}
		encode(c, &s.customers[next])
		next++
		return true
	})
}

// anomalies is the rows of batch_anomalies: first the rules of single transactions in the order read, which is nearly
// the order of the ids, then velocity by customer.
func (s *selection) anomalies() *copyReader {
	var encoded [][]byte
	for _, r := range s.aggregate.readers {
		if s.all {
			encoded = append(encoded, r.anomalies.bytes()...)
		}
		encoded = append(encoded, r.freshAnomalies.bytes()...)
	}
	velocity := s.each(func(c *copyRows, from *selected) {
		for _, n := range from.windows {
			w := &from.shard.windows[n]
			if alert := from.shard.velocity(w); alert != nil {
				c.velocity(from.shard, w, alert)
			}
		}
	})
	return newCopyReader(func(c *copyRows) bool {
		if len(encoded) > 0 {
			c.buf = append(c.buf, encoded[0]...)
			encoded = encoded[1:]
			return true
		}
		return velocity.fill(c)
	})
}
