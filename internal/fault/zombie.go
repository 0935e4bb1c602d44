package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lkbench/internal/infra"
)

// fencedWithin is how long a former process may take to end by itself once it goes on.
const fencedWithin = 15 * time.Second

// Zombie pauses a component's process, has another take its place, and lets it go on after For, when it believes that it
// still is the owner. It must be fenced, that is end by itself; one that does not end is killed.
type Zombie struct {
	Target string
	For    time.Duration
}

// Inject implements Fault. Detected is when the replacement was called for, the end is when the former process is gone. That
// a component that consumes the topic was not fenced is an error, although the fault took effect.
func (z Zombie) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.find(z.Target)
	if err != nil {
		return none("signal"), err
	}
	out := none("signal", names...)
	outcomes := make([]Outcome, len(targets))
	err = each(targets, func(i int, t Target) (err error) {
		outcomes[i], err = z.one(ctx, w, t)
		return err
	})
	out.Effect, out.Detected = outcomes[0].Effect, outcomes[0].Detected
	for i, o := range outcomes {
		out.Effect, out.Detected, out.End = min(out.Effect, o.Effect), min(out.Detected, o.Detected), max(out.End, o.End)
		if i > 0 {
			out.What += "; "
		}
		out.What += o.What
	}
	return out, err
}

func (z Zombie) one(ctx context.Context, w *World, t Target) (out Outcome, err error) {
	out = none("signal", t.Name())
	defer func() { out.End = w.Now() }()
	component, ok := t.(Component)
	if !ok {
		return out, noEffect("only a component can be replaced")
	}
	sent := w.Now()
	what, err := pause(ctx, component)
	if err != nil {
		return out, errors.Join(err, resume(ctx, component))
	}
	called := w.Now()
	former, err := component.Replace(ctx)
	if err != nil {
		return out, errors.Join(noEffect("put another process in its place: %w", err), resume(ctx, component))
	}
	out.Effect, out.Detected = sent, called
	out.What = what + "; another process took its place"
	if err := hold(ctx, z.For); err != nil {
		return out, errors.Join(err, discard(ctx, former))
	}
	resumed := w.Now()
	if err := former.Signal(ctx, infra.Resume); err != nil {
		return out, errors.Join(fmt.Errorf("resume the former process %d: %w", former.PID(), err), discard(ctx, former))
	}
	bound := time.NewTimer(fencedWithin)
	defer bound.Stop()
	select {
	case <-former.Done():
		out.What += fmt.Sprintf("; process %d was fenced: it ended by itself %s after it went on (%v)", former.PID(), millis(w.Now()-resumed), former.Err())
		return out, nil
	case <-ctx.Done():
		return out, errors.Join(cut(ctx), discard(ctx, former))
	case <-bound.C:
	}
	out.What += fmt.Sprintf("; process %d had not ended %v after it went on and was killed", former.PID(), fencedWithin)
	err = discard(ctx, former)
	if w.Consumes(t.Name()) {
		err = errors.Join(fmt.Errorf("process %d was not fenced: %v after it went on it still ran beside its successor", former.PID(), fencedWithin), err)
	}
	return out, err
}

// discard kills a former process.
func discard(ctx context.Context, former Former) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	if err := former.Signal(ctx, infra.Kill); err != nil {
		return fmt.Errorf("kill the former process %d: %w", former.PID(), err)
	}
	select {
	case <-former.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill the former process %d: %w", former.PID(), context.Cause(ctx))
	}
}
