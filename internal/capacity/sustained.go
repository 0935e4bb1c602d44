package capacity

import (
	"fmt"
	"math"
	"time"

	"lkbench/results"
)

// maxLagSlope is the growth of the lag, as a share of the offered rate, up to which a rate counts as sustained.
const maxLagSlope = 0.01

// baseline is the phase of a run in which load is measured and no fault is in the way.
const baseline = "baseline"

// Sustained judges one run at a steady rate by docs/capacity.md: the measurement is valid, everything was processed and nothing
// lost, the lag's slope after warm-up is at most 1% of the offered rate, and every expectation of the run's scenario, the objective,
// is met. A slope that the scatter of the lag itself explains is none. It fills in everything of a probe but Rate and Confirmation.
func Sustained(r *results.Record, seconds []results.Second) Probe {
	p := probeOf(r)
	lag, measured := lagTrend(seconds)
	if measured {
		p.LagSlope = &lag.slope
	}
	switch why := unsound(r); {
	case why != "":
		p.Why = why
	case !measured:
		p.Why = "the lag was not measured"
	case lag.slope > maxLagSlope && lag.slope > lag.doubt:
		p.Why = fmt.Sprintf("the lag grew by %.1f%% of the offered rate every second; the limit is %g%%", 100*lag.slope, 100*maxLagSlope)
	case r.Verdict.Status != results.Passed:
		p.Why = firstReason(r)
	}
	p.Held = p.Why == ""
	return p
}

// Recoverable judges one run at a steady rate with one fault in its middle: the measurement is valid, nothing was lost, and within
// so long after the fault took effect lag and alert p99 were back in their bands to stay and all answers were right again.
func Recoverable(r *results.Record, seconds []results.Second, within time.Duration) Probe {
	p := probeOf(r)
	if lag, measured := lagTrend(seconds); measured {
		p.LagSlope = &lag.slope
	}
	switch why := unsound(r); {
	case why != "":
		p.Why = why
	case len(r.Faults) != 1 || r.Faults[0].Recovery == nil:
		p.Why = "the recovery was not measured"
	default:
		f := r.Faults[0].Recovery
		for _, s := range []struct {
			what string
			span results.Span
		}{{"the lag was back", f.LagBack}, {"alert p99 was back", f.P99Back}, {"all answers were right", f.AllRight}} {
			if p.Why == "" {
				p.Why = tooLate(s.what, s.span, within)
			}
		}
		if p.Why == "" && r.Verdict.Status != results.Passed {
			p.Why = firstReason(r)
		}
	}
	p.Held = p.Why == ""
	return p
}

// tooLate says why a span is not within a time; "" if it is.
func tooLate(what string, s results.Span, within time.Duration) string {
	switch {
	case s.S == nil:
		return fmt.Sprintf("it is not known when %s: %s", what, s.Why)
	case s.Censored:
		return fmt.Sprintf("%.1f s after the crash it was not yet so that %s", *s.S, what)
	case *s.S > within.Seconds():
		return fmt.Sprintf("%s %.1f s after the crash; the limit is %v", what, *s.S, within)
	}
	return ""
}

func probeOf(r *results.Record) Probe {
	return Probe{RunID: r.RunID, P99MS: r.Latency.Alert.P99}
}

// unsound says why a run shows nothing of a rate, or shows that it was too much whatever else was measured; "" if neither.
func unsound(r *results.Record) string {
	switch {
	case r.Verdict.Status == results.Incorrect:
		return "the answers were wrong: " + firstReason(r)
	case !r.Drained:
		return fmt.Sprintf("not drained: not everything was processed %g s after the load", r.Limits.DrainS)
	case r.Load.InFlightLimited:
		return "the broker did not take the load: the bound on unacknowledged bytes was reached"
	}
	if missed := results.MissedRate(r.Load, r.Limits); len(missed) > 0 {
		return "the generator did not make the load: " + missed[0]
	}
	if r.Verdict.Status == results.Invalid || r.Verdict.Status == results.Unverified {
		return "the measurement is invalid: " + firstReason(r)
	}
	return ""
}

func firstReason(r *results.Record) string {
	if len(r.Verdict.Reasons) == 0 {
		return r.Verdict.Status.String()
	}
	return r.Verdict.Reasons[0]
}

// trend is the line of least squares through the lag at the end of each measured second, in shares of the offered rate.
type trend struct {
	slope float64 // 0.01: each second 1% of what is offered comes to wait
	doubt float64 // with 97.5% certainty the lag grew by more than slope − doubt
}

// lagTrend gives the trend of the lag; false if fewer than three seconds were measured.
func lagTrend(seconds []results.Second) (trend, bool) {
	var at, lag []float64
	offered := 0.0
	for _, s := range seconds {
		if s.Phase != baseline || s.Lag == nil || s.Offered == nil {
			continue
		}
		at, lag = append(at, float64(s.Second)), append(lag, float64(*s.Lag))
		offered += float64(*s.Offered)
	}
	if len(lag) < 3 || offered == 0 {
		return trend{}, false
	}
	rate := offered / float64(len(lag))
	slope, deviation := line(at, lag)
	return trend{slope / rate, quantile(len(lag)-2) * deviation / rate}, true
}

// line gives the slope of the line of least squares and the slope's standard error.
func line(x, y []float64) (slope, deviation float64) {
	n := float64(len(x))
	var meanX, meanY float64
	for i := range x {
		meanX, meanY = meanX+x[i]/n, meanY+y[i]/n
	}
	var sxx, sxy float64
	for i := range x {
		sxx, sxy = sxx+(x[i]-meanX)*(x[i]-meanX), sxy+(x[i]-meanX)*(y[i]-meanY)
	}
	slope = sxy / sxx
	var rest float64
	for i := range x {
		d := y[i] - meanY - slope*(x[i]-meanX)
		rest += d * d
	}
	return slope, math.Sqrt(rest / (n - 2) / sxx)
}

// quantile is the 97.5% quantile of Student's t, rounded up where it lies between two rows of the table.
func quantile(freedom int) float64 {
	table := []float64{12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23}
	switch {
	case freedom <= len(table):
		return table[freedom-1]
	case freedom < 20:
		return 2.20
	}
	return 2.09
}
