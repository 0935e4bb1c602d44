package loadgen

import (
	"context"
	"time"
)

// Clock is the one clock of a run: durations since its origin, the intended time of event 0.
type Clock interface {
	Now() time.Duration
	// Sleep returns when the clock shows until, or ctx ends.
	Sleep(ctx context.Context, until time.Duration)
}

// fineSleep is the span before the wanted moment that is slept by sleepFinely.
const fineSleep = 2 * time.Millisecond

type wallClock struct{ origin time.Time }

// NewClock returns the machine's monotonic clock; origin must come from time.Now. Before origin it shows negative durations.
func NewClock(origin time.Time) Clock { return wallClock{origin} }

func (c wallClock) Now() time.Duration { return time.Since(c.origin) }

func (c wallClock) Sleep(ctx context.Context, until time.Duration) {
	if coarse := until - c.Now() - fineSleep; coarse > 0 {
		timer := time.NewTimer(coarse)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
	if fine := until - c.Now(); fine > 0 {
		sleepFinely(fine)
	}
}
