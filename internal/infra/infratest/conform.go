package infratest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"lkbench/internal/infra"
)

// Case is a provider to be examined, and how to look at what it makes outside of this machine's process table.
type Case struct {
	Provider infra.Provider
	// Crashes is how often the brokers, in turn, and the database are killed under load; 0 for 3.
	Crashes int
	// KillHarness has a process that uses the provider killed, once while it starts and once when it is ready. That process
	// is this test binary, which runs the same test; HarnessEnv is added to its environment.
	KillHarness bool
	HarnessEnv  []string
	// Removers are what a later start has to remove what a killed harness has left, and Sweep what is called beside it; nil
	// for nothing.
	Removers infra.Removers
	Sweep    func(ctx context.Context) error
	// Left lists, in words, what a run with the workspace dir has made that is neither a process below its own nor in dir:
	// containers, topics. nil if there is no such thing.
	Left func(ctx context.Context, dir string) ([]string, error)
	// Listening gives the addresses of this machine, host:port, on which a server listens; nil to look at the sockets of its
	// processes.
	Listening func(ctx context.Context, s *infra.Server) ([]string, error)
}

// checkWithin bounds the time of one check.
const checkWithin = 3 * time.Minute

// Conform examines a provider: all that a run, a disturbance and an accounting rely on. It is called at the beginning of
// a test function that does not run in parallel with others of its package; what is not examined, and why, it logs.
func Conform(t *testing.T, c Case) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts servers; make test does")
	}
	beHarness(t, c)
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &examination{Case: c, ctx: t.Context(), say: t.Logf}
	r, err := e.start(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: ready after %v; %s; %s; %s", c.Provider.Name(), r.took.Round(time.Millisecond), r.KafkaVersion, r.PostgresVersion, r.Label)
	ended := false
	t.Cleanup(func() {
		if !ended {
			if err := r.end(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	for _, check := range []struct {
		name string
		run  func(context.Context, *running) error
	}{
		{"description", description},
		{"topics, records and tables", carries},
		{"what it says it cannot", cannot},
		{"loopback only", loopbackOnly},
		{"accounting", accounting},
		{"pause and resume", pauses},
		{"stop and restart", restarts},
		{"crashes of Kafka", brokerCrashes},
		{"crashes of PostgreSQL", databaseCrashes},
		{"two at once", twoAtOnce},
	} {
		t.Run(check.name, func(t *testing.T) { r.check(t, check.run) })
	}
	t.Run("nothing left after the end", func(t *testing.T) {
		ended = true
		r.check(t, endsClean)
	})
	t.Run("nothing left after a start that was given up", func(t *testing.T) {
		r.check(t, func(ctx context.Context, r *running) error { return r.givenUp(ctx, r.took) })
	})
	if !c.KillHarness {
		return
	}
	t.Run("nothing left after a harness that was killed", func(t *testing.T) {
		r.check(t, func(ctx context.Context, r *running) error { return r.harnessKilled(ctx, t.Name(), r.took) })
	})
}

// examination is the work on one case. Its checks give errors instead of failing a test, so that they can be shown defects.
type examination struct {
	Case
	ctx context.Context // of everything that outlives one check
	say func(format string, args ...any)
}

// running is an instance under examination.
type running struct {
	*examination
	*infra.Instance
	workspace *infra.Workspace
	took      time.Duration // to start
	before    remains       // what was there before it
}

// start starts an instance in a workspace of its own.
func (e *examination) start(w *infra.Workspace) (*running, error) {
	before, err := e.remains(e.ctx, w.Dir)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(e.ctx, checkWithin)
	defer cancel()
	i, err := e.begin(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", e.Provider.Name(), err)
	}
	return &running{examination: e, Instance: i, workspace: w, took: time.Since(began), before: before}, nil
}

// begin calls the provider.
func (e *examination) begin(ctx context.Context, w *infra.Workspace) (*infra.Instance, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return e.Provider.Start(ctx, infra.Options{Workspace: w, Executable: executable, Note: func(m string) { e.say("%s", m) }})
}

// check runs one check as a test.
func (r *running) check(t *testing.T, check func(context.Context, *running) error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(r.ctx, checkWithin, fmt.Errorf("not done within %v", checkWithin))
	defer cancel()
	outer := r.say
	r.say = t.Logf
	defer func() { r.say = outer }()
	if err := check(ctx, r); err != nil {
		t.Error(err)
	}
}

// end stops the instance and removes its workspace.
func (r *running) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := r.workspace.Close(); err != nil {
		return err
	}
	return nil
}

// without says that a check is not made, and why.
func (r *running) without(check string) error {
	r.say("%s: not examined, for the instance has no servers of its own; it says it cannot: %q", check, r.Cannot)
	return nil
}
