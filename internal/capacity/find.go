// Package capacity finds the highest rate that a system sustains: the search, the rule by which one run is judged, and the
// files in which results are kept. It knows nothing of how a run is made.
package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Rates below Lowest and above Highest, in events per second, are not tried.
const (
	Lowest  = 1.0
	Highest = 10_000_000.0
)

// bracket is the factor between two rates while there is not yet one that was held and one that was not.
const bracket = 2.0

// The ways in which a search ends without a rate.
var (
	ErrNothingHeld = errors.New("no rate was held")
	ErrNoLimit     = errors.New("no limit was found")
)

// Config says how to search.
type Config struct {
	Start         float64 // the rate to try first, in events per second
	Tolerance     float64 // the search ends when the lowest rate not held is at most this share above the highest one held
	Confirmations int     // how often the rate that was found must be held again
}

// Probe is one try of a rate.
type Probe struct {
	Rate     float64  `json:"rate_per_s"`
	Held     bool     `json:"held"`
	Why      string   `json:"why,omitempty"` // it was not held
	P99MS    *float64 `json:"alert_p99_ms"`
	LagSlope *float64 `json:"lag_slope"` // growth of the lag per second, as a share of the offered rate
	RunID    string   `json:"run_id"`
	// Confirmation: the rate had been found, and this try was to confirm it.
	Confirmation bool `json:"confirmation"`
}

// Result is what a search found.
type Result struct {
	Rate   float64 `json:"rate_per_s"` // the highest one that was held, also in every confirmation
	Why    string  `json:"why"`        // what happened at the lowest rate that was not held
	Probes []Probe `json:"probes"`     // all of them, in the order in which they were made
}

// Try makes one run at a rate, to find whether it is held or to confirm that it is.
type Try func(ctx context.Context, rate float64, confirmation bool) (Probe, error)

// Find searches the highest rate that is held: by factors of two until one rate is held and one is not, then by bisection. What
// ends the search is tried twice, so that one hiccup of the machine does not pass for a limit. The rate found must be held in
// every confirmation; where one fails, the rate goes down by the tolerance and is confirmed anew. The error
// is ErrNothingHeld, ErrNoLimit, or what try or ctx gave; the result then holds the probes so far.
func Find(ctx context.Context, cfg Config, try Try) (Result, error) {
	if !(cfg.Start >= Lowest && cfg.Start <= Highest && cfg.Tolerance > 0 && cfg.Confirmations >= 0) {
		return Result{}, fmt.Errorf("capacity: impossible settings %+v", cfg)
	}
	s := &search{Config: cfg, probe: try, failures: map[float64]int{}}
	rate, err := s.narrow(ctx)
	if err == nil {
		s.result.Rate, err = s.confirm(ctx, rate)
	}
	s.result.Why = s.why(s.lowestFailed(s.result.Rate))
	return s.result, err
}

// search is the state of one Find.
type search struct {
	Config
	probe    Try
	result   Result
	failures map[float64]int // how often a rate was not held
}

// try makes one probe.
func (s *search) try(ctx context.Context, rate float64, confirmation bool) (held bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	p, err := s.probe(ctx, rate, confirmation)
	if err != nil {
		return false, err
	}
	p.Rate, p.Confirmation = rate, confirmation
	s.result.Probes = append(s.result.Probes, p)
	if !p.Held {
		s.failures[rate]++
	}
	return p.Held, nil
}

// lowestFailed is the lowest rate above the given one that was not held; infinite if there is none.
func (s *search) lowestFailed(above float64) float64 {
	lowest := math.Inf(1)
	for rate := range s.failures {
		if rate > above {
			lowest = min(lowest, rate)
		}
	}
	return lowest
}

// why says what happened when a rate was last not held.
func (s *search) why(rate float64) (why string) {
	for _, p := range s.result.Probes {
		if p.Rate == rate && !p.Held {
			why = p.Why
		}
	}
	return why
}

// narrow brackets and bisects. Rates are whole numbers, so that they are what is written down.
func (s *search) narrow(ctx context.Context) (float64, error) {
	held, rate := 0.0, math.Round(s.Start)
	for {
		ok, err := s.try(ctx, rate, false)
		if err != nil {
			return 0, err
		}
		if ok {
			held = max(held, rate)
		}
		switch failed := s.lowestFailed(held); {
		case held == Highest:
			return 0, fmt.Errorf("%w: %.0f events/s were held, the most that is tried", ErrNoLimit, held)
		case math.IsInf(failed, 1):
			rate = min(math.Round(held*bracket), Highest)
		case held == 0 && failed == Lowest:
			return 0, fmt.Errorf("%w, not even %.0f events/s, the least that is tried: %s", ErrNothingHeld, failed, s.why(failed))
		case held == 0:
			rate = max(math.Round(failed/bracket), Lowest)
		case failed > held*(1+s.Tolerance) && failed > held+1:
			rate = max(math.Floor(math.Sqrt(held*failed)), held+1)
		case s.failures[failed] > 1:
			return held, nil
		default:
			rate = failed
		}
	}
}

// confirm holds a rate again and again, a lower one where that fails.
func (s *search) confirm(ctx context.Context, rate float64) (float64, error) {
	for held := 0; held < s.Confirmations; {
		ok, err := s.try(ctx, rate, true)
		switch {
		case err != nil:
			return 0, err
		case ok:
			held++
		case rate == Lowest:
			return 0, fmt.Errorf("%w in all %d confirmations: %s", ErrNothingHeld, s.Confirmations, s.why(rate))
		default:
			held = 0
			rate = max(min(math.Round(rate/(1+s.Tolerance)), rate-1), Lowest)
		}
	}
	return rate, nil
}
