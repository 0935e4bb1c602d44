package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func startShell(t *testing.T, script string, guarding Guarding) (*Process, string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	guarding.Executable = os.Args[0]
	p, err := StartGuarded(t.Context(), Spec{Name: "shell", Executable: "/bin/sh", Args: []string{"-c", script}, Log: log,
		StopSignal: syscall.SIGTERM}, guarding)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Abort(); err != nil {
			t.Error(err)
		}
	})
	return p, log
}

func TestGuardPassesSignalsAndExitCodesOn(t *testing.T) {
	tests := []struct {
		name, script string
		code         string
	}{
		{"exit code", `trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done`, "exit status 7"},
		{"signal", `echo ready; exec sleep 1000`, "exit status 143"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, log := startShell(t, test.script, Guarding{})
			waitFor(t, "the script", func() bool { return strings.Contains(readFile(t, log), "ready") })
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), test.code) {
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}

// below waits for all of stubborn's processes.
func below(t *testing.T, p *Process) []Identity {
	t.Helper()
	var all []Identity
	waitFor(t, "the script's children", func() bool {
		var err error
		if all, err = Descendants(p.PID()); err != nil {
			t.Fatal(err)
		}
		return len(all) == stubbornProcesses-1
	})
	return append(all, p.Processes()...)
}

func TestKillEndsTheWholeTree(t *testing.T) {
	p, _ := startShell(t, stubborn, Guarding{})
	all := below(t, p)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "137") {
		t.Errorf("got %v, want exit status 137", err)
	}
	for _, id := range all { // at once, not after a while: Done promises it
		if id.Alive() {
			t.Errorf("process %d lives after Done", id.PID)
		}
	}
}

func TestProgramThatEndsLeavesNoOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a guard adopt orphans")
	}
	p, _ := startShell(t, `sleep 1000 & setsid sleep 1000 & echo; read x < /dev/tty; sleep 0.2; exit 3`, Guarding{})
	var all []Identity
	waitFor(t, "the script's children", func() bool {
		all, _ = Descendants(p.PID())
		return len(all) >= 2
	})
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want exit status 3", err)
	}
	for _, id := range all {
		if id.Alive() {
			t.Errorf("process %d lives after Done", id.PID)
		}
	}
}

// Two things end the program of a killed guard; each must do it without the other.
func TestKilledGuardTakesItsProgramAlong(t *testing.T) {
	t.Run("by its parent", func(t *testing.T) {
		p, _ := startShell(t, stubborn, Guarding{End: syscall.SIGTERM}) // which it ignores
		all := below(t, p)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		gone(t, all...)
	})
	t.Run("by the kernel", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux has a parent-death signal")
		}
		guarding := Guarding{End: syscall.SIGKILL}
		if os.Geteuid() == 0 {
			guarding.Owner = &Owner{UID: 65534, GID: 65534} // a change of the user must not clear the signal
		}
		guard, err := Start(Spec{Name: "guard", Executable: os.Args[0], Report: true, // without what StartGuarded adds
			Args: guardArgs(Spec{Executable: "/bin/sleep", Args: []string{"1000"}}, guarding)})
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(report(t, guard))
		if err != nil {
			t.Fatal(err)
		}
		program, err := Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := guard.Kill(); err != nil {
			t.Fatal(err)
		}
		gone(t, program)
	})
}

func TestGuardChangesTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a program as another user")
	}
	p, log := startShell(t, `id -u; id -g; id -G; sleep 1000`, Guarding{Owner: &Owner{UID: 65534, GID: 65533}})
	waitFor(t, "id", func() bool { return strings.Count(readFile(t, log), "\n") == 3 })
	if got := readFile(t, log); got != "65534\n65533\n65533\n" {
		t.Errorf("user and groups are %q", got)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestChildrenInheritOnlyTheirOwnStreams(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	open, err := os.Create(filepath.Join(t.TempDir(), "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	own, guarded := child(t, hangVerb), mustGuard(t)
	report(t, own)
	ours := map[string]string{open.Name(): "a file of the parent", links(t, os.Getpid())[own.fd()]: "the other child's life line",
		links(t, os.Getpid())[guarded.fd()]: "the guard's life line"}
	if len(ours) != 3 {
		t.Fatalf("expected three descriptors of the parent, got %v", ours)
	}
	for fd, target := range links(t, guarded.PID()) {
		if what := ours[target]; what != "" {
			t.Errorf("the guarded program holds %s as descriptor %s", what, fd)
		}
	}
	for fd, target := range links(t, own.PID()) {
		if what := ours[target]; what != "" && fd != "0" {
			t.Errorf("the child holds %s as descriptor %s", what, fd)
		}
	}
}

// fd is the parent's end of the life line.
func (p *Process) fd() string { return fmt.Sprint(p.lifeline.Fd()) }

func mustGuard(t *testing.T) *Process {
	p, _ := startShell(t, "exec sleep 1000", Guarding{})
	return p
}

// links gives a process's open descriptors and what they stand for.
func links(t *testing.T, pid int) map[string]string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			all[e.Name()] = target
		}
	}
	return all
}
