package fault

import (
	"context"
	"time"

	"lkbench/internal/infra"
)

// Crash ends its target with SIGKILL, keeps it down for For and starts it again. Without For a component is left to its
// supervisor and a server is started at once.
type Crash struct {
	Target string
	For    time.Duration
}

// Inject implements Fault. The effect is the moment of the signal, after which no instruction of the target ran; it is
// detected when its processes are gone, and ends when it is let start again.
func (c Crash) Inject(ctx context.Context, w *World) (Outcome, error) {
	return w.down(ctx, c.Target, infra.Kill, c.For)
}
