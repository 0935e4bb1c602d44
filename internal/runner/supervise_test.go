package runner

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/architectures"
	"lkbench/internal/fault"
	"lkbench/internal/infra"
	"lkbench/internal/observe"
	"lkbench/internal/proc"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

// TestMain makes the test binary also the program whose components the supervisor starts. One by the name of "brief" ends at once
// with exit code 0; any other runs until its life line closes.
func TestMain(m *testing.M) {
	if len(os.Args) < 4 || os.Args[1] != ComponentVerb {
		os.Exit(m.Run())
	}
	if os.Args[3] == "wired" {
		wired()
	}
	ctx, _, err := proc.Lifeline(context.Background(), os.Stdin)
	if err != nil {
		os.Exit(1)
	}
	if os.Args[3] != "brief" {
		<-ctx.Done()
	}
	os.Exit(0)
}

var crew = shape{
	{Name: "stream", Roles: []string{"stream"}, Consumes: true},
	{Name: "again", OnDemand: true, Becomes: "stream"},
	{Name: "brief", OnDemand: true},
}

// startCrew supervises a crew of processes that do nothing.
func startCrew(t *testing.T) *supervisor {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := supervise(executable, crew, architectures.Environment{}, t.TempDir(), func(*proc.Process) error { return nil },
		func() time.Duration { return time.Second })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.shutdown(context.Background()) })
	return s
}

// await waits until something holds; a test that hangs has failed.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %s within a minute", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestKilledStaysDownUntilStart: a fault decides when its target comes back, and the supervisor records the end and the real delay.
func TestKilledStaysDownUntilStart(t *testing.T) {
	s := startCrew(t)
	m := member{s, "stream"}
	first := m.PIDs()
	must(t, m.Signal(t.Context(), infra.Kill))
	if pids := m.PIDs(); len(pids) != 0 {
		t.Fatalf("processes %v run after the kill", pids)
	}
	await(t, "recorded", func() bool { restarts, _ := s.history(); return len(restarts) == 1 })
	time.Sleep(2 * restartDelay) // it would be back by now
	if pids := m.PIDs(); len(pids) != 0 {
		t.Fatalf("the supervisor has started %v while a fault held the component down", pids)
	}
	must(t, m.Start(t.Context()))
	second := m.PIDs()
	if len(second) != 1 || slices.Equal(first, second) {
		t.Errorf("processes %v after the start, before %v", second, first)
	}
	restarts, failed := s.history()
	if len(restarts) != 1 || restarts[0].Component != "stream" || !strings.Contains(restarts[0].Reason, "killed") || failed != nil {
		t.Errorf("restarts %+v, %v", restarts, failed)
	}

	// Left to the supervisor it comes back by itself, also with a second kill while nobody holds it.
	must(t, m.Signal(t.Context(), infra.Kill))
	m.Release()
	await(t, "back", func() bool { return len(m.PIDs()) == 1 })
}

// TestPauseAndResume: a paused process is there and does not work; the end of everything needs no resume.
func TestPauseAndResume(t *testing.T) {
	s := startCrew(t)
	m := member{s, "stream"}
	must(t, m.Signal(t.Context(), infra.Pause))
	if got := len(m.PIDs()); got != 1 {
		t.Errorf("%d processes while paused", got)
	}
	must(t, m.Signal(t.Context(), infra.Resume))
	must(t, m.Signal(t.Context(), infra.Pause))
	s.shutdown(t.Context())
	if got := m.PIDs(); len(got) != 0 {
		t.Errorf("%v runs after the shutdown", got)
	}
}

// TestReplace: the former process is the caller's; the supervisor neither restarts it nor forgets to end it.
func TestReplace(t *testing.T) {
	s := startCrew(t)
	m := member{s, "stream"}
	first := m.PIDs()
	former, err := m.Replace(t.Context())
	must(t, err)
	second := m.PIDs()
	if int32(former.PID()) != first[0] || slices.Equal(first, second) {
		t.Fatalf("former %d, now %v, before %v", former.PID(), second, first)
	}
	if got := s.pids("stream"); len(got) != 2 {
		t.Errorf("accounts for %v, expected both", got)
	}
	must(t, former.Signal(t.Context(), infra.Kill))
	if !strings.Contains(former.Err().Error(), "killed") {
		t.Errorf("the former ended with %v", former.Err())
	}
	time.Sleep(2 * restartDelay)
	restarts, _ := s.history()
	if got := m.PIDs(); len(restarts) != 0 || !slices.Equal(got, second) {
		t.Errorf("restarts %v, now %v: the end of a former process is nobody's business", restarts, got)
	}
}

// TestOnDemand: not started before it is asked for, not started again when it has done its work, and promoted for good.
func TestOnDemand(t *testing.T) {
	s := startCrew(t)
	again, stream := member{s, "again"}, member{s, "stream"}
	if got := again.PIDs(); len(got) != 0 {
		t.Fatalf("%v runs without being asked for", got)
	}
	must(t, s.launch("brief"))
	await(t, "ended", func() bool { return len(s.pids("brief")) == 0 })
	must(t, s.launch("again"))
	promoted, old := again.PIDs(), stream.PIDs()
	if !s.promote("again", "stream") {
		t.Fatal("not promoted")
	}
	if got := stream.PIDs(); !slices.Equal(got, promoted) {
		t.Fatalf("stream is %v, expected the promoted %v", got, promoted)
	}
	if got := s.pids("again"); !slices.Equal(got, promoted) {
		t.Errorf("what the promoted process uses is accounted to %v", got)
	}
	must(t, (former{s.all[0]}).Signal(t.Context(), infra.Kill)) // it is replaced, and ends
	time.Sleep(2 * restartDelay)
	if got := s.pids("stream"); len(got) != 0 {
		t.Errorf("%v was started in the place of %v, which had been taken", got, old)
	}
	// From now on a crash of the promoted process is one of the stream.
	must(t, stream.Signal(t.Context(), infra.Kill))
	must(t, stream.Start(t.Context()))
	restarts, _ := s.history()
	if len(restarts) != 1 || restarts[0].Component != "stream" {
		t.Errorf("restarts %+v, expected one of stream", restarts)
	}
	if s.promote("again", "stream") {
		t.Error("promoted a component that does not run")
	}
}

// TestAbsentTarget: what does not run cannot be hit, and the error says so.
func TestAbsentTarget(t *testing.T) {
	s := startCrew(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, context.DeadlineExceeded)
	defer cancel()
	if err := (member{s, "again"}).Signal(ctx, infra.Kill); err == nil {
		t.Error("a component that does not run was killed")
	}
}

// TestTargets finds components and servers by role and by name, and no component on demand among all.
func TestTargets(t *testing.T) {
	database := &infra.Server{Role: "database"}
	r := &run{Config: Config{Architecture: crew}, supervisor: startCrew(t),
		instance: &infra.Instance{Brokers: []*infra.Server{{Role: "broker-1"}, {Role: "broker-2"}}, Database: database}}
	for name, want := range map[string][]string{
		"stream": {"stream"}, "all": {"stream"}, "again": {"again"}, "broker": {"broker-1", "broker-2"}, "broker-2": {"broker-2"},
		"database": {"database"}, "serving": {"database"}, "speed": nil,
	} {
		var got []string
		for _, target := range r.targets(name) {
			got = append(got, target.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, expected %v", name, got, want)
		}
	}
}

// TestPhases: overlapping faults are one phase; one that never took effect makes none.
func TestPhases(t *testing.T) {
	s, err := scenarios.Load("smoke") // a second of warm-up, four of load
	must(t, err)
	schedule, err := loadgen.NewSchedule(s)
	must(t, err)
	span := func(from, to float64) results.Fault { return results.Fault{InjectedAtS: &from, EndedAtS: &to} }
	for name, c := range map[string]struct {
		faults []results.Fault
		want   []results.Phase
	}{
		"none": {nil, []results.Phase{{Name: "warm-up", ToS: 1}, {Name: "baseline", FromS: 1, ToS: 5}, {Name: "drain", FromS: 5, ToS: 6}}},
		"two that overlap, one apart, one without effect": {
			[]results.Fault{span(4, 4.5), span(2, 3), {}, span(2.5, 3.2)},
			[]results.Phase{{Name: "warm-up", ToS: 1}, {Name: "baseline", FromS: 1, ToS: 2}, {Name: "fault", FromS: 2, ToS: 3.2},
				{Name: "recovery", FromS: 3.2, ToS: 4}, {Name: "fault", FromS: 4, ToS: 4.5}, {Name: "recovery", FromS: 4.5, ToS: 5},
				{Name: "drain", FromS: 5, ToS: 6}}},
		"beyond the load": {[]results.Fault{span(2, 9)}, []results.Phase{{Name: "warm-up", ToS: 1}, {Name: "baseline", FromS: 1, ToS: 2},
			{Name: "fault", FromS: 2, ToS: 5}, {Name: "drain", FromS: 5, ToS: 6}}},
	} {
		if diff := cmp.Diff(c.want, phases(schedule, c.faults, 5*time.Second, 6*time.Second)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestInjectionRecord: only what took effect has a time.
func TestInjectionRecord(t *testing.T) {
	plan := scenarios.Fault{Kind: "crash", Target: "speed", At: scenarios.Duration(3 * time.Second)}
	good := fault.Outcome{Components: []string{"speed"}, How: "signal", Effect: 3100 * time.Millisecond, End: 4 * time.Second}
	none := fault.Outcome{Effect: -1}
	for name, c := range map[string]struct {
		in      injection
		effect  bool
		failure string
	}{
		"injected":      {injection{done: true, outcome: good}, true, ""},
		"never started": {injection{}, false, "the run ended before it"},
		"no effect":     {injection{done: true, outcome: none}, false, "it did not take effect"},
		"failed": {injection{done: true, outcome: none, err: os.ErrPermission}, false,
			os.ErrPermission.Error()},
		"undone late": {injection{done: true, outcome: good, err: os.ErrPermission}, true, os.ErrPermission.Error()},
	} {
		c.in.plan, c.in.target = plan, "random"
		rec := c.in.record()
		if (rec.InjectedAtS != nil) != c.effect || rec.Failure != c.failure || rec.Target != "random" || rec.PlannedAtS != 3 {
			t.Errorf("%s: %+v", name, rec)
		}
	}
}

// TestFollows: one after the other on the same target waits, at the same time or on another target does not.
func TestFollows(t *testing.T) {
	planned := func(at, lasts time.Duration, touches ...string) *injection {
		return &injection{plan: scenarios.Fault{Kind: "pause", At: scenarios.Duration(at), For: scenarios.Duration(lasts)}, touches: touches}
	}
	first := planned(time.Second, time.Second, "speed", "ingest")
	for name, c := range map[string]struct {
		in   *injection
		want bool
	}{
		"after it":            {planned(2*time.Second, time.Second, "speed"), true},
		"after it, elsewhere": {planned(2*time.Second, time.Second, "batch"), false},
		"while it lasts":      {planned(1500*time.Millisecond, time.Second, "speed"), false},
		"the same":            {first, false},
		"at the same time":    {planned(time.Second, 0, "speed"), false},
		"before it":           {planned(0, time.Second, "speed"), false},
	} {
		if got := c.in.follows(first); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestExtra: what was used beyond the rate before, the harness left out.
func TestExtra(t *testing.T) {
	var samples []observe.Sample
	for i := range 21 {
		cpu, rss := time.Duration(i)*100*time.Millisecond, int64(50)
		if i > 10 {
			cpu += time.Duration(i-10) * 500 * time.Millisecond
			rss = 70
		}
		samples = append(samples, observe.Sample{At: time.Duration(i) * time.Second,
			CPU: map[string]time.Duration{"stream": cpu, "harness": time.Duration(i*i) * time.Second},
			RSS: map[string]int64{"stream": rss, "harness": int64(i) << 30}})
	}
	cpu, memory := extra(samples, 2*time.Second, 10*time.Second, 14*time.Second)
	if cpu == nil || *cpu < 1.999 || *cpu > 2.001 || *memory != 20 {
		t.Errorf("cpu %v, memory %v; expected 2 s more and 20 bytes more", cpu, memory)
	}
	if cpu, _ := extra(samples[:3], 2*time.Second, 10*time.Second, 14*time.Second); cpu != nil {
		t.Errorf("without a rate before: %v", *cpu)
	}
}
