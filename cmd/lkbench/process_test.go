package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"lkbench/results"
)

// lenient are limits for tests of behaviour, because other tests use the same cores at the same time.
const lenient = `limits: {schedule_delay_p999: 30s, observer_lag: 30s, offered_shortfall: 0.9}
`

// long is a run that goes on until somebody ends it.
const long = lenient + `name: long
description: ended from outside
warmup: 500ms
load: [{for: 120s, rate: 500}]
queries: {rate: 20}
`

// short is the shortest run there is.
const short = lenient + `name: short
description: as short as can be
warmup: 200ms
load: [{for: 500ms, rate: 500}]
queries: {rate: 50}
`

// output collects what a process prints, for reading while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// started is a running lkbench.
type started struct {
	*exec.Cmd
	out   *output
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// end waits for the end and tells how it came.
func (s *started) end() error {
	<-s.ended
	return s.err
}

// begin starts lkbench in dir with a scenario, on the embedded servers unless args say otherwise, and waits until what it
// prints matches.
func begin(t *testing.T, dir, scenario, until string, args ...string) (*started, *output) {
	t.Helper()
	args = append([]string{"--infra=embedded"}, args...)
	if testing.Short() {
		t.Skip("runs a scenario; make test does")
	}
	if err := os.WriteFile(filepath.Join(dir, "scenario.yaml"), []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("lkbench", append([]string{"run", "--scenario=scenario.yaml", "--out=runs", "--progress=plain"}, args...)...)
	cmd.Dir = dir
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &started{Cmd: cmd, out: out, ended: make(chan struct{})}
	go func() { s.err = cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-s.ended })
	pattern := regexp.MustCompile(until)
	waitFor(t, "output like "+until, func() bool {
		select {
		case <-s.ended:
			if !pattern.MatchString(out.String()) {
				t.Fatalf("it ended (%v) without output like %s:\n%s", s.err, until, out)
			}
		default:
		}
		return pattern.MatchString(out.String())
	}, out)
	return s, out
}

// waitFor polls: nothing here depends on how fast the machine is, within reason.
func waitFor(t *testing.T, what string, ok func() bool, out *output) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 90 s for %s; output so far:\n%s", what, out)
		}
	}
}

// descendants are all processes below one, with the time they were made, since numbers come again.
func descendants(t *testing.T, pid int) map[int32]int64 {
	t.Helper()
	found := map[int32]int64{}
	var walk func(int32)
	walk = func(pid int32) {
		p, err := process.NewProcess(pid)
		if err != nil {
			return
		}
		children, err := p.Children()
		if err != nil {
			return
		}
		for _, c := range children {
			if made, err := c.CreateTime(); err == nil {
				found[c.Pid] = made
			}
			walk(c.Pid)
		}
	}
	walk(int32(pid))
	return found
}

// alive says which of the processes still run; a zombie has ended.
func alive(processes map[int32]int64) []int32 {
	var left []int32
	for pid, made := range processes {
		p, err := process.NewProcess(pid)
		if err != nil {
			continue
		}
		if at, err := p.CreateTime(); err != nil || at != made {
			continue
		}
		if status, err := p.Status(); err == nil && len(status) > 0 && status[0] == process.Zombie {
			continue
		}
		left = append(left, pid)
	}
	return left
}

// TestKilledHarnessLeavesNothing kills the program in the middle of a run: every process it started ends, and the next
// start sweeps its directories.
func TestKilledHarnessLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LKBENCH_CACHE", ownCache(t))
	cmd, out := begin(t, dir, long, `lambda +load`, "--arch=lambda")
	children := descendants(t, cmd.Process.Pid)
	// Three components, the broker, the guard, PostgreSQL and its backends.
	if len(children) < 8 {
		t.Fatalf("found only %d processes below lkbench: looked in the wrong place", len(children))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = cmd.end() // killed
	waitFor(t, "the end of all processes", func() bool { return len(alive(children)) == 0 }, out)
	t.Logf("%d processes were gone %v after the kill", len(children), time.Since(killed).Round(10*time.Millisecond))

	next, out := begin(t, dir, short, `kappa: .*report.html`, "--arch=kappa")
	if err := next.end(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "removed what a dead run left: ") {
		t.Errorf("nothing is said of sweeping:\n%s", out)
	}
	partial, err := filepath.Glob(filepath.Join(dir, "runs", "*.partial"))
	if err != nil || len(partial) != 1 {
		t.Errorf("the killed run's folder should be the one marked partial: %v, %v", partial, err)
	}
}

// TestInterrupt ends a run with one SIGINT: what was measured is kept as an invalid run.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	cmd, out := begin(t, dir, long, `lambda +load`, "--arch=lambda,kappa")
	children := descendants(t, cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.end() // the exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130:\n%s", code, out)
	}
	if left := alive(children); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	runs, err := filepath.Glob(filepath.Join(dir, "runs", "*"))
	if err != nil || len(runs) != 1 || strings.HasSuffix(runs[0], ".partial") {
		t.Fatalf("want the one interrupted run, whole: %v, %v", runs, err)
	}
	record, err := results.ReadRecord(runs[0])
	if err != nil {
		t.Fatal(err)
	}
	if record.Verdict.Status != results.Invalid || !record.Interrupted || record.Load.Sent == 0 {
		t.Errorf("status %s, interrupted %v, sent %d; want an invalid run with what was measured",
			record.Verdict.Status, record.Interrupted, record.Load.Sent)
	}
	verify := exec.Command("lkbench", "verify", runs[0])
	text, _ := verify.CombinedOutput() // the exit code is looked at
	if code := verify.ProcessState.ExitCode(); code != 4 {
		t.Errorf("verify: exit code %d, want 4: %s", code, text)
	}
}

// TestKeep leaves the run standing for other clients until it is ended.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	cmd, out := begin(t, dir, short, `until Ctrl-C`, "--arch=kappa", "--keep")
	if regexp.MustCompile(`postgres(ql)?://[^ ]*:[^ ]*@`).MatchString(out.String()) {
		t.Errorf("a password is on the screen:\n%s", out)
	}
	found := regexp.MustCompile(`(?m)^PostgreSQL: +(.*)$`).FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("no command for PostgreSQL:\n%s", out)
	}
	if _, err := exec.LookPath("psql"); err != nil && os.Getenv("CI") == "true" {
		t.Error("no psql, which CI must have")
	} else if err != nil {
		t.Log("psql is not installed: the printed command was not tried")
	} else if rows, err := exec.Command("sh", "-c", found[1]+" -Atc 'select count(*) > 0 from customer_windows'").CombinedOutput(); err != nil || strings.TrimSpace(string(rows)) != "t" {
		t.Errorf("%s: %v: %s", found[1], err, rows)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.end(); err != nil {
		t.Errorf("after a good run and Ctrl-C: %v\n%s", err, out)
	}
}

// TestTwoAtOnce runs two lkbench side by side: neither disturbs the other's answers.
func TestTwoAtOnce(t *testing.T) {
	var both sync.WaitGroup
	for _, arch := range []string{"lambda", "kappa"} {
		dir := t.TempDir()
		cmd, out := begin(t, dir, strings.Replace(short, "500ms, rate: 500", "5s, rate: 500", 1), arch+` +(warm-up|load)`, "--arch="+arch)
		both.Go(func() {
			if err := cmd.end(); err != nil {
				t.Errorf("%s: %v\n%s", arch, err, out)
			}
		})
	}
	both.Wait()
}

// ownCache is an empty cache in which no other test sweeps; PostgreSQL's unprivileged user can pass through it.
func ownCache(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lkbench-cache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}
