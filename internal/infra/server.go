package infra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lkbench/internal/proc"
)

// Server is a started broker or database. Its methods must not be called at the same time.
type Server struct {
	Role    string  // "broker" or "database"
	Address string  // host:port on loopback, kept over restarts
	DataDir string  // where its data lies
	Version string  // as the program gives it
	StartS  float64 // seconds from the call until it answered, with all preparation; of the first start

	workspace *Workspace
	log       string
	launch    func(context.Context) (*proc.Process, error)
	ready     func(context.Context) error // nil when it answers
	process   *proc.Process
}

// PID is the root of the server's process tree, for accounting. It changes with a restart.
func (s *Server) PID() int { return s.process.PID() }

// Done is closed when the server's present process has ended.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// Kill ends the server with SIGKILL, as a crash would, and waits until all its processes are gone.
func (s *Server) Kill(ctx context.Context) error {
	if err := s.process.Kill(); err != nil {
		return err
	}
	select {
	case <-s.process.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the killed %s: %w", s.Role, context.Cause(ctx))
	}
}

// Restart starts the server again after Kill or Stop, on the same address and data, and waits until it answers.
func (s *Server) Restart(ctx context.Context) error {
	select {
	case <-s.process.Done():
		return s.start(ctx)
	default:
		return fmt.Errorf("restart the %s: it still runs", s.Role)
	}
}

// Stop ends the server in order and waits until it is gone. One that has ended already is no error. When ctx ends it
// is ended the hard way.
func (s *Server) Stop(ctx context.Context) error { return s.process.Stop(ctx) }

// start launches the server and waits until it answers. After an error nothing runs.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	p, err := s.launch(ctx)
	if err != nil {
		return fmt.Errorf("start the %s: %w", s.Role, err)
	}
	s.process = p
	fail := func(err error) error {
		cancel()
		return errors.Join(fmt.Errorf("start the %s on %s: %w; the end of its log:\n%s", s.Role, s.Address, err, lastLines(s.log)), p.Stop(ctx))
	}
	if err := s.workspace.Track(p); err != nil {
		return fail(err)
	}
	for {
		unanswered := s.ready(ctx)
		if unanswered == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fail(errors.New("it ended"))
		case <-ctx.Done():
			return fail(fmt.Errorf("%w (%w)", context.Cause(ctx), unanswered))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
