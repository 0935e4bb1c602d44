package archtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lkbench/architectures"
	"lkbench/internal/proc"
)

// restartDelay is how long a component stays down after it has ended.
const restartDelay = 30 * time.Millisecond

// supervisor keeps one process of each component running.
type supervisor struct {
	executable, arch, dir string
	input                 []byte

	mu      sync.Mutex
	running map[string]*proc.Process
	ends    []error // how processes that were started again had ended
	err     error   // a process could not be started
	all     []*proc.Process
	ctx     context.Context
	cancel  context.CancelFunc
	keepers sync.WaitGroup
}

func newSupervisor(executable string, arch architectures.Architecture, env architectures.Environment, dir string) (*supervisor, error) {
	input, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &supervisor{
		executable: executable, arch: arch.Name(), dir: dir, input: input,
		running: map[string]*proc.Process{}, ctx: ctx, cancel: cancel,
	}, nil
}

// start starts one more process of a component, which nobody starts again.
func (s *supervisor) start(name string) (*proc.Process, error) {
	p, err := proc.Start(proc.Spec{
		Name: name, Executable: s.executable, Args: []string{componentVerb, s.arch, name},
		Log: s.log(name), Input: s.input,
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.all = append(s.all, p)
	s.mu.Unlock()
	return p, nil
}

func (s *supervisor) log(name string) string { return filepath.Join(s.dir, name+".log") }

// keep makes p the process of a component that is started again whenever it has ended, as long as no other takes its
// place. One on demand is not started again when it has ended well.
func (s *supervisor) keep(c architectures.Component, p *proc.Process) {
	name := c.Name
	s.mu.Lock()
	s.running[name] = p
	s.mu.Unlock()
	s.keepers.Go(func() {
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-p.Done():
			}
			if c.OnDemand && p.Err() == nil {
				s.leave(name, p)
				return
			}
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(restartDelay):
			}
			if s.current(name) != p {
				return
			}
			next, err := s.start(name)
			s.mu.Lock()
			if err != nil {
				s.err = err
				s.mu.Unlock()
				return
			}
			s.ends = append(s.ends, p.Err())
			s.running[name], p = next, next
			s.mu.Unlock()
		}
	})
}

// leave says that a component has no process any more, if p was its process.
func (s *supervisor) leave(name string, p *proc.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[name] == p {
		delete(s.running, name)
	}
}

// promote makes the process of a component on demand that of the component it becomes, and the former one is not started
// again. One that has ended meanwhile is left to its own keeper, and so is the other.
func (s *supervisor) promote(from, to architectures.Component) {
	p := s.current(from.Name)
	if p == nil || ended(p) {
		return
	}
	s.leave(from.Name, p)
	s.keep(to, p)
}

func ended(p *proc.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// current is the process of a component; nil for one on demand that does not run.
func (s *supervisor) current(name string) *proc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[name]
}

// stop ends all processes and says whether one could not be started again.
func (s *supervisor) stop() error {
	s.cancel()
	s.keepers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var ended sync.WaitGroup
	for _, p := range s.all {
		ended.Go(func() { _ = p.Stop(ctx) }) // it kills what does not end
	}
	ended.Wait()
	return s.err
}

// crashed says whether a process ended that nobody had killed. It is called after stop.
func (s *supervisor) crashed() error {
	for _, err := range s.ends {
		if err == nil || !strings.HasSuffix(err.Error(), "signal: killed") {
			return fmt.Errorf("a component ended by itself: %v", err)
		}
	}
	return nil
}

// tails gives the ends of the components' logs, for messages.
func (s *supervisor) tails(components []architectures.Component) string {
	var text string
	for _, c := range components {
		log, err := os.ReadFile(s.log(c.Name))
		if c.OnDemand && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			log = []byte(err.Error())
		}
		text += fmt.Sprintf("\nlog of %s: …%s", c.Name, log[max(0, len(log)-1000):])
	}
	return text
}
