package loadgen

import (
	"math"
	"math/bits"
)

// draw is a stream of pseudo-random numbers (SplitMix64). One is started for every event, so that events can be computed in
// any order.
type draw uint64

const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio

// mix is the finalizer of SplitMix64: a bijection in which every input bit changes about half of the output bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// drawFor starts the stream of item n under a seed.
func drawFor(seed, n uint64) draw { return draw(mix(mix(seed+golden) + n*golden)) }

func (d *draw) next() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// below returns a number from 0 to n-1; 0 if n is 0.
func (d *draw) below(n uint64) uint64 {
	hi, _ := bits.Mul64(d.next(), n)
	return hi
}

// halves returns two independent 32-bit numbers.
func (d *draw) halves() (a, b uint32) {
	x := d.next()
	return uint32(x >> 32), uint32(x)
}

// threshold is the number t for which a uniform 32-bit number x has x < t with probability share.
func threshold(share float64) uint64 { return uint64(math.Round(share * (1 << 32))) }

// alias picks an item by weight in one step (Walker's alias method). It is built and asked in integers, so that the picks do
// not depend on the processor's rounding.
type alias []struct {
	cut   uint32 // of 2^32: below it the item itself, else the other
	other uint32
}

// newAlias builds the table for the weights. None may exceed 2^32, there must be at least one, fewer than 2^31 of them, and
// their sum must not be zero.
func newAlias(weights []uint64) alias {
	n := uint64(len(weights))
	sum := uint64(0)
	scaled := make([]uint64, n) // weight × n, so that the mean is sum
	for i, w := range weights {
		sum += w
		scaled[i] = w * n
	}
	table := make(alias, n)
	var small, large []uint32
	for i, w := range scaled {
		if w < sum {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		cut, _ := bits.Div64(scaled[s]>>32, scaled[s]<<32, sum)
		table[s].cut, table[s].other = uint32(cut), l
		if scaled[l] -= sum - scaled[s]; scaled[l] < sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	// What is left has exactly the mean weight: every pick of it is itself.
	for _, i := range append(small, large...) {
		table[i].cut, table[i].other = math.MaxUint32, i
	}
	return table
}

// pick turns a uniform random number into an item.
func (a alias) pick(random uint64) uint32 {
	i, fraction := bits.Mul64(random, uint64(len(a)))
	if uint32(fraction>>32) < a[i].cut {
		return uint32(i)
	}
	return a[i].other
}

// powerLaw gives the weights 2^32 / rank^exponent, for ranks from first to first+n-1, at least 1.
func powerLaw(first, n int, exponent float64) []uint64 {
	weights := make([]uint64, n)
	for i := range weights {
		weights[i] = max(1, uint64(math.Round((1<<32)*math.Pow(float64(first+i), -exponent))))
	}
	return weights
}
