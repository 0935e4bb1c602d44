package fault

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// What each fault of processes does, in which order and when. The bubble's clock stands while a real process is signalled.
func TestOrderOfSignals(t *testing.T) {
	for name, c := range map[string]struct {
		fault     Fault
		component bool
		want      string
		effect    time.Duration
		detected  time.Duration
		end       time.Duration
	}{
		"crash, down for a while":          {Crash{For: 2 * time.Second}, true, "0s x kill, 2s x start", 0, 0, 2 * time.Second},
		"crash, left to the supervisor":    {Crash{}, true, "0s x kill, 0s x release", 0, 0, 0},
		"crash of a server":                {Crash{}, false, "0s x kill, 0s x start", 0, 0, 0},
		"stop":                             {Stop{For: time.Second}, true, "0s x stop, 1s x start", 0, 0, time.Second},
		"pause":                            {Pause{For: 3 * time.Second}, true, "0s x pause, 3s x resume", 0, -1, 3 * time.Second},
		"pause of a container":             {Pause{For: 3 * time.Second}, false, "0s x pause, 3s x resume", 0, -1, 3 * time.Second},
		"restart loop":                     {RestartLoop{Times: 3, Every: 5 * time.Second}, true, "0s x kill, 0s x release, 5s x kill, 5s x release, 10s x kill, 10s x release", 0, 0, 10 * time.Second},
		"restart loop of a server":         {RestartLoop{Times: 2, Every: time.Second}, false, "0s x kill, 0s x start, 1s x kill, 1s x start", 0, 0, time.Second},
		"zombie that is fenced after a 4s": {Zombie{For: 2 * time.Second}, true, "0s x pause, 0s x replace, 2s former resume", 0, 0, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				var target Target = &container{journal: j, name: "x"}
				if c.component {
					p := newProcess(t, j, "x", "sleep", "1000")
					p.former = &fakeFormer{journal: j, fencedAfter: 4 * time.Second, done: make(chan struct{})}
					target = p
				}
				got, err := c.fault.Inject(t.Context(), j.world(target))
				if err != nil {
					t.Fatal(err)
				}
				if j.String() != c.want {
					t.Errorf("did %s; want %s", j, c.want)
				}
				// A process may take some looks of 2 ms until it is seen stopped.
				near := func(a, b time.Duration) bool { return a-b >= 0 && a-b < 500*time.Millisecond }
				if !near(got.Effect, c.effect) && got.Effect != c.effect || !near(got.End, c.end) || !near(got.Detected, c.detected) {
					t.Errorf("effect %v, detected %v, end %v; want %v, %v, %v", got.Effect, got.Detected, got.End, c.effect, c.detected, c.end)
				}
				if len(got.Components) != 1 || got.What == "" {
					t.Errorf("outcome %+v", got)
				}
			})
		})
	}
}

// A crash that hits nothing is none: a component that is not back in time is waited for, and the next crash comes then.
func TestRestartLoopWaitsForASlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		p := newProcess(t, j, "x", "sleep", "1000")
		p.late = 4 * time.Second
		out, err := RestartLoop{Times: 3, Every: time.Second}.Inject(t.Context(), j.world(p))
		if want := "0s x kill, 0s x release, 4s x kill, 4s x release, 8s x kill, 8s x release"; err != nil || j.String() != want {
			t.Errorf("%v; did %s, want %s", err, j, want)
		}
		if !strings.HasPrefix(out.What, "3 times SIGKILL within 8") {
			t.Errorf("says %s", out.What)
		}
		time.Sleep(2 * p.late) // it comes back, to be ended with the test
	})
}

// Whatever ends the run in the middle of a fault, the target is given back, and the error says that it was cut short.
func TestUndoneWhenCutShort(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		want  string
	}{
		"crash":        {Crash{For: time.Hour}, "0s x kill, 1s x start"},
		"stop":         {Stop{For: time.Hour}, "0s x stop, 1s x start"},
		"pause":        {Pause{For: time.Hour}, "0s x pause, 1s x resume"},
		"restart loop": {RestartLoop{Times: 9, Every: time.Hour}, "0s x kill, 0s x release"},
		"zombie":       {Zombie{For: time.Hour}, "0s x pause, 0s x replace, 1s former kill"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				p := newProcess(t, j, "x", "sleep", "1000")
				p.former = &fakeFormer{journal: j, done: make(chan struct{})}
				enough := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
				defer cancel()
				got, err := c.fault.Inject(ctx, j.world(p))
				if !errors.Is(err, enough) || errors.Is(err, ErrNoEffect) {
					t.Errorf("got %v, want the reason of the end", err)
				}
				if got.Effect < 0 || j.String() != c.want {
					t.Errorf("effect %v, did %s; want %s", got.Effect, j, c.want)
				}
			})
		})
	}
}

// A fault that does not come to be is an error without an effect, and leaves nothing behind.
func TestNoEffectIsAnError(t *testing.T) {
	faults := map[string]Fault{
		"crash": Crash{For: time.Second}, "stop": Stop{For: time.Second}, "pause": Pause{For: time.Second},
		"restart-loop": RestartLoop{Times: 2, Every: time.Second}, "zombie": Zombie{For: time.Second},
		"cpu": CPU{Share: 0.5, For: time.Second}, "memory": Memory{MiB: 1, For: time.Second}, "topic-full": TopicFull{For: time.Second},
	}
	defects := map[string]func(t *testing.T, j *journal) []Target{
		"no such target": func(*testing.T, *journal) []Target { return nil },
		"the signal fails": func(_ *testing.T, j *journal) []Target {
			return []Target{&container{journal: j, name: "x", deaf: true}}
		},
		"the signal is lost": func(t *testing.T, j *journal) []Target {
			p := newProcess(t, j, "x", "sleep", "1000")
			p.deaf = true
			return []Target{p}
		},
		"it does not run": func(t *testing.T, j *journal) []Target {
			p := newProcess(t, j, "x", "sleep", "1000")
			p.kill()
			return []Target{p}
		},
	}
	for kind, f := range faults {
		for defect, targets := range defects {
			if defect == "the signal is lost" && (kind == "cpu" || kind == "memory") {
				continue // they use no signal of the target's
			}
			t.Run(kind+", "+defect, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					j := newJournal()
					got, err := f.Inject(t.Context(), j.world(targets(t, j)...))
					if !errors.Is(err, ErrNoEffect) || got.Effect >= 0 {
						t.Errorf("effect %v, error %v; did %s", got.Effect, err, j)
					}
				})
			})
		}
	}
}

// One of two targets is deaf: the fault is not counted, and what was done to the other one is undone.
func TestHalfAnEffectIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		got, err := Crash{For: time.Second}.Inject(t.Context(), j.world(&container{journal: j, name: "a"}, &container{journal: j, name: "b", deaf: true}))
		if !errors.Is(err, ErrNoEffect) || !strings.Contains(err.Error(), "b: ") || got.Effect >= 0 {
			t.Errorf("effect %v, error %v", got.Effect, err)
		}
		if want := "0s a kill, 0s a start"; j.String() != want {
			t.Errorf("did %s, want %s", j, want)
		}
	})
}

func TestZombieThatIsNotFenced(t *testing.T) {
	for _, component := range []string{"stream", "batch"} {
		synctest.Test(t, func(t *testing.T) {
			j := newJournal()
			p := newProcess(t, j, component, "sleep", "1000")
			p.former = &fakeFormer{journal: j, done: make(chan struct{})}
			got, err := Zombie{For: time.Second}.Inject(t.Context(), j.world(p))
			consumes := component == "stream"
			if (err != nil) != consumes || errors.Is(err, ErrNoEffect) || got.Effect < 0 {
				t.Errorf("%s: effect %v, error %v", component, got.Effect, err)
			}
			if !strings.Contains(got.What, "was killed") || !strings.HasSuffix(j.String(), "16s former kill") {
				t.Errorf("%s: %s; did %s", component, got.What, j)
			}
		})
	}
}

func TestZombieWithoutSuccessorGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		p := newProcess(t, j, "x", "sleep", "1000")
		got, err := Zombie{For: time.Second}.Inject(t.Context(), j.world(p))
		if !errors.Is(err, ErrNoEffect) || got.Effect >= 0 || !strings.HasSuffix(j.String(), "x resume") {
			t.Errorf("effect %v, error %v; did %s", got.Effect, err, j)
		}
	})
}
