package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

const (
	undoWithin    = 3 * time.Minute // what a fault does after its time or its context is over; a server's start is part of it
	presentWithin = 10 * time.Second
	goneWithin    = 5 * time.Second
	stoppedWithin = 2 * time.Second
	lookEvery     = 2 * time.Millisecond
)

// ErrNoEffect is in the error of every fault that did not do what it should.
var ErrNoEffect = errors.New("the fault did not take effect")

func noEffect(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNoEffect, fmt.Errorf(format, args...))
}

// none is the outcome of a fault that has done nothing yet.
func none(how string, components ...string) Outcome {
	return Outcome{Components: components, How: how, Effect: -1, Detected: -1}
}

// undoing is a context for taking a fault away: it ends with neither the fault's nor the run's.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), undoWithin, fmt.Errorf("not undone within %v", undoWithin))
}

// hold waits. Its error says that the context ended before.
func hold(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return cut(ctx)
	}
}

// cut says why a fault was cut short; nil while its context has not ended.
func cut(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("the fault was cut short: %w", context.Cause(ctx))
}

// await asks until the answer is yes. Its error says that it never was.
func await(ctx context.Context, within time.Duration, ask func() bool) error {
	for deadline := time.Now().Add(within); !ask(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", within)
		}
		if err := hold(ctx, lookEvery); err != nil {
			return err
		}
	}
	return nil
}

// find gives the targets behind a name.
func (w *World) find(name string) ([]Target, []string, error) {
	targets := w.Targets(name)
	if len(targets) == 0 {
		return nil, nil, noEffect("there is no target %q", name)
	}
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name()
	}
	return targets, names, nil
}

// each does the same to all targets at once, and says whose error is whose.
func each(targets []Target, do func(i int, t Target) error) error {
	errs := make([]error, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			if err := do(i, t); err != nil {
				errs[i] = fmt.Errorf("%s: %w", t.Name(), err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// alive identifies those of a target's processes that run.
func alive(t Target) []proc.Identity {
	var found []proc.Identity
	for _, pid := range t.PIDs() {
		if id, err := proc.Identify(int(pid)); err == nil && id.Alive() {
			found = append(found, id)
		}
	}
	return found
}

// running identifies the roots of a target's process trees; none for a container. One that is down, as a component
// between two lives, is waited for: a fault that hits nothing is none.
func running(ctx context.Context, t Target) (roots []proc.Identity, err error) {
	_, component := t.(Component)
	err = await(ctx, presentWithin, func() bool {
		roots = alive(t)
		return len(roots) > 0 || !component && len(t.PIDs()) == 0
	})
	if err != nil {
		return nil, noEffect("no process of it runs: %w", err)
	}
	return roots, nil
}

// how says by what means a signal reaches all of the targets.
func how(targets []Target) string {
	for _, t := range targets {
		if _, component := t.(Component); !component && len(t.PIDs()) == 0 {
			return "docker"
		}
	}
	return "signal"
}

// described names processes for people.
func described(roots []proc.Identity) string {
	switch len(roots) {
	case 0:
		return "its container"
	case 1:
		return fmt.Sprintf("process %d", roots[0].PID)
	}
	pids := make([]int, len(roots))
	for i, id := range roots {
		pids[i] = id.PID
	}
	return fmt.Sprintf("processes %v", pids)
}

// start starts a target that a signal has ended.
func start(ctx context.Context, t Target) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	if err := t.Start(ctx); err != nil {
		return fmt.Errorf("start it again: %w", err)
	}
	return nil
}

// resume lets a paused target go on.
func resume(ctx context.Context, t Target) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	if err := t.Signal(ctx, infra.Resume); err != nil {
		return fmt.Errorf("resume it: %w", err)
	}
	return nil
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
