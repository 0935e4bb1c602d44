package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"lkbench/architectures"
	"lkbench/internal/proc"
	"lkbench/results"
)

// restartDelay is how long a component stays down after it ended by itself or was killed: the same for every
// architecture, in every record.
const restartDelay = 200 * time.Millisecond

// ComponentVerb is the hidden verb under which the program runs one component.
const ComponentVerb = "__component"

// supervisor keeps the components of one architecture running, as an orchestrator would.
type supervisor struct {
	executable string
	arch       string
	input      []byte // the environment as one JSON line
	logs       string
	track      func(*proc.Process) error // records a process for the sweep, should it outlive the harness
	now        func() time.Duration      // since origin; negative before it

	mu       sync.Mutex
	running  map[string]*proc.Process
	restarts []results.Restart
	failed   error // a component could not be started again

	stop context.CancelFunc
	wait sync.WaitGroup
}

// supervise starts every component. stop must be called even after an error.
func supervise(executable string, arch architectures.Architecture, env architectures.Environment, logs string,
	track func(*proc.Process) error, now func() time.Duration) (*supervisor, error) {
	input, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &supervisor{
		executable: executable, arch: arch.Name(), input: input, logs: logs, track: track, now: now,
		running: map[string]*proc.Process{}, stop: cancel,
	}
	for _, c := range arch.Components() {
		p, err := s.start(c.Name)
		if err != nil {
			s.shutdown(context.Background())
			return nil, err
		}
		s.wait.Go(func() { s.keep(ctx, c.Name, p) })
	}
	return s, nil
}

func (s *supervisor) start(name string) (*proc.Process, error) {
	p, err := proc.Start(proc.Spec{
		Name: name, Executable: s.executable, Args: []string{ComponentVerb, s.arch, name},
		Log: filepath.Join(s.logs, name+".log"), Input: s.input,
	})
	if err != nil {
		return nil, err
	}
	if err := s.track(p); err != nil {
		return nil, errors.Join(err, p.Abort())
	}
	s.mu.Lock()
	s.running[name] = p
	s.mu.Unlock()
	return p, nil
}

// keep starts a component again whenever it has ended.
func (s *supervisor) keep(ctx context.Context, name string, p *proc.Process) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.Done():
		}
		reason := "exit code 0"
		if err := p.Err(); err != nil {
			reason = err.Error()
		}
		s.mu.Lock()
		s.restarts = append(s.restarts, results.Restart{
			Component: name, EndedAtS: s.now().Seconds(), Reason: reason, DelayS: restartDelay.Seconds(),
		})
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartDelay):
		}
		var err error
		if p, err = s.start(name); err != nil {
			s.mu.Lock()
			s.failed = fmt.Errorf("start component %s again: %w", name, err)
			s.mu.Unlock()
			return
		}
	}
}

// pids are the processes of a component now; none while it is down.
func (s *supervisor) pids(name string) []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.running[name]; p != nil {
		select {
		case <-p.Done():
		default:
			return []int32{int32(p.PID())}
		}
	}
	return nil
}

// history gives the restarts so far, and the error if a component could not be started again.
func (s *supervisor) history() ([]results.Restart, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]results.Restart{}, s.restarts...), s.failed
}

// shutdown ends every component and waits for it. It may be called twice.
func (s *supervisor) shutdown(ctx context.Context) {
	s.stop()
	s.wait.Wait()
	s.mu.Lock()
	running := s.running
	s.running = map[string]*proc.Process{}
	s.mu.Unlock()
	var ended sync.WaitGroup
	for _, p := range running {
		// Stop kills what does not end by itself, so an error leaves nothing to do.
		ended.Go(func() { _ = p.Stop(ctx) })
	}
	ended.Wait()
}
