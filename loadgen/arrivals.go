package loadgen

import (
	"sort"
	"time"
)

// arrivals are those of a Poisson process: the gaps between them are independent and exponentially distributed. Each block of
// 16 gaps is drawn from a stream of its own, and where the blocks begin is kept, so that any arrival is found by drawing its
// block again.
//
// Time counts in mean gaps, in integers with 32 fractional bits; the deviates are made by comparing random integers. The only
// operation on floating-point numbers is one multiplication by the mean gap, so the arrivals are equal on every processor.
type arrivals struct {
	seed   uint64
	unit   float64  // nanoseconds of 2^-32 mean gaps
	blocks []uint64 // where each begins
	count  uint64
}

const (
	blockGaps     = 16
	mostArrivals  = 200_000_000         // of a step, for which the beginnings of blocks take 100 MB
	arrivalStream = 0x706f_6973_736f_6e // keeps the numbers of arrivals apart from those of events; "poisson"
)

// newArrivals draws the arrivals before the end of a span.
func newArrivals(seed uint64, rate float64, length time.Duration) *arrivals {
	a := &arrivals{seed: seed, unit: 1e9 / rate / (1 << 32)}
	for at := uint64(0); ; {
		d := drawFor(seed, uint64(len(a.blocks)))
		a.blocks = append(a.blocks, at)
		for range blockGaps {
			if at += exponential(&d); float64(at)*a.unit >= float64(length) {
				return a
			}
			a.count++
		}
	}
}

// at is when arrival n < count comes, since the start.
func (a *arrivals) at(n uint64) time.Duration {
	d, at := drawFor(a.seed, n/blockGaps), a.blocks[n/blockGaps]
	for range n%blockGaps + 1 {
		at += exponential(&d)
	}
	return a.time(at)
}

// until is the number of arrivals at t ≥ 0 or before.
func (a *arrivals) until(t time.Duration) uint64 {
	next := sort.Search(len(a.blocks), func(b int) bool { return a.time(a.blocks[b]) > t })
	block := uint64(next) - 1 // the last one that does not begin after t
	d, at, n := drawFor(a.seed, block), a.blocks[block], block*blockGaps
	for range blockGaps {
		if at += exponential(&d); a.time(at) > t {
			break
		}
		n++
	}
	return min(n, a.count)
}

func (a *arrivals) time(at uint64) time.Duration { return time.Duration(float64(at) * a.unit) }

// exponential draws an exponential deviate of mean 1, with 32 fractional bits, by von Neumann's method (1951): of random numbers
// taken as long as they fall, the first is the fraction if their count is odd, which happens with probability e^−fraction;
// each try that fails adds one to the whole part.
func exponential(d *draw) uint64 {
	for whole := uint64(0); ; whole += 1 << 32 {
		first := d.next()
		odd, last := true, first
		for next := d.next(); next < last; next = d.next() {
			odd, last = !odd, next
		}
		if odd {
			return whole + first>>32
		}
	}
}
