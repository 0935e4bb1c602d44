package fault

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// busyTree starts a shell with a child, both of which compute as long as they live.
func busyTree(t *testing.T, j *journal) (target *processTree, all []proc.Identity) {
	t.Helper()
	const busy = "while :; do :; done"
	target = &processTree{newProcess(t, j, "x", "/bin/sh", "-c", "("+busy+") & "+busy)}
	err := await(t.Context(), time.Minute, func() bool {
		var err error
		all, err = tree(alive(target))
		return err == nil && len(all) == 2
	})
	if err != nil {
		t.Fatalf("no tree of two processes: %v", err)
	}
	t.Cleanup(func() {
		for _, id := range all {
			_ = proc.KillTree(id)
		}
	})
	return target, all
}

// processTree signals all of its processes, as servers and components do.
type processTree struct{ *fakeProcess }

func (p *processTree) Signal(_ context.Context, signal infra.Signal) error {
	for _, root := range alive(p) {
		switch signal {
		case infra.Pause:
			return proc.SignalTree(root, sigStop)
		case infra.Resume:
			return proc.SignalTree(root, sigCont)
		}
	}
	return errors.New("not in this test")
}

func TestPauseOfATree(t *testing.T) {
	j := newJournal()
	target, all := busyTree(t, j)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan Outcome, 1)
	go func() {
		out, _ := Pause{For: time.Hour}.Inject(ctx, j.world(target))
		result <- out
	}()
	if err := await(t.Context(), time.Minute, func() bool { return stopped(all) }); err != nil {
		t.Error("the tree does not stand still")
	}
	time.Sleep(50 * time.Millisecond) // whether it has seen that, the outcome tells
	cancel(enough)
	if out := <-result; out.Effect < 0 || !strings.Contains(out.What, "2 processes in all") {
		t.Errorf("outcome %+v", out)
	}
	if err := await(t.Context(), time.Minute, func() bool { return !stopped(all[:1]) && !stopped(all[1:]) }); err != nil {
		t.Error("the tree stands still after the fault")
	}
}

// A server whose workers go on is not paused.
func TestPauseOfTheRootOnlyIsNone(t *testing.T) {
	j := newJournal()
	target, all := busyTree(t, j)
	out, err := Pause{For: time.Second}.Inject(t.Context(), j.world(target.fakeProcess)) // signals the root alone
	if !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
	if stopped(all[:1]) {
		t.Error("the root was left stopped")
	}
}

func TestCPUOfATree(t *testing.T) {
	j := newJournal()
	target, all := busyTree(t, j)
	out, err := CPU{Share: 0.5, For: 2 * time.Second}.Inject(t.Context(), j.world(target))
	if err != nil || out.Effect < 0 || !strings.Contains(out.What, "50% of the processor asked for") {
		t.Errorf("outcome %+v, %v", out, err)
	}
	if stopped(all[:1]) || stopped(all[1:]) {
		t.Error("it was left stopped")
	}
}

func TestCPUThatWasNotTaken(t *testing.T) {
	c := CPU{Share: 0.5}
	if err := c.took(0.55, true); err != nil {
		t.Error(err)
	}
	for _, err := range []error{c.took(0.5, false), c.took(0.39, true), c.took(0.61, true)} {
		if !errors.Is(err, ErrNoEffect) {
			t.Errorf("got %v", err)
		}
	}
}

// A clock that only sleeping moves: the share is what was asked for, and what one period took too much the next makes good.
func TestDutyCycle(t *testing.T) {
	for _, share := range []float64{0.1, 0.5, 0.9} {
		for _, late := range []time.Duration{0, 3 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				var stops int
				got, err := dutyCycle(t.Context(), share, 10*time.Second, func() {}, func() { stops++ }, func() { time.Sleep(late) })
				if err != nil || math.Abs(got-share) > 0.01 && late == 0 || math.Abs(got-share) > cpuTolerance || stops < 100 {
					t.Errorf("stopped for %.3f in %d pieces (%v late), %v; want %.1f", got, stops, late, err, share)
				}
			})
		}
	}
	// One that takes far longer to stop than it should is seen.
	synctest.Test(t, func(t *testing.T) {
		got, err := dutyCycle(t.Context(), 0.2, 500*time.Millisecond, func() {}, func() { time.Sleep(400 * time.Millisecond) }, func() {})
		if err != nil || got < 0.2+cpuTolerance {
			t.Errorf("stopped for %.3f, %v: not seen", got, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stoppedNow := false
		_, err := dutyCycle(ctx, 0.9, time.Hour, func() {}, func() { stoppedNow = true }, func() { stoppedNow = false })
		if err == nil || stoppedNow {
			t.Errorf("cut short: %v, still stopped %v", err, stoppedNow)
		}
	})
}

// needMemoryLimit skips a test where the machine has no control groups for memory.
func needMemoryLimit(t *testing.T) {
	t.Helper()
	if why := Here().NoMemoryLimit; why != "" {
		t.Skip("needs control groups for memory: ", why)
	}
}

// hungry takes 4 MiB more every 20 ms, for ever; under its limit it is killed.
const hungry = `x=; while :; do x=$x$(head -c 2000000 /dev/zero | tr '\0' x); sleep 0.02; done`

func TestMemory(t *testing.T) {
	needMemoryLimit(t)
	j := newJournal()
	target := newProcess(t, j, "x", "/bin/sh", "-c", hungry)
	go func() { // a process that nobody waits for stays in the table
		_, _ = target.cmd.Process.Wait()
	}()
	out, err := Memory{MiB: 24, For: 4 * time.Second}.Inject(t.Context(), j.world(target))
	if err != nil || out.Effect < 0 || out.Detected < out.Effect || !strings.Contains(out.What, "processes killed") || strings.Contains(out.What, " 0 processes") {
		t.Errorf("outcome %+v, %v", out, err)
	}
	g, err := findGroup("/", memoryController)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(g.dir + strconv.Itoa(os.Getpid()) + "-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMemoryThatIsHeldAlready(t *testing.T) {
	needMemoryLimit(t)
	j := newJournal()
	target := newProcess(t, j, "x", "/bin/sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo $x > /dev/null; while :; do sleep 1; done")
	err := await(t.Context(), time.Minute, func() bool { return heldBy(alive(target)) > 25<<20 })
	if err != nil {
		t.Fatal(err)
	}
	out, err := Memory{MiB: 16, For: 100 * time.Millisecond}.Inject(t.Context(), j.world(target))
	if err != nil || out.Effect < 0 || !strings.Contains(out.What, "1 processes killed") {
		t.Errorf("outcome %+v, %v", out, err)
	}
}

func TestMemoryLimitThatIsNeverReached(t *testing.T) {
	needMemoryLimit(t)
	j := newJournal()
	out, err := Memory{MiB: 512, For: 100 * time.Millisecond}.Inject(t.Context(), j.world(newProcess(t, j, "x", "sleep", "1000")))
	if !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
}

func TestMemoryCutShort(t *testing.T) {
	needMemoryLimit(t)
	j := newJournal()
	target := newProcess(t, j, "x", "sleep", "1000")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if out, err := (Memory{MiB: 512, For: time.Hour}).Inject(ctx, j.world(target)); err == nil || out.Effect >= 0 {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
	g, err := findGroup("/", memoryController)
	if err != nil {
		t.Fatal(err)
	}
	if home, err := (&group{dir: g.home}).holds(alive(target)); !home || err != nil {
		t.Errorf("the process is not back in its group: %v", err)
	}
}

func TestStatusKiB(t *testing.T) {
	status := "Name:\tx\nRssAnon:\t    1234 kB\nRssShmem:\t       0 kB\n"
	if got := statusKiB(status, "RssAnon:"); got != 1234 {
		t.Errorf("got %d", got)
	}
	if got := heldBy([]proc.Identity{{PID: os.Getpid()}}); got < 1<<20 {
		t.Errorf("this process holds %d bytes: too few to be true", got)
	}
}
