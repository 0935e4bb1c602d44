package bank

import (
	"errors"
	"fmt"
	"time"
)

// statelessRules are the rules that Check can raise, by the set of bits that it computes.
var statelessRules = [8][]string{
	0: nil,
	1: {HighValueRelative},
	2: {HighValueAbsolute},
	3: {HighValueRelative, HighValueAbsolute},
	4: {OverdraftAttempt},
	5: {HighValueRelative, OverdraftAttempt},
	6: {HighValueAbsolute, OverdraftAttempt},
	7: {HighValueRelative, HighValueAbsolute, OverdraftAttempt},
}

// Check names the rules that the transaction breaks by itself, that is all but Velocity. The slice is shared and must not
// be changed. It does not allocate.
func (r Rules) Check(t *Transaction) []string {
	raised := 0
	if t.HasBalance && t.Amount*100 > Paise(r.RelativePercent)*t.Balance {
		raised |= 1
	}
	if t.Amount > r.AbsolutePaise || t.Amount < -r.AbsolutePaise {
		raised |= 2
	}
	if t.HasBalance && t.Balance-t.Amount < 0 {
		raised |= 4
	}
	return statelessRules[raised]
}

// WindowStart returns the start of the window that holds m.
func (r Rules) WindowStart(m Micros) Micros {
	window := micros(r.Window)
	start := m - m%window
	if start > m { // the remainder of a negative time is negative
		start -= window
	}
	return start
}

// Late says whether an event at m comes after the watermark has passed the end of its window, newest being the greatest
// event time of its partition so far, its own included.
func (r Rules) Late(m, newest Micros) bool {
	return r.WindowStart(m)+micros(r.Window) <= newest-micros(r.Watermark)
}

func micros(d time.Duration) Micros { return Micros(d / time.Microsecond) }

// Validate reports every threshold that makes no sense, or with which the integer arithmetic could overflow.
func (r Rules) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	const maxPercent = 100_000
	const maxDuration = 10 * 365 * 24 * time.Hour
	check(r.RelativePercent >= 0 && r.RelativePercent <= maxPercent, "relative_percent is %d, expected 0 to %d", r.RelativePercent, maxPercent)
	check(r.AbsolutePaise >= 0 && r.AbsolutePaise <= MaxPaise, "absolute_paise is %d, expected 0 to %d", r.AbsolutePaise, MaxPaise)
	check(r.VelocityCount >= 1, "velocity_count is %d, expected at least 1", r.VelocityCount)
	check(r.Window >= time.Second && r.Window <= maxDuration && r.Window%time.Second == 0,
		"window is %v, expected a whole number of seconds from 1s to %v", r.Window, maxDuration)
	check(r.Watermark >= 0 && r.Watermark <= maxDuration && r.Watermark%time.Microsecond == 0,
		"watermark is %v, expected whole microseconds from 0s to %v", r.Watermark, maxDuration)
	check(r.DedupHorizon >= 0 && r.DedupHorizon <= maxDuration && r.DedupHorizon%time.Microsecond == 0,
		"dedup_horizon is %v, expected whole microseconds from 0s to %v", r.DedupHorizon, maxDuration)
	check(r.PremiumPaise >= 0 && r.PremiumPaise <= MaxPaise, "premium_paise is %d, expected 0 to %d", r.PremiumPaise, MaxPaise)
	check(r.FrequentCount >= 0, "frequent_count is %d, expected at least 0", r.FrequentCount)
	return errors.Join(errs...)
}
