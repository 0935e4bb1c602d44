package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// linearTicks are about five round numbers.
func linearTicks(low, high float64) []plot.Tick {
	if !(high > low) {
		return []plot.Tick{{Value: low, Label: tickLabel(low)}}
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*factor) <= 6 {
			step *= factor
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high+step*1e-9; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: tickLabel(i * step)})
	}
	return ticks
}

// logTicks are powers of ten; where there are few of them their doubles and fivefolds are labelled too.
func logTicks(low, high float64) []plot.Tick {
	few := high/low < 1000
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for digit := 1.0; digit < 10; digit++ {
			v := digit * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			label := ""
			if digit == 1 || few && (digit == 2 || digit == 5) {
				label = tickLabel(v)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// percentileTicks label 1/(1−q) as percentiles: 50%, 90%, 99%, 99.9%, …
func percentileTicks(low, high float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 1, Label: "min"}, {Value: 2, Label: "50%"}, {Value: 4, Label: "75%"}}
	for nines := 1; math.Pow(10, float64(nines)) <= high*(1+1e-9); nines++ {
		label := strconv.FormatFloat(100-math.Pow(10, float64(2-nines)), 'f', max(0, nines-2), 64) + "%"
		ticks = append(ticks, plot.Tick{Value: math.Pow(10, float64(nines)), Label: label})
	}
	return ticks
}

// tickLabel writes a number without exponent and without digits that say nothing.
func tickLabel(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}
