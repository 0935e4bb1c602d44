package fault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// ending is the end of one target.
type ending struct {
	sent, gone time.Duration
	what       string
}

// end ends one target, and is sure of it: the processes that ran before are gone.
func (w *World) end(ctx context.Context, t Target, signal infra.Signal) (ending, error) {
	roots, err := running(ctx, t)
	if err != nil {
		return ending{}, err
	}
	e := ending{sent: w.Now()}
	if err := t.Signal(ctx, signal); err != nil {
		return ending{}, noEffect("%v: %w", signal, err)
	}
	left := func() bool {
		for _, id := range roots {
			if id.Alive() {
				return false
			}
		}
		return true
	}
	if err := await(ctx, goneWithin, left); err != nil {
		return ending{}, noEffect("after the signal to %v %s still runs: %w", signal, described(roots), err)
	}
	e.gone = w.Now()
	e.what = fmt.Sprintf("%s of %s, gone after %s", map[infra.Signal]string{infra.Kill: "SIGKILL", infra.Stop: "orderly stop"}[signal],
		described(roots), millis(e.gone-e.sent))
	return e, nil
}

// endings is the end of several targets at once.
type endings []ending

// endAll ends targets at once. It has ended those whose ending is not empty, also beside an error.
func (w *World) endAll(ctx context.Context, targets []Target, signal infra.Signal) (endings, error) {
	all := make(endings, len(targets))
	err := each(targets, func(i int, t Target) (err error) {
		all[i], err = w.end(ctx, t, signal)
		return err
	})
	return all, err
}

// times are of the first signal and of the last process seen gone.
func (all endings) times() (sent, gone time.Duration) {
	sent = all[0].sent
	for _, e := range all {
		sent, gone = min(sent, e.sent), max(gone, e.gone)
	}
	return sent, gone
}

func (all endings) String() string {
	whats := make([]string, len(all))
	for i, e := range all {
		whats[i] = e.what
	}
	return strings.Join(whats, "; ")
}

// again starts what was ended: after a time that the fault chose itself, else a component is left to its supervisor.
func (all endings) again(ctx context.Context, targets []Target, itself bool) error {
	return each(targets, func(i int, t Target) error {
		component, ours := t.(Component)
		ended := all[i].what != ""
		switch {
		case ours && !(ended && itself): // also one whose end failed: the supervisor may hold it down
			component.Release()
		case ended:
			return start(ctx, t)
		}
		return nil
	})
}

// down ends targets, leaves them down for a time and brings them back.
func (w *World) down(ctx context.Context, name string, signal infra.Signal, stay time.Duration) (Outcome, error) {
	targets, names, err := w.find(name)
	if err != nil {
		return none("signal"), err
	}
	out := none(how(targets), names...)
	all, err := w.endAll(ctx, targets, signal)
	if err == nil {
		out.Effect, out.Detected = all.times()
		out.What = all.String()
		err = hold(ctx, stay)
	}
	out.End = w.Now()
	if undo := all.again(ctx, targets, stay > 0); err == nil {
		err = undo
	} else if undo != nil {
		err = fmt.Errorf("%w; %w", err, undo)
	}
	return out, err
}

// tree lists the processes of roots with all their descendants.
func tree(roots []proc.Identity) ([]proc.Identity, error) {
	all := append([]proc.Identity(nil), roots...)
	for _, root := range roots {
		below, err := proc.Descendants(root.PID)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}
