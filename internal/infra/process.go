package infra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"lkbench/internal/proc"
)

// processes is the Unit of a server that runs as processes of this machine.
type processes struct {
	what      string // for messages, as "the broker on 127.0.0.1:19092"
	workspace *Workspace
	log       string
	launch    func(context.Context) (*proc.Process, error)
	ready     func(context.Context, *proc.Process) error // nil when it answers

	mu      sync.Mutex
	process *proc.Process
}

// newServer describes a server of processes on a port of this machine.
func newServer(role string, port int, dir, version string, unit *processes) *Server {
	return &Server{
		Role: role, Address: address(port), DataDir: dir, Version: version, Unit: unit, PIDs: unit.pids,
		Disk: func(ctx context.Context) (int64, error) { return diskUse(ctx, dir) },
	}
}

func (u *processes) current() *proc.Process {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.process
}

// pids is Server.PIDs.
func (u *processes) pids() []int32 { return []int32{int32(u.current().PID())} }

// Done implements Unit.
func (u *processes) Done() <-chan struct{} { return u.current().Done() }

// Signal implements Unit.
func (u *processes) Signal(ctx context.Context, signal Signal) error {
	p := u.current()
	switch signal {
	case Stop:
		return p.Stop(ctx)
	case Pause:
		return p.SignalTree(syscall.SIGSTOP)
	case Resume:
		return p.SignalTree(syscall.SIGCONT)
	}
	if err := p.Kill(); err != nil {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for its end: %w", context.Cause(ctx))
	}
}

// discard ends the server in the fastest way: its data is not needed any more.
func (u *processes) discard() error { return u.current().Abort() }

// Start implements Unit.
func (u *processes) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	p, err := u.launch(ctx)
	if err != nil {
		return u.startError(err)
	}
	if err := u.workspace.Track(p); err != nil {
		return errors.Join(err, p.Abort())
	}
	if err := u.await(ctx, p); err != nil {
		return errors.Join(u.startError(err), p.Abort())
	}
	u.mu.Lock()
	u.process = p
	u.mu.Unlock()
	return nil
}

// startError adds the end of the log: the workspace that holds it goes with the run.
func (u *processes) startError(err error) error {
	return fmt.Errorf("start %s: %w; the end of its log:\n%s", u.what, err, lastLines(u.log))
}

// await waits until the server answers.
func (u *processes) await(ctx context.Context, p *proc.Process) error {
	for {
		unanswered := u.ready(ctx, p)
		if unanswered == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it ended: %w", p.Err())
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), unanswered)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

const (
	shownLines  = 8 // of a log's end
	shownErrors = 3 // of those before it
)

// lastLines gives the end of a log, for messages. A broker that gives up says much after the line that tells why: the last
// lines of level ERROR stand before the end.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(none: %v)", err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	end := max(0, len(lines)-shownLines)
	var shown []string
	for i := end - 1; i >= 0 && len(shown) < shownErrors; i-- {
		if strings.Contains(lines[i], " ERROR ") || strings.Contains(lines[i], "Caused by: ") {
			shown = append([]string{lines[i]}, shown...)
		}
	}
	return strings.Join(append(shown, lines[end:]...), "\n")
}
