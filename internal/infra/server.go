package infra

import (
	"context"
	"fmt"
	"time"
)

// startTimeout bounds the time a server may take until it answers; recovery after a crash is part of it. On a machine that
// is busy with other things three brokers have taken 50 s.
const startTimeout = 2 * time.Minute

// Signal is what can be done to a running server.
type Signal int

// The signals.
const (
	Kill   Signal = iota + 1 // SIGKILL to all its processes, as a crash would
	Stop                     // in order, its data on disk
	Pause                    // stands still: connections stay open and nothing answers
	Resume                   // goes on after Pause
)

// String names the signal, for messages.
func (s Signal) String() string { return [...]string{"?", "kill", "stop", "pause", "resume"}[s] }

// Unit is what a server is made of: processes or a container.
type Unit interface {
	// Start starts it on its address and data, again if it has ended, and waits until it answers. After an error nothing
	// runs.
	Start(ctx context.Context) error
	// Signal returns when the signal has taken effect; after Kill and Stop nothing of it runs.
	Signal(ctx context.Context, signal Signal) error
	// Done is closed when what was started last has ended, in whatever way.
	Done() <-chan struct{}
}

// Server is a broker or a database that can be disturbed. Done, PIDs and Usage may be called at any time, the rest one
// after another.
type Server struct {
	Role    string  // "broker" (of several "broker-1", "broker-2", …) or "database"
	Address string  // host:port on loopback, kept over restarts
	DataDir string  // where its data lies: a directory, or a volume of its container
	Version string  // what it is and of which version
	StartS  float64 // seconds until it first answered, with all preparation

	// PIDs are the roots of its process trees on this machine now, for accounting; nil for a container.
	PIDs func() []int32
	// Container is the id of its container; "" for processes. The name of a container stays over restarts, and so does this.
	Container string
	// Usage is what a container has used since it was made; nil for processes.
	Usage func(ctx context.Context) (Usage, error)
	// Disk is the space in bytes that its data takes now.
	Disk func(ctx context.Context) (int64, error)

	Unit Unit
}

// Usage is what a container has used: CPU since it was made, over restarts, and the memory it holds now, without the
// operating system's cache of its files.
type Usage struct {
	CPU time.Duration
	RSS int64
}

// Done is closed when the server's present process or container has ended. It changes with a restart.
func (s *Server) Done() <-chan struct{} { return s.Unit.Done() }

// Kill ends the server with SIGKILL, as a crash would, and waits until all its processes are gone.
func (s *Server) Kill(ctx context.Context) error { return s.signal(ctx, Kill) }

// Stop ends the server in order, its data on disk, and waits until it is gone. One that has ended already is no error.
// When ctx ends it is ended the hard way.
func (s *Server) Stop(ctx context.Context) error { return s.signal(ctx, Stop) }

// Pause makes the server stand still: its connections stay open, and nothing answers until Resume.
func (s *Server) Pause(ctx context.Context) error { return s.signal(ctx, Pause) }

// Resume lets a paused server go on.
func (s *Server) Resume(ctx context.Context) error { return s.signal(ctx, Resume) }

func (s *Server) signal(ctx context.Context, signal Signal) error {
	if err := s.Unit.Signal(ctx, signal); err != nil {
		return fmt.Errorf("%v the %s: %w", signal, s.Role, err)
	}
	return nil
}

// Restart starts the server again after Kill or Stop, on the same address and data, and waits until it answers.
func (s *Server) Restart(ctx context.Context) error {
	select {
	case <-s.Done():
		return s.Unit.Start(ctx)
	default:
		return fmt.Errorf("restart the %s: it still runs", s.Role)
	}
}
