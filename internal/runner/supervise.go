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
	"lkbench/internal/network"
	"lkbench/internal/proc"
	"lkbench/results"
)

// restartDelay is how long a component stays down after it ended by itself or was killed: the same for every
// architecture, in every record.
const restartDelay = 200 * time.Millisecond

// ComponentVerb is the hidden verb under which the program runs one component.
const ComponentVerb = "__component"

// supervisor keeps the components of one architecture running, as an orchestrator would. A fault may keep one of them
// down (hold) for as long as it lasts.
type supervisor struct {
	executable string
	arch       string
	env        architectures.Environment // without Conditions
	logs       string
	track      func(*proc.Process) error // records a process for the sweep, should it outlive the harness
	now        func() time.Duration      // since origin; negative before it

	ctx  context.Context // ends when nothing is to be started any more
	stop context.CancelFunc
	wait sync.WaitGroup

	mu       sync.Mutex
	slots    map[string]*slot
	all      []*proc.Process // whatever was started
	restarts []results.Restart
	failed   error         // a component could not be started again
	changed  chan struct{} // closed, and made anew, when a slot has changed
}

// slot is the place of one component.
type slot struct {
	component  architectures.Component
	process    *proc.Process // nil: it is not to run
	held       bool          // a fault keeps it down
	hurry      bool          // it is to start without the usual delay
	conditions map[string]network.Conditions
}

// supervise starts every component that is not on demand. shutdown must be called even after an error.
func supervise(executable string, arch architectures.Architecture, env architectures.Environment, logs string,
	track func(*proc.Process) error, now func() time.Duration) (*supervisor, error) {
	s := &supervisor{
		executable: executable, arch: arch.Name(), env: env, logs: logs, track: track, now: now,
		slots: map[string]*slot{}, changed: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, c := range arch.Components() {
		s.slots[c.Name] = &slot{component: c, conditions: map[string]network.Conditions{}}
	}
	for _, c := range arch.Components() {
		if c.OnDemand {
			continue
		}
		if err := s.launch(c.Name); err != nil {
			s.shutdown(context.Background())
			return nil, err
		}
	}
	return s, nil
}

// launch starts a component and keeps it running.
func (s *supervisor) launch(name string) error {
	p, err := s.start(name)
	if err != nil {
		return err
	}
	s.wait.Go(func() { s.keep(name, p) })
	return nil
}

// start starts a process and makes it the component's.
func (s *supervisor) start(name string) (*proc.Process, error) {
	input, err := s.input(name)
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(proc.Spec{
		Name: name, Executable: s.executable, Args: []string{ComponentVerb, s.arch, name},
		Log: filepath.Join(s.logs, name+".log"), Input: input,
	})
	if err != nil {
		return nil, err
	}
	if err := s.track(p); err != nil {
		return nil, errors.Join(err, p.Abort())
	}
	s.mu.Lock()
	slot := s.slots[name]
	slot.process = p
	s.all = append(s.all, p)
	s.announce()
	s.mu.Unlock()
	return p, nil
}

// input is what a component's process reads first: its environment as one JSON line. The conditions of its network are a part
// of it, so that not one connection is opened without them; what is told while it starts comes after.
func (s *supervisor) input(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := s.env
	env.Conditions = s.slots[name].conditions
	return json.Marshal(env)
}

// announce wakes whoever waits for a slot to change. The lock is held.
func (s *supervisor) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// keep starts a component again whenever its process has ended, as long as no other process takes its place. One on
// demand that ends with exit code 0 has done its work.
func (s *supervisor) keep(name string, p *proc.Process) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-p.Done():
		}
		ended := s.now()
		reason := "exit code 0"
		if err := p.Err(); err != nil {
			reason = err.Error()
		}
		s.mu.Lock()
		slot := s.slots[name]
		if slot.process != p {
			s.mu.Unlock()
			return
		}
		if slot.component.OnDemand && p.Err() == nil {
			slot.process = nil
			s.announce()
			s.mu.Unlock()
			return
		}
		s.restarts = append(s.restarts, results.Restart{
			Component: name, EndedAtS: ended.Seconds(), Reason: reason, DelayS: restartDelay.Seconds(),
		})
		restart := len(s.restarts) - 1
		s.mu.Unlock()
		if !s.due(slot, p) {
			return
		}
		var err error
		p, err = s.start(name)
		s.mu.Lock()
		if err != nil {
			s.failed = fmt.Errorf("start component %s again: %w", name, err)
			s.mu.Unlock()
			return
		}
		s.restarts[restart].DelayS = (s.now() - ended).Seconds()
		s.mu.Unlock()
	}
}

// due waits until a component whose process p has ended may start again; false if it must not.
func (s *supervisor) due(slot *slot, p *proc.Process) bool {
	delay := time.NewTimer(restartDelay)
	defer delay.Stop()
	over := false
	for {
		s.mu.Lock()
		if slot.process != p || s.ctx.Err() != nil {
			s.mu.Unlock()
			return false
		}
		if !slot.held && (over || slot.hurry) {
			slot.hurry = false
			s.mu.Unlock()
			return true
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-s.ctx.Done():
			return false
		case <-delay.C:
			over = true
		case <-changed:
		}
	}
}

// promote makes the process of one component that of another, whose own process is not started again. It reports whether
// there was one.
func (s *supervisor) promote(from, to string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.slots[from].process
	if p == nil || ended(p) {
		return false
	}
	s.slots[from].process = nil
	s.slots[to].process = p
	s.announce()
	s.wait.Go(func() { s.keep(to, p) })
	return true
}

func ended(p *proc.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// pids are the living processes that were started as a component; none while it is down. A promoted one stays with the name it
// was started by, so that what it used is accounted once.
func (s *supervisor) pids(name string) []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int32
	for _, p := range s.all {
		if p.Name() == name && !ended(p) {
			pids = append(pids, int32(p.PID()))
		}
	}
	return pids
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
	running := s.all
	s.all = nil
	s.mu.Unlock()
	var ended sync.WaitGroup
	for _, p := range running {
		ended.Go(func() {
			// One that a fault has paused could not end; and Stop kills what does not, so an error leaves nothing to do.
			_ = resume(p)
			_ = p.Stop(ctx)
		})
	}
	ended.Wait()
}
