package oracle

import (
	"cmp"
	"slices"

	"lkbench/loadgen"
)

// cutEvents gives for every partition the acknowledged events below the offset at which its log begins, in log order: the
// broker has thrown their records away, and the ledger alone tells what stood there. An event whose acknowledgement never came
// has no known place, so none of those is among them.
func cutEvents(ledger *loadgen.Ledger, starts []int64) [][]placed {
	cut := make([][]placed, len(starts))
	if !slices.ContainsFunc(starts, func(start int64) bool { return start > 0 }) {
		return cut
	}
	for n := range ledger.Len() {
		e := ledger.Entry(n)
		if e.Status == loadgen.Acknowledged && int(e.Partition) < len(starts) && e.Offset < starts[e.Partition] {
			cut[e.Partition] = append(cut[e.Partition], placed{n, e.Offset})
		}
	}
	for _, events := range cut {
		slices.SortFunc(events, func(a, b placed) int { return cmp.Compare(a.offset, b.offset) })
	}
	return cut
}

// distinct counts the offsets of events in log order.
func distinct(events []placed) int64 {
	n, last := int64(0), int64(-1)
	for _, e := range events {
		if e.offset != last {
			n, last = n+1, e.offset
		}
	}
	return n
}
