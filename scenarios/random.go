package scenarios

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// How long a drawn fault lasts, before the time scale: short, so that several fit into a few seconds, and no more than a part of
// the time that there is for each, so that all find a place.
const (
	shortestDrawn = 300 * time.Millisecond
	longestDrawn  = 2 * time.Second
	partOfDrawn   = 0.6
)

// Kinds that are drawn where none are named, and those that cannot be drawn: they need a figure of the system, or make it lose events.
var (
	usualKinds = []string{"crash", "stop", "pause", "restart-loop", "zombie", "latency", "drop", "reset", "partition", "lock", "connections"}
	neverDrawn = []string{"memory", "topic-full"}
)

func drawable() []string {
	return slices.DeleteFunc(Kinds(), func(k string) bool { return slices.Contains(neverDrawn, k) })
}

// draw puts random faults into the scenario, if the file asks for some.
func (d *decoder) draw(s *Scenario) {
	r := d.random
	if r == nil || d.hasFailed("faults") {
		return
	}
	const field = "faults.random"
	low, high, end := r.Between[0], r.Between[1], s.Length()
	for i, k := range r.Kinds {
		d.choice(fmt.Sprintf("%s.kinds[%d]", field, i), k, drawable()...)
	}
	d.check(low < high, field+".between", "is %v to %v, expected two times, the earlier one first, such as [10s, 50s]", low, high)
	d.check(low >= s.Warmup && low > 0, field+".between", "begins at %v, within the warm-up of %v, where a fault has no baseline, expected more", low, s.Warmup)
	d.check(high <= end, field+".between", "ends at %v, after the load's end at %v, expected it within the load", high, end)
	if d.hasFailed(field + ".between") {
		return
	}
	most := int(min(maxFaults, (high-low)/Duration(time.Second)))
	d.check(r.Count >= 1 && r.Count <= most, field+".count", "is %d, expected 1 to %d, one a second between %v and %v at most", r.Count, most, low, high)
	if !d.hasFailed(field) {
		s.Faults = r.faults(cmp.Or(r.Seed, s.Seed))
	}
}

// faults draws as many faults as asked for, in the order of their times. No two of them clash.
func (r Random) faults(seed uint64) []Fault {
	rng := rand.New(rand.NewPCG(seed, 0))
	kinds := r.Kinds
	if len(kinds) == 0 {
		kinds = usualKinds
	}
	each := time.Duration(r.Between[1]-r.Between[0]) / time.Duration(r.Count)
	longest := min(longestDrawn, time.Duration(partOfDrawn*float64(each)))
	var list []Fault
	for range r.Count {
		f := drawFault(rng, kinds[rng.IntN(len(kinds))], milliseconds(rng, shortestDrawn, longest))
		list = append(list, r.place(rng, f, list))
	}
	slices.SortStableFunc(list, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return list
}

// place gives a fault a time at which it clashes with none of the others.
func (r Random) place(rng *rand.Rand, f Fault, others []Fault) Fault {
	low, length := time.Duration(r.Between[0]), time.Duration(f.End()-f.At)
	free := func() bool { return !slices.ContainsFunc(others, f.clashes) }
	for range 100 {
		f.At = Duration(milliseconds(rng, low, time.Duration(r.Between[1])-length))
		if free() {
			return f
		}
	}
	// Where it is crowded, a short one finds a place at the beginning or right after another: all others, with the time before
	// each in which this one cannot begin, take less than the whole time.
	if f.Times > 0 {
		f.Every = Duration(shortestDrawn) / Duration(f.Times)
	} else {
		f.For = min(f.For, Duration(shortestDrawn))
	}
	f.At = r.Between[0]
	for i := 0; !free() && i < len(others); i++ {
		f.At = others[i].End() + Duration(time.Millisecond)
		if f.End() > r.Between[1] {
			f.At = r.Between[0]
		}
	}
	return f
}

// drawFault draws the settings of a fault that is to last for a time.
func drawFault(rng *rand.Rand, kindName string, length time.Duration) Fault {
	k, _ := kindOf(kindName)
	f := Fault{Kind: kindName}
	if k.has("for") {
		f.For = Duration(length)
	}
	switch k.targets {
	case anyTarget, componentOnly:
		f.Target = "random"
	}
	if kindName == "crash" || kindName == "pause" { // a server every other time
		f.Target = []string{"random", "random", "broker", "database"}[rng.IntN(4)]
	}
	if k.isNetwork() {
		f.To = farSides[rng.IntN(len(farSides))]
	}
	switch kindName {
	case "restart-loop":
		f.Times = 2 + rng.IntN(2)
		f.Every = Duration(length) / Duration(f.Times)
	case "cpu":
		f.Share = Share(50+rng.IntN(41)) / 100
	case "latency":
		f.Mean = Duration(milliseconds(rng, 20*time.Millisecond, 200*time.Millisecond))
		f.Jitter = f.Mean / 2
	case "bandwidth":
		f.KiBPerS = 64 << rng.IntN(5)
	}
	return f
}

// milliseconds draws a whole number of milliseconds from low to high.
func milliseconds(rng *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(rng.Int64N(int64((high-low)/time.Millisecond)+1))*time.Millisecond
}
