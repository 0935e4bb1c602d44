package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// Pause makes its target stand still for For: its connections stay open and nothing answers, as with a long garbage
// collection or a machine that hangs.
type Pause struct {
	Target string
	For    time.Duration
}

// Inject implements Fault.
func (p Pause) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.find(p.Target)
	if err != nil {
		return none("signal"), err
	}
	out := none(how(targets), names...)
	sent := w.Now()
	whats := make([]string, len(targets))
	err = each(targets, func(i int, t Target) (err error) {
		whats[i], err = pause(ctx, t)
		return err
	})
	if err == nil {
		out.Effect, out.What = sent, strings.Join(whats, "; ")
		err = hold(ctx, p.For)
	}
	out.End = w.Now()
	return out, errors.Join(err, each(targets, func(_ int, t Target) error { return resume(ctx, t) }))
}

// pause makes one target stand still and is sure of it: all its processes are stopped.
func pause(ctx context.Context, t Target) (what string, err error) {
	roots, err := running(ctx, t)
	if err != nil {
		return "", err
	}
	if err := t.Signal(ctx, infra.Pause); err != nil {
		return "", noEffect("pause: %w", err)
	}
	if len(roots) == 0 {
		return "its container is paused", nil
	}
	all, err := tree(roots)
	if err != nil {
		return "", noEffect("pause: %w", err)
	}
	if err := await(ctx, stoppedWithin, func() bool { return stopped(all) }); err != nil {
		return "", noEffect("after SIGSTOP not all of %s and its descendants stand still: %w", described(roots), err)
	}
	return fmt.Sprintf("SIGSTOP to %s, %d processes in all, each seen stopped", described(roots), len(all)), nil
}

// stopped says whether all of the processes that still live are in the stopped state, and at least one is.
func stopped(ids []proc.Identity) bool {
	standing := 0
	for _, id := range ids {
		p, err := process.NewProcess(int32(id.PID))
		if err != nil {
			continue // ended
		}
		states, err := p.Status()
		if err != nil || !id.Alive() {
			continue
		}
		if !slices.Contains(states, process.Stop) {
			return false
		}
		standing++
	}
	return standing > 0
}
