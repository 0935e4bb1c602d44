package proc

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// GuardVerb is the hidden verb under which a program must call Guard.
const GuardVerb = "__guard"

// endGrace is how long a guard waits after its ending signal before SIGKILL.
const endGrace = 700 * time.Millisecond

// Guard is the verb __guard. args are what follows the verb: flags, "--", the program and its arguments. It starts the
// program in a process group of its own, writes the program's process id to standard output as one line, passes signals
// on, ends the program with all its descendants when stdin closes, and gives the program's exit code (128 and the
// signal if a signal ended it, 125 if it could not be started). Standard error is the program's output.
//
// A guard that is itself killed with SIGKILL cannot end anything. On Linux the kernel then sends the ending signal to the
// program (parent-death signal); elsewhere the parent of the guard does it, if it still lives (Process ends the tree).
func Guard(args []string, stdin io.Reader) int {
	flags := flag.NewFlagSet(GuardVerb, flag.ContinueOnError)
	uid := flags.Int("uid", -1, "user id to run as")
	gid := flags.Int("gid", -1, "group id to run as")
	end := flags.Int("end", int(syscall.SIGTERM), "number of the signal that ends the program")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "guard: expected: [-uid N -gid N] [-end N] -- PROGRAM ARGS...")
		return 125
	}
	// The parent-death signal is tied to the thread that starts the program.
	runtime.LockOSThread()
	adoptOrphans()

	cmd := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	setDeathSignal(cmd.SysProcAttr, syscall.Signal(*end))
	if *uid >= 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(*uid), Gid: uint32(*gid)}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	closed := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, stdin); close(closed) }()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 125
	}
	program, err := Identify(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 125
	}
	// The parent may be gone already: then the pipe is broken, and the life line closed.
	signal.Ignore(syscall.SIGPIPE)
	fmt.Println(program.PID)

	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	var kill <-chan time.Time
	for {
		select {
		case <-ended:
			killDescendants(os.Getpid())
			return exitCode(cmd.ProcessState)
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case <-closed:
			closed = nil
			_ = syscall.Kill(-program.PID, syscall.Signal(*end))
			kill = time.After(endGrace)
		case <-kill:
			_ = KillTree(program)
		}
	}
}

func exitCode(state *os.ProcessState) int {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// killDescendants ends whatever the program has left behind and, where orphans are adopted, waits until it is gone.
func killDescendants(pid int) {
	for range 100 {
		left, err := Descendants(pid)
		if err != nil || len(left) == 0 {
			return
		}
		for _, d := range left {
			_ = kill(d, syscall.SIGKILL)
		}
		for {
			reaped, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || reaped <= 0 {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}
