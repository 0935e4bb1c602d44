package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lkbench/internal/network"
	"lkbench/scenarios"
)

// answerWithin is how long a component may take to say that the conditions of its network hold. It does nothing for it but
// read a line.
const answerWithin = 10 * time.Second

// Latency delays what goes between components and a far side by Mean, plus or minus up to Jitter, in order.
type Latency struct {
	Target, To, Direction string
	Mean, Jitter, For     time.Duration
}

// Bandwidth limits how much goes between each component and a far side in a second, over all its connections.
type Bandwidth struct {
	Target, To, Direction string
	KiBPerS               int
	For                   time.Duration
}

// Drop lets nothing pass and nothing fail, as a cable that is pulled: what was sent arrives when it ends.
type Drop struct {
	Target, To, Direction string
	For                   time.Duration
}

// Reset ends all connections that are open at that moment with a TCP reset.
type Reset struct{ Target, To string }

// Partition cuts components off from a far side: nothing passes either way, and no new connection comes about.
type Partition struct {
	Target, To string
	For        time.Duration
}

// newNetwork is a fault of the network of a scenario; nil for another kind.
func newNetwork(f scenarios.Fault) Fault {
	lasts := time.Duration(f.For)
	switch f.Kind {
	case KindLatency:
		return Latency{f.Target, f.To, f.Direction, time.Duration(f.Mean), time.Duration(f.Jitter), lasts}
	case KindBandwidth:
		return Bandwidth{f.Target, f.To, f.Direction, f.KiBPerS, lasts}
	case KindDrop:
		return Drop{f.Target, f.To, f.Direction, lasts}
	case KindReset:
		return Reset{f.Target, f.To}
	case KindPartition:
		return Partition{f.Target, f.To, lasts}
	}
	return nil
}

// Inject implements Fault.
func (l Latency) Inject(ctx context.Context, w *World) (Outcome, error) {
	c := network.Conditions{Direction: l.Direction, Latency: l.Mean, Jitter: l.Jitter}
	return impair(ctx, w, l.Target, l.To, c, l.For, fmt.Sprintf("delayed by %v ± %v%s", l.Mean, l.Jitter, toward(l.Direction)))
}

// Inject implements Fault.
func (b Bandwidth) Inject(ctx context.Context, w *World) (Outcome, error) {
	c := network.Conditions{Direction: b.Direction, KiBPerS: b.KiBPerS}
	return impair(ctx, w, b.Target, b.To, c, b.For, fmt.Sprintf("at most %d KiB/s%s", b.KiBPerS, toward(b.Direction)))
}

// Inject implements Fault.
func (d Drop) Inject(ctx context.Context, w *World) (Outcome, error) {
	return impair(ctx, w, d.Target, d.To, network.Conditions{Direction: d.Direction, Drop: true}, d.For, "nothing passes"+toward(d.Direction))
}

// Inject implements Fault.
func (p Partition) Inject(ctx context.Context, w *World) (Outcome, error) {
	return impair(ctx, w, p.Target, p.To, network.Conditions{Partition: true}, p.For, "cut off")
}

// Inject implements Fault. It has taken effect when the last component has answered. One that has no connection yet, as a process
// that was just started, is asked again.
func (r Reset) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.findComponents(r.Target)
	if err != nil {
		return none("dialer"), err
	}
	out := none("dialer", names...)
	var idle []string
	waited := await(ctx, presentWithin, func() bool {
		idle, err = setNetwork(ctx, targets, r.To, network.Conditions{Reset: true})
		return err != nil || len(idle) < len(targets)
	})
	out.End = w.Now()
	switch {
	case err != nil:
		return out, noEffect("%w", err)
	case waited != nil:
		return out, noEffect("%v had no connection to %s: %w", idle, r.To, waited)
	}
	out.Effect, out.What = out.End, r.To+": all open connections reset"+without(idle)
	return out, nil
}

// toward is a direction in words.
func toward(direction string) string {
	switch direction {
	case network.Out:
		return ", only from the component"
	case network.In:
		return ", only to the component"
	}
	return ", both ways"
}

// without says which components the fault had nothing to do for.
func without(idle []string) string {
	if len(idle) == 0 {
		return ""
	}
	return "; no connection of " + strings.Join(idle, ", ")
}

// findComponents is find for what can be done to processes of ours only.
func (w *World) findComponents(name string) ([]Component, []string, error) {
	targets, names, err := w.find(name)
	if err != nil {
		return nil, nil, err
	}
	components := make([]Component, len(targets))
	for i, t := range targets {
		c, ok := t.(Component)
		if !ok {
			return nil, nil, noEffect("%s is a server: only a component's own connections can be made worse", t.Name())
		}
		components[i] = c
	}
	return components, names, nil
}

// impair sets the conditions of a network for a time. It has taken effect when the last component has answered. Where not one
// connection was open or asked for meanwhile, because the processes ended or had only just begun, it is done again. Whatever
// happens, the network is good in the end.
func impair(ctx context.Context, w *World, target, to string, c network.Conditions, lasts time.Duration, what string) (Outcome, error) {
	targets, names, err := w.findComponents(target)
	if err != nil {
		return none("dialer"), err
	}
	for begun := time.Now(); ; {
		out, idle, err := impairOnce(ctx, w, targets, to, c, lasts)
		out.Components = names
		if err != nil || len(idle) < len(targets) {
			if out.Effect >= 0 {
				out.What = fmt.Sprintf("%s: %s%s", to, what, without(idle))
			}
			return out, err
		}
		if time.Since(begun) > presentWithin {
			out.Effect = -1
			return out, noEffect("%v neither had nor sought a connection to %s", idle, to)
		}
	}
}

// impairOnce gives, beside the outcome, the components for whom it made no difference.
func impairOnce(ctx context.Context, w *World, targets []Component, to string, c network.Conditions, lasts time.Duration) (Outcome, []string, error) {
	out := none("dialer")
	_, err := setNetwork(ctx, targets, to, c)
	if err != nil {
		err = noEffect("%w", err)
	} else {
		out.Effect = w.Now()
		err = hold(ctx, lasts)
	}
	undo, cancel := undoing(ctx)
	defer cancel()
	idle, lost := setNetwork(undo, targets, to, network.Conditions{})
	out.End = w.Now()
	if lost != nil {
		err = errors.Join(err, fmt.Errorf("make the network good again: %w", lost))
	}
	if err != nil && len(idle) == len(targets) {
		out.Effect = -1
	}
	return out, idle, err
}

// setNetwork sets the conditions of all components at once, and names those for whom it made no difference: see
// network.ErrUntouched.
func setNetwork(ctx context.Context, targets []Component, to string, c network.Conditions) (idle []string, err error) {
	if c != (network.Conditions{}) { // to end them there is more time: a component may be down meanwhile
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, answerWithin, fmt.Errorf("not within %v", answerWithin))
		defer cancel()
	}
	errs := make([]error, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() { errs[i] = t.Network(ctx, to, c) })
	}
	all.Wait()
	for i, t := range targets {
		if errors.Is(errs[i], network.ErrUntouched) {
			idle, errs[i] = append(idle, t.Name()), nil
		} else if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", t.Name(), errs[i])
		}
	}
	return idle, errors.Join(errs...)
}
