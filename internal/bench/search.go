package bench

import (
	"fmt"
	"math"

	"lkbench/results"
)

// attempt says whether a rate was held, and if not, why.
type attempt func(rate float64) (held bool, why string, err error)

// The search gives up at rates that no machine of today leaves.
const (
	lowestRate  = 100.0
	highestRate = 10_000_000.0
)

// search finds the highest rate that try holds: in steps of 1.5 until one holds and one does not, then by bisection until
// the lowest rate that was not held is at most tolerance above the highest that was. why tells what happened at the lowest one not held.
func search(start, tolerance float64, try attempt) (held float64, why string, err error) {
	const factor = 1.5
	failed := math.Inf(1)
	for rate := start; ; {
		ok, reason, err := try(rate)
		switch {
		case err != nil:
			return 0, "", err
		case ok:
			held = max(held, rate)
		default:
			failed, why = rate, reason
		}
		switch {
		case held > 0 && failed <= held*(1+tolerance):
			return held, why, nil
		case held > 0 && math.IsInf(failed, 1):
			if rate = held * factor; rate > highestRate {
				return 0, "", fmt.Errorf("%.0f events/s were held: no limit found", held)
			}
		case held > 0:
			rate = math.Sqrt(held * failed)
		default:
			if rate = failed / factor; rate < lowestRate {
				return 0, "", fmt.Errorf("not even %.0f events/s were held: %s", failed, why)
			}
		}
	}
}

// confirm tries a rate at full length, and a lower one by tolerance each time, until one is held.
func confirm(rate, tolerance float64, try attempt) (held float64, why string, err error) {
	for rate >= lowestRate {
		ok, reason, err := try(rate)
		if err != nil {
			return 0, "", err
		}
		if ok {
			return rate, why, nil
		}
		why = reason
		rate /= 1 + tolerance
	}
	return 0, "", fmt.Errorf("no rate was held: %s", why)
}

// A rate is held if at the end of the load less than maxLag seconds of it wait to be processed, and its growth over the
// whole load, by the line through all seconds, is below maxGrowth seconds: 1% of the rate over 20 s.
const (
	maxLag    = 1.0
	maxGrowth = 0.2
)

// keepsUp judges the lag over a load; why is empty if the rate was held.
func keepsUp(seconds []results.Second, rate float64) (why string) {
	var at, lag []float64
	for _, s := range seconds {
		if s.Phase == "baseline" && s.Lag != nil {
			at, lag = append(at, float64(s.Second)), append(lag, float64(*s.Lag)/rate)
		}
	}
	if len(lag) < 2 {
		return "the lag was not measured"
	}
	if last := lag[len(lag)-1]; last > maxLag {
		return fmt.Sprintf("%.1f s of load were waiting at its end", last)
	}
	if growth := slope(at, lag) * (at[len(at)-1] - at[0]); growth > maxGrowth {
		return fmt.Sprintf("the lag grew by %.1f s of load", growth)
	}
	return ""
}

// slope of the line of least squares.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy = sx+x[i], sy+y[i]
		sxx, sxy = sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
