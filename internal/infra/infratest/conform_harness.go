package infratest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

const (
	// harnessVariable tells a test binary that it is the harness to be killed: its test starts the instance and hangs.
	harnessVariable = "LKBENCH_TEST_HARNESS"
	// harnessMark begins the lines of its output that are for its parent.
	harnessMark = "@harness "
)

// harnessLine is what a harness tells: first its workspace, then that the instance is ready.
type harnessLine struct {
	Dir   string
	Ready bool
}

// beHarness makes this process a harness, if it was started as one, and does not return then.
func beHarness(t *testing.T, c Case) {
	t.Helper()
	if os.Getenv(harnessVariable) == "" {
		return
	}
	if _, _, err := proc.Lifeline(context.Background(), os.Stdin); err != nil { // it must not outlive its parent either
		t.Fatal(err)
	}
	tell := func(dir string, ready bool) {
		line, err := json.Marshal(harnessLine{dir, ready})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("\n" + harnessMark + string(line))
	}
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tell(w.Dir, false)
	e := &examination{Case: c, ctx: t.Context(), say: t.Logf}
	if _, err := e.begin(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	tell(w.Dir, true)
	select {}
}

// harness is a child process that uses the provider.
type harness struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	dir   string
}

// startHarness starts this test binary as a harness and waits until it has its workspace.
func (e *examination) startHarness(test string) (*harness, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var pattern []string // of the test that called Conform; its subtests do not matter
	top, _, _ := strings.Cut(test, "/")
	pattern = append(pattern, "-test.run=^"+top+"$", "-test.count=1", "-test.timeout=10m")
	cmd := exec.Command(executable, pattern...)
	cmd.Env = append(append(os.Environ(), harnessVariable+"=1", "GORACE=atexit_sleep_ms=0"), e.HarnessEnv...)
	cmd.Stderr = os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &harness{cmd: cmd, lines: bufio.NewScanner(out)}
	if _, err := io.WriteString(lifeline, "\n"); err != nil {
		return nil, errors.Join(err, h.kill())
	}
	line, err := h.next()
	if err != nil {
		return nil, errors.Join(err, h.kill())
	}
	h.dir = line.Dir
	return h, nil
}

// next gives the next line that is meant for this process.
func (h *harness) next() (harnessLine, error) {
	var said []string
	for h.lines.Scan() {
		text, found := strings.CutPrefix(h.lines.Text(), harnessMark)
		if !found {
			said = append(said, h.lines.Text())
			continue
		}
		var line harnessLine
		return line, json.Unmarshal([]byte(text), &line)
	}
	return harnessLine{}, fmt.Errorf("the harness ended: %s", strings.Join(said, "\n"))
}

// kill ends the harness with SIGKILL.
func (h *harness) kill() error {
	err := h.cmd.Process.Kill()
	_ = h.cmd.Wait() // it was killed
	return err
}

// harnessKilled kills a harness in the middle of its start, and one whose instance is ready. Its processes end by
// themselves; what else it has made, the next sweep removes. Test is the name of the test function that called Conform.
func (e *examination) harnessKilled(ctx context.Context, test string, took time.Duration) error {
	w, err := infra.NewWorkspace(ctx) // a run that is alive
	if err != nil {
		return err
	}
	err = errors.Join(e.killedHarness(ctx, test, took/2, false, w), e.killedHarness(ctx, test, 0, true, w))
	return errors.Join(err, w.Close())
}

func (e *examination) killedHarness(ctx context.Context, test string, after time.Duration, ready bool, alive *infra.Workspace) error {
	when := "in the middle of its start"
	if ready {
		when = "with its instance ready"
	}
	fail := func(err error) error { return fmt.Errorf("a harness killed %s: %w", when, err) }
	before, err := e.remains(ctx, "")
	if err != nil {
		return err
	}
	h, err := e.startHarness(test)
	if err != nil {
		return fail(err)
	}
	if ready {
		if _, err := h.next(); err != nil {
			return fail(errors.Join(err, h.kill()))
		}
	} else {
		time.Sleep(after)
	}
	processes, err := proc.Descendants(h.cmd.Process.Pid)
	if err != nil {
		return fail(errors.Join(err, h.kill()))
	}
	var outside []string
	if e.Left != nil {
		if outside, err = e.Left(ctx, h.dir); err != nil {
			return fail(errors.Join(err, h.kill()))
		}
	}
	if err := h.kill(); err != nil {
		return fail(err)
	}
	killed := time.Now()
	if ready && len(processes)+len(outside) == 0 {
		return fail(errors.New("it had neither processes nor anything else: the check shows nothing"))
	}
	gone, cancel := context.WithTimeout(ctx, endsWithin)
	defer cancel()
	err = eventually(gone, "its processes end", func() error { return stillAlive(processes) })
	if err != nil {
		return fail(err)
	}
	e.say("killed %s: %d processes gone after %v; left until the sweep: %v", when, len(processes), time.Since(killed).Round(time.Millisecond), outside)
	// A process that it was about to start may hold its lock for a moment longer: then the sweep takes it for alive, rightly.
	err = eventually(gone, "a sweep removes its directory", func() error {
		if err := e.sweep(ctx); err != nil {
			return err
		}
		if _, err := os.Stat(h.dir); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("after the sweep %s is still there (%v)", h.dir, err)
		}
		return nil
	})
	errs := []error{err, e.nothingSince(ctx, before, h.dir, nil)}
	if _, err := os.Stat(alive.Dir); err != nil {
		errs = append(errs, fmt.Errorf("the sweep removed the workspace of a run that is alive: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return fail(err)
	}
	return nil
}

// sweep removes what killed harnesses have left.
func (e *examination) sweep(ctx context.Context) error {
	var errs []error
	if e.Sweep != nil {
		errs = append(errs, e.Sweep(ctx))
	}
	_, err := infra.Sweep(ctx, e.Removers)
	return errors.Join(append(errs, err)...)
}

// stillAlive names the processes that have not ended.
func stillAlive(processes []proc.Identity) error {
	if n := slices.IndexFunc(processes, proc.Identity.Alive); n >= 0 {
		return fmt.Errorf("still lives: %s", command(processes[n].PID))
	}
	return nil
}
