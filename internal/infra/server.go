package infra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"lkbench/internal/proc"
)

// startTimeout bounds the time a server may take until it answers; recovery after a crash is part of it.
const startTimeout = 60 * time.Second

// Server is a started broker or database. PID and Done may be called at any time, the rest one after another.
type Server struct {
	Role    string  // "broker" or "database"
	Address string  // host:port on loopback, kept over restarts
	DataDir string  // where its data lies
	Version string  // what it is and of which version
	StartS  float64 // seconds until it first answered, with all preparation

	workspace *Workspace
	log       string
	launch    func(context.Context) (*proc.Process, error)
	ready     func(context.Context, *proc.Process) error // nil when it answers
	discard   func(context.Context) error                // ends it for good, its data not needed any more

	mu      sync.Mutex
	process *proc.Process
}

func (s *Server) current() *proc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// PID is the root of the server's process tree, for accounting. It changes with a restart.
func (s *Server) PID() int { return s.current().PID() }

// Done is closed when the server's present process has ended. It changes with a restart.
func (s *Server) Done() <-chan struct{} { return s.current().Done() }

// Kill ends the server with SIGKILL, as a crash would, and waits until all its processes are gone.
func (s *Server) Kill(ctx context.Context) error {
	p := s.current()
	if err := p.Kill(); err != nil {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the killed %s: %w", s.Role, context.Cause(ctx))
	}
}

// Restart starts the server again after Kill or Stop, on the same address and data, and waits until it answers.
func (s *Server) Restart(ctx context.Context) error {
	select {
	case <-s.Done():
		return s.start(ctx)
	default:
		return fmt.Errorf("restart the %s: it still runs", s.Role)
	}
}

// Stop ends the server in order, its data on disk, and waits until it is gone. One that has ended already is no error.
// When ctx ends it is ended the hard way.
func (s *Server) Stop(ctx context.Context) error { return s.current().Stop(ctx) }

// start launches the server and waits until it answers. After an error nothing runs.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	p, err := s.launch(ctx)
	if err != nil {
		return s.startError(err)
	}
	if err := s.workspace.Track(p); err != nil {
		return errors.Join(err, p.Abort())
	}
	if err := s.await(ctx, p); err != nil {
		return errors.Join(s.startError(err), p.Abort())
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	return nil
}

// startError adds the end of the log: the workspace that holds it goes with the run.
func (s *Server) startError(err error) error {
	return fmt.Errorf("start the %s on %s: %w; the end of its log:\n%s", s.Role, s.Address, err, lastLines(s.log))
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context, p *proc.Process) error {
	for {
		unanswered := s.ready(ctx, p)
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

// lastLines gives the end of a log, for messages.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(none: %v)", err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
