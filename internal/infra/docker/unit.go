package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lkbench/internal/infra"
)

const (
	// startTimeout bounds the time until a server answers; on a busy machine three brokers take long.
	startTimeout = 2 * time.Minute
	// stopTimeout bounds an orderly stop: a broker whose controllers have no majority any more would wait minutes for one.
	stopTimeout = 30 * time.Second
	// attemptTimeout bounds one question whether a server answers: the engine accepts connections for it before it listens.
	attemptTimeout = 2 * time.Second
	// logTimeout bounds the wait for the last lines of a container that has ended.
	logTimeout = 10 * time.Second
	// pauseTries is how often a container is asked to stand still.
	pauseTries = 20
)

// unit is the infra.Unit of a container.
type unit struct {
	run        *run
	id         string
	role       string
	what       string // for messages, as "the broker on 127.0.0.1:19092"
	logFile    string
	stopSignal string
	ready      func(context.Context) error

	mu    sync.Mutex
	done  chan struct{}  // closed when what was started last has ended
	stop  func()         // gives up the goroutines that watch it
	tasks sync.WaitGroup // those goroutines
	spent spent
}

func newUnit(r *run, id string, s server) *unit {
	done := make(chan struct{})
	close(done)
	return &unit{
		run: r, id: id, role: s.role, what: "the " + s.role + " on " + address(s.published), logFile: r.logPath(s.log),
		stopSignal: s.stopSignal, ready: s.ready, done: done, stop: func() {},
	}
}

// Done implements infra.Unit.
func (u *unit) Done() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.done
}

// Start implements infra.Unit.
func (u *unit) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	err := u.launch(ctx)
	if err == nil {
		err = u.await(ctx)
	}
	if err == nil {
		return nil
	}
	killing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	unkilled := u.Signal(killing, infra.Kill)
	u.finish()
	return errors.Join(fmt.Errorf("start %s: %w; the end of its log:\n%s", u.what, err, lastLines(u.logFile)), unkilled)
}

// launch starts the container and everything that watches it.
func (u *unit) launch(ctx context.Context) error {
	before, err := u.inspect(ctx)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	// Asked before the start, so that an early end is not missed.
	ended := u.run.client.ContainerWait(watching, u.id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	life := u.spent.nextLife()
	if _, err := u.run.client.ContainerStart(ctx, u.id, client.ContainerStartOptions{}); err != nil {
		stop()
		if portTaken(err) {
			return fmt.Errorf("%w (%w)", infra.ErrPortTaken, err)
		}
		return err
	}
	done := make(chan struct{})
	u.mu.Lock()
	u.done, u.stop = done, stop
	u.mu.Unlock()
	u.tasks.Go(func() { u.follow(watching, before.FinishedAt) })
	accounting, enough := context.WithCancel(watching)
	u.tasks.Go(func() { u.account(accounting, life) })
	u.tasks.Go(func() {
		defer enough()
		defer close(done)
		select {
		case <-ended.Result:
		case <-ended.Error: // the connection to the engine broke, or the container was removed
			u.pollEnd(watching)
		case <-watching.Done():
		}
	})
	return nil
}

// pollEnd waits for the container's end by asking, should waiting have failed.
func (u *unit) pollEnd(ctx context.Context) {
	for ctx.Err() == nil {
		state, err := u.inspect(ctx)
		if errdefs.IsNotFound(err) || err == nil && !state.Running {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// portTaken says whether a container did not start because somebody else has its port. The engine has no code for it.
func portTaken(err error) bool {
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use") ||
		strings.Contains(text, "ports are not available")
}

// await waits until the server answers from this machine.
func (u *unit) await(ctx context.Context) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		unanswered := u.ready(attempt)
		cancel()
		if unanswered == nil {
			return nil
		}
		select {
		case <-u.Done():
			return u.howItEnded(ctx)
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), unanswered)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func (u *unit) howItEnded(ctx context.Context) error {
	state, err := u.inspect(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("it ended: %w", err)
	case state.OOMKilled:
		return fmt.Errorf("it ended with exit code %d: it needed more memory than its limit allows", state.ExitCode)
	}
	return fmt.Errorf("it ended with exit code %d", state.ExitCode)
}

func (u *unit) inspect(ctx context.Context) (*container.State, error) {
	seen, err := u.run.client.ContainerInspect(ctx, u.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at the container of %s: %w", u.what, err)
	}
	if seen.Container.State == nil {
		return nil, fmt.Errorf("look at the container of %s: the engine does not tell its state", u.what)
	}
	return seen.Container.State, nil
}

// Signal implements infra.Unit.
func (u *unit) Signal(ctx context.Context, signal infra.Signal) error {
	switch signal {
	case infra.Pause:
		return u.pause(ctx)
	case infra.Resume:
		_, err := u.run.client.ContainerUnpause(ctx, u.id, client.ContainerUnpauseOptions{})
		return err
	case infra.Stop:
		return u.end(ctx)
	}
	return u.kill(ctx)
}

// pause freezes the container. On a busy machine older engines give up before all of its processes stand still: it is tried
// again.
func (u *unit) pause(ctx context.Context) error {
	for tries := 1; ; tries++ {
		_, err := u.run.client.ContainerPause(ctx, u.id, client.ContainerPauseOptions{})
		if err == nil || errdefs.IsConflict(err) || errdefs.IsNotFound(err) || tries == pauseTries {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kill ends the container with SIGKILL, also a paused one.
func (u *unit) kill(ctx context.Context) error {
	if err := u.send(ctx, "SIGKILL"); err != nil {
		return err
	}
	select {
	case <-u.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for its end: %w", context.Cause(ctx))
	}
}

// end asks the server to end, and kills it when ctx ends or it takes too long.
func (u *unit) end(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := u.send(patience, u.stopSignal); err != nil && patience.Err() == nil {
		return err
	}
	select {
	case <-u.Done():
		return nil
	case <-patience.Done():
	}
	killing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return u.kill(killing)
}

// send sends a signal to a container that runs; to one that has ended it need not.
func (u *unit) send(ctx context.Context, signal string) error {
	_, err := u.run.client.ContainerKill(ctx, u.id, client.ContainerKillOptions{Signal: signal})
	if err != nil && errdefs.IsConflict(err) {
		if state, unknown := u.inspect(ctx); unknown == nil && !state.Running {
			return nil
		}
	}
	return err
}

// finish waits until nothing watches the container any more, which has been killed or removed: only then is its log whole.
// If the engine does not tell of its end, that is given up.
func (u *unit) finish() {
	u.mu.Lock()
	stop := u.stop
	u.mu.Unlock()
	defer time.AfterFunc(logTimeout, stop).Stop()
	u.tasks.Wait()
}
