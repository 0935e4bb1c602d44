package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also its own children.
const (
	echoVerb   = "__echo"   // reports its input, ends when its context does
	hangVerb   = "__hang"   // ignores its context
	serveVerb  = "__serve"  // answers commands
	parentVerb = "__parent" // starts one child of every kind, reports all processes below it, hangs
)

// stubborn ignores polite signals and has descendants in other process groups and sessions.
const stubborn = `trap '' TERM INT QUIT; sleep 1000 & setsid sleep 1000 & setsid sh -c 'sleep 1000 & wait' & wait; sleep 1000`

// stubbornProcesses is how many processes stubborn is: the shell, three sleeps, one inner shell.
const stubbornProcesses = 5

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for the children: the race detector else waits a second at every exit
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case GuardVerb:
		os.Exit(Guard(os.Args[2:], os.Stdin))
	case echoVerb:
		ctx, line, err := Lifeline(context.Background(), os.Stdin)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Printf("%s\n", line)
		<-ctx.Done()
		fmt.Fprintln(os.Stderr, context.Cause(ctx))
		os.Exit(0)
	case hangVerb:
		if _, _, err := Lifeline(context.Background(), os.Stdin); err != nil {
			os.Exit(1)
		}
		fmt.Println("hanging")
		select {}
	case serveVerb:
		beServer()
	case parentVerb:
		if err := beParent(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

func beParent() error {
	ctx := context.Background()
	self := os.Args[0]
	for _, verb := range []string{echoVerb, hangVerb, serveVerb} {
		p, err := Start(Spec{Name: verb, Executable: self, Args: []string{verb}, Input: []byte("x"), Report: true})
		if err != nil {
			return err
		}
		if _, err := p.Report(ctx); err != nil {
			return err
		}
	}
	p, err := StartGuarded(ctx, Spec{Name: "stubborn", Executable: "/bin/sh", Args: []string{"-c", stubborn}}, Guarding{Executable: self})
	if err != nil {
		return err
	}
	for {
		below, err := Descendants(p.PID())
		if err != nil {
			return err
		}
		if len(below) == stubbornProcesses-1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	all, err := Descendants(os.Getpid())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// gone waits until none of the processes lives.
func gone(t *testing.T, ids ...Identity) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second) // two seconds on a machine that has nothing else to do
	for _, id := range ids {
		for id.Alive() {
			if time.Now().After(deadline) {
				command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id.PID))
				t.Errorf("process %d still lives: %q", id.PID, command)
				_ = kill(id, syscall.SIGKILL)
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func child(t *testing.T, verb string) *Process {
	t.Helper()
	p, err := Start(Spec{Name: verb, Executable: os.Args[0], Args: []string{verb}, Input: []byte("a line"), Report: true,
		Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Abort(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func report(t *testing.T, p *Process) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	line, err := p.Report(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNothingOutlivesAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0], parentVerb)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var below []Identity
	if err := json.Unmarshal(line, &below); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	// Three children of our own, a guard, and what it guards.
	if want := 3 + 1 + stubbornProcesses; len(below) != want {
		t.Errorf("the parent has %d processes below it, want %d", len(below), want)
	}
	for _, id := range below {
		if !id.Alive() {
			t.Errorf("process %d ended before its parent", id.PID)
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = parent.Wait()
	gone(t, below...)
	t.Logf("all gone %v after SIGKILL of the parent", time.Since(killed).Round(time.Millisecond))
}

func TestStopClosesTheLifeLine(t *testing.T) {
	p := child(t, echoVerb)
	if line := report(t, p); line != "a line" {
		t.Errorf("the child read %q, want %q", line, "a line")
	}
	if p.Err() != nil {
		t.Errorf("Err is %v while the child runs", p.Err())
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("the child ended with %v, want exit code 0", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stopping it again: %v", err)
	}
}

func TestHangingChildExitsByItself(t *testing.T) {
	p := child(t, hangVerb)
	report(t, p)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 1 {
		t.Errorf("the child ended with %v, want exit code 1 by its own hand", p.Err())
	}
}

func TestChildThatDoesNotRead(t *testing.T) {
	// A line larger than the pipe's buffer must not block Start.
	p, err := Start(Spec{Name: "sleep", Executable: "/bin/sleep", Args: []string{"1000"}, Input: make([]byte, 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("process group %d, %v; want the child's own, %d", group, err, p.PID())
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "sleep ended: signal: killed") {
		t.Errorf("got %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing it again: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := Start(Spec{Name: "x", Executable: "/no/such/program"}); err == nil || !strings.Contains(err.Error(), "start x: ") {
		t.Errorf("got %v", err)
	}
	log := filepath.Join(t.TempDir(), "log")
	_, err := StartGuarded(t.Context(), Spec{Name: "x", Executable: "/no/such/program", Log: log}, Guarding{Executable: os.Args[0]})
	if err == nil || !strings.Contains(err.Error(), log) {
		t.Errorf("got %v, want an error that names the log", err)
	}
	if text := readFile(t, log); !strings.Contains(text, "/no/such/program") {
		t.Errorf("the log does not say what failed: %q", text)
	}
}

func TestKillTreeSparesAnotherProcessWithThatID(t *testing.T) {
	p := child(t, echoVerb)
	report(t, p)
	stranger := Identity{PID: p.PID(), Start: "0"}
	if stranger.Alive() {
		t.Error("an identity with another start is alive")
	}
	if err := KillTree(stranger); err != nil {
		t.Fatal(err)
	}
	if !p.program.Alive() {
		t.Error("the process was killed")
	}
}
