package native

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/cespare/xxhash/v2"

	"lkbench/internal/bank"
)

// shardCount is into how many parts the customers are divided by their hash. What a shard holds fits the processor's
// cache as long as there are a few ten thousand windows in each.
const shardCount = 256

// shard is the batch's result for its customers. Entries lie densely in slices, found by open addressing; nothing in it
// holds a pointer that the garbage collector would follow.
type shard struct {
	mu    sync.Mutex
	rules bank.Rules
	// Texts, apart so that the few that are compared for every row lie close together.
	names, places arena
	ids           []byte

	customers  []customer
	windows    []window
	parts      []part
	candidates []candidate

	customerSlots, windowSlots, partSlots slots

	looked bank.Micros // so that looking is not optimized away
}

// arena is many strings, one behind the other; a text is one of them.
type arena []byte

type text struct{ at, length uint32 }

func (a *arena) keep(b []byte) text {
	t := text{uint32(len(*a)), uint32(len(b))}
	*a = append(*a, b...)
	return t
}

func (a arena) bytes(t text) []byte { return a[t.at : t.at+t.length] }

type customer struct {
	hash uint64
	name text
}

// window is a row of batch_windows in the making.
type window struct {
	start        bank.Micros
	amount       bank.Paise
	balance      bank.Paise // greatest known; noBalance
	customer     uint32
	transactions uint32 // a customer's windows are far from 2^32 rows
	candidates   uint32 // number + 1 of the candidate with the greatest position; 0 for none
	fresh        bool   // a row at or above the last cut is in it
}

// part is a row of batch_profile_parts in the making.
type part struct {
	last         bank.Micros
	amount       bank.Paise
	balance      bank.Paise // greatest known; noBalance
	transactions int64
	customer     uint32
	location     text
	fresh        bool
}

// candidate is a transaction among the first velocity_count of its window in log order. A window's candidates are a
// list that descends by position, so that its head is the velocity alert once the list is full. As rows are nearly
// always read in log order, a row either goes to the head or is turned away there.
type candidate struct {
	position  int64
	eventTime bank.Micros
	amount    bank.Paise
	balance   bank.Paise // noBalance
	id        uint32     // where in shard.ids, after its length
	next      uint32     // number + 1; 0 ends the list
}

// noBalance stands for a missing balance; it is smaller than every real one.
const noBalance = -1 << 63

func (s *shard) reset(rules bank.Rules) {
	s.rules = rules
	s.names, s.places, s.ids = s.names[:0], s.places[:0], s.ids[:0]
	s.customers, s.windows, s.parts, s.candidates = s.customers[:0], s.windows[:0], s.parts[:0], s.candidates[:0]
	s.customerSlots.reset()
	s.windowSlots.reset()
	s.partSlots.reset()
}

// addition is a row on its way into a shard, with where it belongs.
type addition struct {
	row
	customerHash         uint64
	fresh                bool // at or above the last cut
	customer             uint32
	start                bank.Micros // of the window
	windowHash, partHash uint64
}

// addAll counts rows of the master dataset in. The tables together are far larger than any cache, so it goes through
// the rows three times: what the first two passes only look at is fetched for many rows at once, and is there when the
// last one works on one row after the other.
func (s *shard) addAll(rows []addition) {
	for i := range rows {
		r := &rows[i]
		r.customer = s.customer(r.Customer, r.customerHash)
		r.start = s.rules.WindowStart(r.EventTime)
		r.windowHash, r.partHash = windowHash(r.customer, r.start), partHash(r.customer, r.Location)
	}
	var looked bank.Micros
	for i := range rows {
		r := &rows[i]
		if n := s.windowSlots.at[s.windowSlots.first(r.windowHash)]; n > 0 {
			looked |= s.windows[n-1].start
		}
		if n := s.partSlots.at[s.partSlots.first(r.partHash)]; n > 0 {
			looked |= s.parts[n-1].last
		}
	}
	s.looked = looked
	for i := range rows {
		s.add(&rows[i])
	}
}

func (s *shard) add(r *addition) {
	balance := bank.Paise(noBalance)
	if r.HasBalance {
		balance = r.Balance
	}
	w := s.window(r.customer, r.start, r.windowHash)
	w.transactions++
	w.amount += r.Amount
	w.balance = max(w.balance, balance)
	w.fresh = w.fresh || r.fresh
	s.propose(w, &r.row, balance)

	p := s.part(r.customer, r.Location, r.partHash)
	p.transactions++
	p.amount += r.Amount
	p.balance = max(p.balance, balance)
	p.last = max(p.last, r.EventTime)
	p.fresh = p.fresh || r.fresh
}

// propose keeps r among the candidates of w if it is one of the first velocity_count so far.
func (s *shard) propose(w *window, r *row, balance bank.Paise) {
	free := uint32(len(s.candidates)) + 1
	if int64(w.transactions) > s.rules.VelocityCount {
		head := w.candidates
		if r.position > s.candidates[head-1].position {
			return
		}
		w.candidates = s.candidates[head-1].next
		free = head
	} else {
		s.candidates = append(s.candidates, candidate{})
	}
	before := &w.candidates
	for *before != 0 && s.candidates[*before-1].position > r.position {
		before = &s.candidates[*before-1].next
	}
	s.candidates[free-1] = candidate{r.position, r.EventTime, r.Amount, balance, uint32(len(s.ids)), *before}
	s.ids = append(binary.AppendUvarint(s.ids, uint64(len(r.ID))), r.ID...)
	*before = free
}

func (s *shard) id(c *candidate) []byte {
	length, n := binary.Uvarint(s.ids[c.id:])
	return s.ids[c.id+uint32(n):][:length]
}

// velocity is the transaction that brought w to velocity_count, or nil.
func (s *shard) velocity(w *window) *candidate {
	if int64(w.transactions) < s.rules.VelocityCount {
		return nil
	}
	return &s.candidates[w.candidates-1]
}

func customerHash(name []byte) uint64 { return xxhash.Sum64(name) }

func (s *shard) customer(name []byte, hash uint64) uint32 {
	i := s.customerSlots.first(hash)
	for ; s.customerSlots.at[i] != 0; i = s.customerSlots.after(i) {
		n := s.customerSlots.at[i] - 1
		if c := &s.customers[n]; c.hash == hash && bytes.Equal(s.names.bytes(c.name), name) {
			return n
		}
	}
	s.customers = append(s.customers, customer{hash, s.names.keep(name)})
	s.customerSlots.put(i, len(s.customers), func(n uint32) uint64 { return s.customers[n].hash })
	return uint32(len(s.customers) - 1)
}

func windowHash(customer uint32, start bank.Micros) uint64 {
	high, low := bits.Mul64(uint64(start)^0x9e3779b97f4a7c15, uint64(customer)<<1|0xd6e8feb800000001)
	return high ^ low
}

func (s *shard) window(customer uint32, start bank.Micros, hash uint64) *window {
	i := s.windowSlots.first(hash)
	for ; s.windowSlots.at[i] != 0; i = s.windowSlots.after(i) {
		if w := &s.windows[s.windowSlots.at[i]-1]; w.customer == customer && w.start == start {
			return w
		}
	}
	s.windows = append(s.windows, window{start: start, customer: customer, balance: noBalance})
	s.windowSlots.put(i, len(s.windows), func(n uint32) uint64 { return windowHash(s.windows[n].customer, s.windows[n].start) })
	return &s.windows[len(s.windows)-1]
}

func partHash(customer uint32, location []byte) uint64 {
	return xxhash.Sum64(location) ^ uint64(customer)*0x9e3779b97f4a7c15
}

func (s *shard) part(customer uint32, location []byte, hash uint64) *part {
	i := s.partSlots.first(hash)
	for ; s.partSlots.at[i] != 0; i = s.partSlots.after(i) {
		if p := &s.parts[s.partSlots.at[i]-1]; p.customer == customer && bytes.Equal(s.places.bytes(p.location), location) {
			return p
		}
	}
	s.parts = append(s.parts, part{last: -1 << 63, balance: noBalance, customer: customer, location: s.places.keep(location)})
	s.partSlots.put(i, len(s.parts), func(n uint32) uint64 { return partHash(s.parts[n].customer, s.places.bytes(s.parts[n].location)) })
	return &s.parts[len(s.parts)-1]
}

// slots is an open-addressing index of the entries of a slice: at holds number + 1, 0 is free.
type slots struct{ at []uint32 }

func (x *slots) reset() {
	if x.at == nil {
		x.at = make([]uint32, 256)
	}
	clear(x.at)
}

func (x *slots) first(hash uint64) uint32 { return uint32(hash) & uint32(len(x.at)-1) }

func (x *slots) after(i uint32) uint32 { return (i + 1) & uint32(len(x.at)-1) }

// put enters the newest of n entries at the free place i. When the index becomes more than half full it grows, which
// asks for the hash of every entry.
func (x *slots) put(i uint32, n int, hash func(uint32) uint64) {
	x.at[i] = uint32(n)
	if 2*n <= len(x.at) {
		return
	}
	x.at = make([]uint32, 2*len(x.at))
	for entry := range uint32(n) {
		i := x.first(hash(entry))
		for x.at[i] != 0 {
			i = x.after(i)
		}
		x.at[i] = entry + 1
	}
}
