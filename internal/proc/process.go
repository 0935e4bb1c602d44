// Package proc runs child processes that die with their parent, whatever way the parent dies. A child's standard input
// is its life line: a socket whose other end only the parent holds, so the kernel closes it even after a SIGKILL. Our own
// children watch it (Lifeline), and can be told something over it (Process.Tell); foreign programs cannot, so a guard watches
// it for them (Guard).
package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says which process to start.
type Spec struct {
	Name       string   // what messages call it
	Executable string   // path of the program; for Start a program that calls Lifeline
	Args       []string // without the program's name
	Env        []string // as os.Environ gives it; nil for the parent's
	Dir        string   // working directory; "" for the parent's
	Log        string   // file to which output is appended; "" to discard it
	Input      []byte   // one line for the child's standard input, without its end; nil for none
	// Report makes standard output a pipe whose first line Process.Report gives; what follows goes to Log.
	Report bool
	// StopSignal is sent by Stop. Zero means that closing the life line is enough.
	StopSignal syscall.Signal
}

// Process is a started child. Its methods may be called from any goroutine.
type Process struct {
	name     string
	cmd      *exec.Cmd
	lifeline *os.File
	talk     *talk
	stop     syscall.Signal
	program  Identity // the process to account for and to kill: the child, or the program under its guard
	guarded  bool
	report   chan string
	done     chan struct{}
	err      error // written before done is closed
	closing  sync.Once
}

// Start starts a child in a process group of its own, so that a Ctrl-C at the terminal reaches the parent only. The
// child inherits nothing but its standard streams.
func Start(spec Spec) (*Process, error) {
	p, err := start(spec)
	if err == nil {
		go p.wait()
	}
	return p, err
}

// start is Start without anyone waiting for the process yet.
func start(spec Spec) (*Process, error) {
	executable, err := filepath.Abs(spec.Executable) // it is looked for from Dir
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	cmd := exec.Command(executable, spec.Args...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &Process{name: spec.Name, cmd: cmd, stop: spec.StopSignal, done: make(chan struct{})}

	log, err := openLog(spec.Log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	input, lifeline, err := socketPair()
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	cmd.Stdin, p.lifeline = input, lifeline
	var output, outputEnd *os.File
	if spec.Report {
		if output, outputEnd, err = os.Pipe(); err != nil {
			closeAll(log, input, lifeline)
			return nil, fmt.Errorf("start %s: %w", spec.Name, err)
		}
		cmd.Stdout, p.report = outputEnd, make(chan string, 1)
	}
	if err := cmd.Start(); err != nil {
		closeAll(log, input, lifeline, output, outputEnd)
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	closeAll(input, outputEnd)
	// A child that ended already is not waited for yet, so its pid still names it.
	if p.program, err = Identify(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		closeAll(log, lifeline, output)
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if spec.Report {
		go p.relay(output, log)
	} else {
		log.Close()
	}
	p.talk = newTalk(lifeline)
	go p.talk.write(spec.Input, p.done)
	go p.talk.read()
	return p, nil
}

func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// relay passes the first line of the child's output to Report and the rest to the log.
func (p *Process) relay(output, log *os.File) {
	defer closeAll(output, log)
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err == nil {
		p.report <- strings.TrimSuffix(line, "\n")
	}
	close(p.report)
	_, _ = io.Copy(log, lines)
}

func (p *Process) wait() {
	if err := p.cmd.Wait(); err != nil {
		p.err = fmt.Errorf("%s ended: %w", p.name, err)
	}
	p.closeLifeline()
	if p.guarded {
		// The guard ends its program before itself, unless something killed the guard.
		_ = KillTree(p.program)
	}
	close(p.done)
}

func (p *Process) closeLifeline() { p.closing.Do(func() { _ = p.lifeline.Close() }) }

// Name is the Spec's.
func (p *Process) Name() string { return p.name }

// PID is the process to account for: the child or, under a guard, the foreign program.
func (p *Process) PID() int { return p.program.PID }

// Processes are the processes that were started: the child or, under a guard, the guard and its program.
func (p *Process) Processes() []Identity {
	if !p.guarded {
		return []Identity{p.program}
	}
	guard, err := Identify(p.cmd.Process.Pid)
	if err != nil { // ended since
		return []Identity{p.program}
	}
	return []Identity{guard, p.program}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil before Done is closed and after exit code 0.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Report waits for the first line of the process's standard output; see Spec.Report.
func (p *Process) Report(ctx context.Context) (string, error) {
	if p.report == nil {
		return "", fmt.Errorf("%s was started without a report", p.name)
	}
	select {
	case line, ok := <-p.report:
		if ok {
			return line, nil
		}
		return "", fmt.Errorf("%s closed its output before it reported", p.name)
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the report of %s: %w", p.name, context.Cause(ctx))
	}
}

// Signal sends a signal to the child; a guard passes it on to its program.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// SignalTree sends a signal to the process and all its descendants; under a guard to the program and its descendants.
// SIGSTOP and SIGCONT must reach them all: a server whose workers go on is not paused.
func (p *Process) SignalTree(sig syscall.Signal) error { return SignalTree(p.program, sig) }

// Kill ends the process with SIGKILL, as a crash would; under a guard the program with all its descendants. It returns
// without waiting for Done. A process that has ended already is no error.
func (p *Process) Kill() error {
	if p.guarded {
		return KillTree(p.program)
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	return nil
}

// Time that Stop gives a process between closing its life line and SIGKILL; longer than the grace of Lifeline and Guard.
const killAfter = 3 * time.Second

// Stop ends the process in order and waits until it is gone: the stop signal if there is one, then, when ctx ends or
// there is none, the life line, then SIGKILL. A process that has ended already is no error; the exit code is in Err.
func (p *Process) Stop(ctx context.Context) error {
	if p.stop != 0 {
		if err := p.Signal(p.stop); err != nil {
			return err
		}
		select {
		case <-p.done:
			return nil
		case <-ctx.Done():
		}
	}
	return p.Abort()
}

// Abort closes the life line, so that the process ends at once and in the shortest order it knows, and waits until it is
// gone; after some seconds it is killed.
func (p *Process) Abort() error {
	p.closeLifeline()
	select {
	case <-p.done:
		return nil
	case <-time.After(killAfter):
	}
	if err := p.Kill(); err != nil {
		return err
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}
