package runner

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"lkbench/internal/fault"
	"lkbench/internal/infra"
	"lkbench/internal/network"
	"lkbench/internal/proc"
)

// presentWithin bounds the wait for a component that is down, or not asked for yet, when something is to be done to it. It is
// longer than any start after a crash.
const presentWithin = 10 * time.Second

// member is a component as faults see it.
type member struct {
	*supervisor
	name string
}

var _ fault.Component = member{}

func (m member) Name() string { return m.name }

func (m member) PIDs() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.slots[m.name].process; p != nil && !ended(p) {
		return []int32{int32(p.PID())}
	}
	return nil
}

// present gives the process of the component, and waits for one that is about to start. With hold it is kept down when it has
// ended.
func (m member) present(ctx context.Context, hold bool) (*proc.Process, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, presentWithin, fmt.Errorf("component %s did not run for %v", m.name, presentWithin))
	defer cancel()
	for {
		m.mu.Lock()
		slot, changed := m.slots[m.name], m.changed
		if p := slot.process; p != nil && !ended(p) {
			if hold {
				slot.held = true
			}
			m.mu.Unlock()
			return p, nil
		}
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// Signal implements fault.Target.
func (m member) Signal(ctx context.Context, signal infra.Signal) error {
	ends := signal == infra.Kill || signal == infra.Stop
	p, err := m.present(ctx, ends)
	if err != nil {
		return err
	}
	return do(ctx, p, signal)
}

// do does to a process what the signal says, and returns when it has taken effect.
func do(ctx context.Context, p *proc.Process, signal infra.Signal) error {
	switch signal {
	case infra.Kill:
		if err := p.Kill(); err != nil {
			return err
		}
		select {
		case <-p.Done():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s was killed and is still there: %w", p.Name(), context.Cause(ctx))
		}
	case infra.Stop:
		return p.Stop(ctx)
	case infra.Pause:
		return p.SignalTree(syscall.SIGSTOP)
	case infra.Resume:
		return resume(p)
	}
	return fmt.Errorf("there is no way to %v %s", signal, p.Name())
}

func resume(p *proc.Process) error {
	if ended(p) {
		return nil
	}
	return p.SignalTree(syscall.SIGCONT)
}

// Start implements fault.Target: it starts the component at once and returns when its process runs.
func (m member) Start(ctx context.Context) error {
	m.mu.Lock()
	m.slots[m.name].held, m.slots[m.name].hurry = false, true
	m.announce()
	m.mu.Unlock()
	_, err := m.present(ctx, false)
	return err
}

// Release implements fault.Component.
func (m member) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots[m.name].held = false
	m.announce()
}

// Replace implements fault.Component.
func (m member) Replace(ctx context.Context) (fault.Former, error) {
	p, err := m.present(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := m.launch(m.name); err != nil {
		return nil, err
	}
	return former{p}, nil
}

// Network implements fault.Component.
func (m member) Network(ctx context.Context, to string, c network.Conditions) error {
	m.mu.Lock()
	slot, lasting := m.slots[m.name], c
	lasting.Reset = false
	slot.conditions[to] = lasting
	if lasting == (network.Conditions{}) {
		delete(slot.conditions, to)
	}
	m.mu.Unlock()
	for {
		p, err := m.present(ctx, false)
		if err != nil {
			return err
		}
		err = network.Tell(ctx, p, to, c)
		if err == nil || !ended(p) || ctx.Err() != nil {
			return err
		}
		// It ended meanwhile: the next process starts with the conditions, and is asked again here.
	}
}

// former is a process that another has taken the place of.
type former struct{ *proc.Process }

func (f former) Signal(ctx context.Context, signal infra.Signal) error {
	return do(ctx, f.Process, signal)
}

// server is a broker or the database as faults see it.
type server struct{ *infra.Server }

var _ fault.Target = server{}

func (s server) Name() string { return s.Role }

func (s server) PIDs() []int32 {
	if s.Server.PIDs == nil {
		return nil
	}
	return s.Server.PIDs()
}

func (s server) Signal(ctx context.Context, signal infra.Signal) error {
	select {
	case <-s.Done():
		return errors.New("the " + s.Role + " does not run")
	default:
	}
	switch signal {
	case infra.Kill:
		return s.Kill(ctx)
	case infra.Stop:
		return s.Stop(ctx)
	case infra.Pause:
		return s.Pause(ctx)
	case infra.Resume:
		return s.Resume(ctx)
	}
	return fmt.Errorf("there is no way to %v the %s", signal, s.Role)
}

func (s server) Start(ctx context.Context) error { return s.Restart(ctx) }
