package loadgen

import (
	"cmp"
	"math"
	"slices"

	"lkbench/internal/bank"
)

// Normal deviates are fixed-point numbers with 16 fractional bits, and amounts are looked up by them: with one deviate for the
// balance and a correlated one for the amount (a Gaussian copula), any two distributions are correlated by table look-ups and
// integer arithmetic alone, equal on every processor.
const (
	one          = 1 << 16
	deviateLimit = 6 // deviates beyond ±6 do not occur: the table of normals ends near ±4, and mixing adds less than that
	curveStep    = 8 // two entries of a curve are 2^8/2^16 deviates apart
)

// normals holds the standard normal deviates at the quantiles i/4096.
type normals [4097]int32

func newNormals() *normals {
	table := &normals{}
	last := len(table) - 1
	for i := range table {
		// An eighth of a cell from the ends, where the deviate is infinite: the mean of the last cell comes out right.
		q := min(max(float64(i), 0.125), float64(last)-0.125) / float64(last)
		table[i] = int32(math.Round(math.Sqrt2 * math.Erfinv(2*q-1) * one))
	}
	return table
}

// of turns a uniform 32-bit number into a deviate.
func (t *normals) of(uniform uint32) int64 {
	i, fraction := uniform>>20, int64(uniform&(1<<20-1))
	low, high := int64(t[i]), int64(t[i+1])
	return low + (high-low)*fraction>>20
}

// correlated mixes two independent deviates so that the result has unit variance and correlates with the first by r (one = 1);
// rest is √(1−r²).
func correlated(first, second, r, rest int64) int64 { return (first*r + second*rest) >> 16 }

// mixture returns r and √(1−r²) for correlated.
func mixture(r float64) (int64, int64) {
	return int64(math.Round(r * one)), int64(math.Round(math.Sqrt(1-r*r) * one))
}

// curve gives an amount of money by normal deviate.
type curve []bank.Paise

// newCurve tabulates a distribution. The share below the first quantile is zero rupees.
func newCurve(quantiles []quantile, atoms []atom) curve {
	knots := withAtoms(quantiles, atoms)
	c := make(curve, 2*deviateLimit<<(16-curveStep)+1)
	for i := range c {
		z := float64(i)/(1<<(16-curveStep)) - deviateLimit
		share := math.Erfc(-z/math.Sqrt2) / 2
		if share >= knots[0].share {
			c[i] = bank.Paise(math.Round(interpolate(knots, share) * 100))
		}
	}
	return c
}

// at looks up the amount at a deviate.
func (c curve) at(deviate int64) bank.Paise {
	x := deviate + deviateLimit*one
	i, fraction := x>>curveStep, bank.Paise(x&(1<<curveStep-1))
	low, high := c[i], c[i+1]
	return low + (high-low)*fraction>>curveStep
}

// withAtoms inserts atoms between quantiles: a step of the atom's share at its value, the rest of the share between the two
// quantiles around it growing with the logarithm of the value as without the atom.
func withAtoms(quantiles []quantile, atoms []atom) []quantile {
	knots := []quantile{quantiles[0]}
	for i := 1; i < len(quantiles); i++ {
		low, high := quantiles[i-1], quantiles[i]
		var inside []atom
		rest := high.share - low.share
		for _, a := range atoms {
			if a.value > low.value && a.value < high.value {
				inside = append(inside, a)
				rest -= a.share
			}
		}
		slices.SortFunc(inside, func(a, b atom) int { return cmp.Compare(a.value, b.value) })
		steps := 0.0
		for _, a := range inside {
			share := low.share + steps + rest*math.Log(a.value/low.value)/math.Log(high.value/low.value)
			steps += a.share
			knots = append(knots, quantile{share, a.value}, quantile{share + a.share, a.value})
		}
		knots = append(knots, high)
	}
	return knots
}

// interpolate gives the value at a share between the first and the last knot.
func interpolate(knots []quantile, share float64) float64 {
	i, exact := slices.BinarySearchFunc(knots, share, func(k quantile, s float64) int { return cmp.Compare(k.share, s) })
	if exact || i == 0 {
		return knots[i].value
	}
	if i == len(knots) {
		return knots[i-1].value
	}
	low, high := knots[i-1], knots[i]
	if low.value == high.value {
		return low.value
	}
	return low.value * math.Pow(high.value/low.value, (share-low.share)/(high.share-low.share))
}
