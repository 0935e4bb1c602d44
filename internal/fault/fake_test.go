package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/network"
)

// journal is what was done to fakes, in order, with the time of it.
type journal struct {
	mu      sync.Mutex
	began   time.Time
	entries []string
}

func newJournal() *journal { return &journal{began: time.Now()} }

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf("%v ", time.Since(j.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.entries, ", ")
}

// world is one with these targets under every name, in the time of the journal.
func (j *journal) world(targets ...Target) *World {
	return &World{
		Targets:  func(string) []Target { return targets },
		Now:      func() time.Duration { return time.Since(j.began) },
		Consumes: func(name string) bool { return name != "batch" },
	}
}

// container is a target whose processes cannot be seen.
type container struct {
	*journal
	name string
	deaf bool // signals fail
	// onPause is called when it was paused; nil for nothing.
	onPause func()
}

func (c *container) Name() string  { return c.name }
func (c *container) PIDs() []int32 { return nil }

func (c *container) Signal(_ context.Context, signal infra.Signal) error {
	if c.deaf && signal != infra.Resume {
		return errors.New("no engine")
	}
	c.add("%s %v", c.name, signal)
	if signal == infra.Pause && c.onPause != nil {
		c.onPause()
	}
	return nil
}

func (c *container) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.add("%s start", c.name)
	return nil
}

// fakeProcess is a component whose process is a real one, which the test's own signals reach or do not.
type fakeProcess struct {
	*journal
	name   string
	deaf   bool // signals are said to have worked and are not sent
	mu     sync.Mutex
	cmd    *exec.Cmd
	former *fakeFormer
	late   time.Duration // from Release to the start
}

// newProcess starts a process that ends with the test.
func newProcess(t *testing.T, j *journal, name string, command ...string) *fakeProcess {
	t.Helper()
	f := &fakeProcess{journal: j, name: name, cmd: exec.Command(command[0], command[1:]...)}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kill)
	return f
}

func (f *fakeProcess) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

func (f *fakeProcess) Name() string { return f.name }

func (f *fakeProcess) PIDs() []int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cmd.ProcessState != nil {
		return nil
	}
	return []int32{int32(f.cmd.Process.Pid)}
}

func (f *fakeProcess) Signal(_ context.Context, signal infra.Signal) error {
	f.add("%s %v", f.name, signal)
	if f.deaf {
		return nil
	}
	switch signal {
	case infra.Kill, infra.Stop:
		f.kill()
		return nil
	case infra.Pause:
		return f.cmd.Process.Signal(sigStop)
	default:
		return f.cmd.Process.Signal(sigCont)
	}
}

func (f *fakeProcess) again() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cmd.ProcessState == nil { // it still runs, as after a signal that was lost
		return nil
	}
	f.cmd = exec.Command(f.cmd.Args[0], f.cmd.Args[1:]...)
	return f.cmd.Start()
}

func (f *fakeProcess) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.add("%s start", f.name)
	return f.again()
}

func (f *fakeProcess) Release() {
	f.add("%s release", f.name)
	if f.late == 0 {
		_ = f.again()
		return
	}
	time.AfterFunc(f.late, func() { _ = f.again() })
}

func (f *fakeProcess) Replace(context.Context) (Former, error) {
	f.add("%s replace", f.name)
	if f.former == nil {
		return nil, errors.New("no room")
	}
	return f.former, nil
}

func (f *fakeProcess) Network(context.Context, string, network.Conditions) error { return nil }

// fakeFormer ends some time after it was let go on, or never.
type fakeFormer struct {
	*journal
	fencedAfter time.Duration // 0: never
	done        chan struct{}
	once        sync.Once
}

func (f *fakeFormer) PID() int              { return os.Getpid() }
func (f *fakeFormer) Done() <-chan struct{} { return f.done }
func (f *fakeFormer) Err() error            { return errors.New("exit status 1") }

func (f *fakeFormer) Signal(_ context.Context, signal infra.Signal) error {
	f.add("former %v", signal)
	end := func() { f.once.Do(func() { close(f.done) }) }
	switch {
	case signal == infra.Kill:
		end()
	case f.fencedAfter > 0:
		time.AfterFunc(f.fencedAfter, end)
	}
	return nil
}
