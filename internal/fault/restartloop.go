package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lkbench/internal/infra"
)

// RestartLoop crashes its target Times times, Every apart, as one that falls over whatever it does. Between them a
// component is left to its supervisor and a server is started. One that is not back by the next time is waited for.
type RestartLoop struct {
	Target string
	Times  int
	Every  time.Duration
}

// Inject implements Fault. The effect is the first crash, the end is the last release.
func (r RestartLoop) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.find(r.Target)
	if err != nil {
		return none("signal"), err
	}
	out := none(how(targets), names...)
	began := w.Now()
	var first, last time.Duration
	for n := range r.Times {
		if err := hold(ctx, began+time.Duration(n)*r.Every-w.Now()); err != nil {
			return out, err
		}
		all, err := w.endAll(ctx, targets, infra.Kill)
		if err == nil && n == 0 {
			out.Effect, out.Detected = all.times()
			first = out.Effect
		}
		if err == nil {
			last, _ = all.times()
			out.What = fmt.Sprintf("%d times SIGKILL within %v; the last: %v", n+1, (last - first).Round(time.Millisecond), all)
		}
		out.End = w.Now()
		if err := errors.Join(err, all.again(ctx, targets, false)); err != nil {
			out.Effect = -1
			return out, fmt.Errorf("crash %d of %d: %w", n+1, r.Times, err)
		}
	}
	return out, nil
}
