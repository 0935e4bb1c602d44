package report

import (
	"math"

	"lkbench/results"
)

// point is one point of a percentile curve.
type point struct {
	beyond float64 // 1/(1−q): one sample of this many lies beyond
	ms     float64
}

// curveSteps is the number of points a decade of 1/(1−q).
const curveSteps = 20

// resolution is the shortest latency a histogram tells from zero, in milliseconds. A logarithmic axis has no place for
// zero, so that curves show it here.
const resolution = 0.001

// curve gives the percentiles of a series from the least to the highest that the count supports, the one with ten
// samples beyond it.
func curve(h *results.Histogram) []point {
	if h == nil {
		return nil
	}
	var points []point
	most := float64(h.Count()) / 10
	for i := 0; ; i++ {
		beyond := math.Pow(10, float64(i)/curveSteps)
		if beyond > most {
			return points
		}
		ms := float64(h.Quantile(1-1/beyond)) / 1e6
		points = append(points, point{beyond, max(ms, resolution)})
	}
}
