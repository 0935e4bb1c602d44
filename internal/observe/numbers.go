package observe

import (
	"slices"
	"sort"
)

// span is a range of numbers, both ends within, that nobody has seen yet.
type span struct {
	from, to int64
	// until is the first transaction id that was not given away when the span was missed: any transaction that holds a number
	// of the span has a lower one. 0: not known yet.
	until uint64
}

// numbers keeps which numbers of a sequence were read. A sequence gives its numbers before the transactions commit, which
// they do in any order or never; so what lies below the highest may still come.
type numbers struct {
	high    int64  // the highest that was read
	missing []span // below it, ascending
}

// missed gives the spans as two columns.
func (n *numbers) missed() (from, to []int64) {
	from, to = make([]int64, len(n.missing)), make([]int64, len(n.missing))
	for i, s := range n.missing {
		from[i], to[i] = s.from, s.to
	}
	return from, to
}

// take notes the answer to one look: the numbers that are there, above high or missing so far; the lowest transaction that
// was still running at that moment; and the next transaction id that will be given away, read not before the look began.
//
// A span that a look has missed may be given up when every transaction that could hold one of its numbers has ended before a
// later look, for then that look would have seen it. The bound is taken at the look after the one that missed: whoever held
// a number below one that was visible then had its transaction id by then.
func (n *numbers) take(read []int64, running, next uint64) {
	slices.Sort(read)
	fresh := sort.Search(len(read), func(i int) bool { return read[i] > n.high })
	var left []span
	i := 0
	for _, s := range n.missing {
		if s.until == 0 {
			s.until = next
		} else if running >= s.until {
			continue
		}
		for ; i < fresh && read[i] <= s.to; i++ {
			if read[i] < s.from {
				continue
			}
			if read[i] > s.from {
				left = append(left, span{s.from, read[i] - 1, s.until})
			}
			s.from = read[i] + 1
		}
		if s.from <= s.to {
			left = append(left, s)
		}
	}
	for _, number := range read[fresh:] {
		if number > n.high+1 {
			left = append(left, span{from: n.high + 1, to: number - 1})
		}
		n.high = number
	}
	n.missing = left
}
