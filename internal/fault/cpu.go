package fault

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"lkbench/internal/proc"
)

const (
	cpuPeriod     = 20 * time.Millisecond // of stopping and going on; the scheduler's own slices are of this order
	cpuMostAtOnce = 5 * cpuPeriod         // to make good for what was missed on a busy machine; more would be an outage
	cpuListEvery  = 200 * time.Millisecond
	cpuTolerance  = 0.1 // between the share that was asked for and the one that was taken
)

// CPU takes a share of the processor from its target for For: all its processes are stopped for that share of every 20 ms.
// That needs no control groups, and a target that has a processor of its own feels it too.
type CPU struct {
	Target string
	Share  float64
	For    time.Duration
}

// Inject implements Fault. It took effect if the processes were seen stopped, and stopped for the share of the time that was
// asked for.
func (c CPU) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.find(c.Target)
	if err != nil {
		return none("signal"), err
	}
	out := none("signal", names...)
	sent := w.Now()
	whats := make([]string, len(targets))
	err = each(targets, func(i int, t Target) (err error) {
		whats[i], err = c.take(ctx, t)
		return err
	})
	out.End, out.What = w.Now(), strings.Join(whats, "; ")
	if !errors.Is(err, ErrNoEffect) {
		out.Effect = sent
	}
	return out, err
}

// take takes the share from one target.
func (c CPU) take(ctx context.Context, t Target) (what string, err error) {
	if roots, err := running(ctx, t); err != nil {
		return "", err
	} else if len(roots) == 0 {
		return "", noEffect("its processes cannot be seen from here")
	}
	var ids []proc.Identity // while it runs: those of the present period; those of a restarted target are found in time
	var listed time.Time
	defer func() { signalAll(ids, syscall.SIGCONT) }()
	seen := false
	list := func() {
		if time.Since(listed) > cpuListEvery {
			if found, err := tree(alive(t)); err == nil {
				ids, listed = found, time.Now()
			}
		}
	}
	share, err := dutyCycle(ctx, c.Share, c.For, list, func() {
		signalAll(ids, syscall.SIGSTOP)
		if !seen && len(ids) > 0 {
			seen = await(ctx, cpuPeriod, func() bool { return stopped(ids) }) == nil
		}
	}, func() { signalAll(ids, syscall.SIGCONT) })
	if err != nil {
		return "", err
	}
	what = fmt.Sprintf("%d%% of the processor asked for, stopped for %.1f%% of %v", int(math.Round(c.Share*100)), share*100, c.For)
	return what, c.took(share, seen)
}

// took says whether what was taken is what was asked for.
func (c CPU) took(share float64, seen bool) error {
	switch {
	case !seen:
		return noEffect("its processes were never seen stopped")
	case math.Abs(share-c.Share) > cpuTolerance:
		return noEffect("stopped for %.1f%% of the time: expected %.1f%%, within %d", share*100, c.Share*100, int(cpuTolerance*100))
	}
	return nil
}

// dutyCycle stops and continues something for a share of the time, and gives the share that it was stopped for. What a
// period took too much or too little the next one makes good. Before each stop it prepares, which does not count.
func dutyCycle(ctx context.Context, share float64, lasts time.Duration, prepare, stop, goOn func()) (float64, error) {
	began := time.Now()
	var stoppedFor time.Duration
	for elapsed := time.Duration(0); elapsed < lasts; elapsed = time.Since(began) {
		want := time.Duration(share*float64(elapsed+cpuPeriod)) - stoppedFor
		var err error
		if want > 0 {
			prepare()
			since := time.Now()
			stop()
			err = hold(ctx, min(want, cpuMostAtOnce)-time.Since(since))
			goOn()
			stoppedFor += time.Since(since)
		}
		rest := time.Duration((1 - share) * float64(cpuPeriod))
		if err := errors.Join(err, hold(ctx, rest)); err != nil {
			return 0, err
		}
	}
	return float64(stoppedFor) / float64(time.Since(began)), nil
}

// signalAll signals processes that still are those that were meant. The root comes first for SIGSTOP, so that it starts no
// more of them, and last for SIGCONT.
func signalAll(ids []proc.Identity, signal syscall.Signal) {
	if signal == syscall.SIGCONT {
		ids = slices.Clone(ids)
		slices.Reverse(ids)
	}
	for _, id := range ids {
		if id.Alive() {
			_ = syscall.Kill(id.PID, signal) // it may end at any moment; that it was stopped is looked at
		}
	}
}
