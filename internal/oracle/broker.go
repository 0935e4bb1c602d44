package oracle

import (
	"fmt"

	"lkbench/loadgen"
)

// bits is a set of event numbers.
type bits []uint64

func newBits(n uint64) bits      { return make(bits, (n+63)/64) }
func (b bits) set(n uint64)      { b[n/64] |= 1 << (n % 64) }
func (b bits) has(n uint64) bool { return b[n/64]&(1<<(n%64)) != 0 }

// brokerTally is what one partition of the topic says about the broker.
type brokerTally struct {
	inPlace          bits     // acknowledged events at the offset that was acknowledged
	astray           []placed // acknowledged events at another place
	corrupt, foreign int64

	differences differences
}

// placed is an event and an offset of its partition.
type placed struct {
	n      uint64
	offset int64
}

// check holds one record against the ledger and returns its turn: r.n, or noTurn if this run has not sent it.
func (b *brokerTally) check(ledger *loadgen.Ledger, partition int32, r record) (turn uint64) {
	var sent loadgen.Entry
	if r.kind != recordForeign {
		sent = ledger.Entry(r.n)
	}
	if sent.Status == loadgen.NotSent {
		b.foreign++
		b.differences.add("topic", kindUnexpected, func() (string, string, string) {
			return placeOf(partition, r.offset), "", contentOf(r)
		})
		return noTurn
	}
	if r.kind == recordAltered {
		b.corrupt++
		b.differences.add("topic", kindWrong, func() (string, string, string) {
			return placeOf(partition, r.offset), fmt.Sprintf("the bytes of event %d", r.n), contentOf(r)
		})
	}
	if sent.Status == loadgen.Acknowledged {
		if sent.Partition == partition && sent.Offset == r.offset {
			b.inPlace.set(r.n)
		} else {
			b.astray = append(b.astray, placed{r.n, r.offset})
		}
	}
	return r.n
}

func placeOf(partition int32, offset int64) string {
	return fmt.Sprintf("partition %d offset %d", partition, offset)
}

func contentOf(r record) string {
	if r.kind == recordSame {
		return fmt.Sprintf("event %d, which was not sent", r.n)
	}
	return fmt.Sprintf("key=%.64q value=%.256q", r.key, r.value)
}

// brokerLoss is what the log lacks and has twice.
type brokerLoss struct {
	lost, duplicate int64

	differences differences
}

// brokerLosses compares what all partitions hold with all that was acknowledged.
func brokerLosses(ledger *loadgen.Ledger, parts []*part) (loss brokerLoss) {
	inPlace := newBits(ledger.Len())
	for _, p := range parts {
		for i, word := range p.broker.inPlace {
			inPlace[i] |= word
		}
	}
	for n := range ledger.Len() {
		e := ledger.Entry(n)
		if e.Status != loadgen.Acknowledged || inPlace.has(n) {
			continue
		}
		loss.lost++
		loss.differences.add("topic", kindMissing, func() (string, string, string) {
			return fmt.Sprintf("event %d", n), placeOf(e.Partition, e.Offset), ""
		})
	}
	// A second copy is a duplicate; the only copy of an event that is not in its place is not.
	found := map[uint64]bool{}
	for _, p := range parts {
		for _, a := range p.broker.astray {
			if !inPlace.has(a.n) && !found[a.n] {
				found[a.n] = true
				continue
			}
			loss.duplicate++
			loss.differences.add("topic", kindDuplicate, func() (string, string, string) {
				e := ledger.Entry(a.n)
				return fmt.Sprintf("event %d", a.n), placeOf(e.Partition, e.Offset), placeOf(p.partition, a.offset)
			})
		}
	}
	return loss
}
