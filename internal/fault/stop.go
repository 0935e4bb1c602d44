package fault

import (
	"context"
	"time"

	"lkbench/internal/infra"
)

// Stop ends its target in order, as a deployment does, and is else like Crash.
type Stop struct {
	Target string
	For    time.Duration
}

// Inject implements Fault. The effect is the moment of the request; what the target still finishes comes after it.
func (s Stop) Inject(ctx context.Context, w *World) (Outcome, error) {
	return w.down(ctx, s.Target, infra.Stop, s.For)
}
