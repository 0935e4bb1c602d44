package infratest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// defective is the embedded provider with a defect.
type defective struct {
	damage func(i *infra.Instance)                            // done to a started instance
	start  func(ctx context.Context, i *infra.Instance) error // an error makes a start that fails
}

func (defective) Name() string { return "defective" }

func (d defective) Start(ctx context.Context, options infra.Options) (*infra.Instance, error) {
	i, err := infra.Embedded{}.Start(context.WithoutCancel(ctx), options)
	if err != nil {
		return nil, err
	}
	if d.start != nil {
		if err := d.start(ctx, i); err != nil {
			return nil, errors.Join(err, i.Stop(context.Background()))
		}
	}
	if d.damage != nil {
		d.damage(i)
	}
	return i, nil
}

// unit is a server's Unit with a defect: before and after a signal or a start it does something else.
type unit struct {
	infra.Unit
	signal func(ctx context.Context, signal infra.Signal) (done bool, err error) // instead of a signal
	start  func()                                                                // after a start
}

func (u unit) Signal(ctx context.Context, signal infra.Signal) error {
	if u.signal != nil {
		if done, err := u.signal(ctx, signal); done || err != nil {
			return err
		}
	}
	return u.Unit.Signal(ctx, signal)
}

func (u unit) Start(ctx context.Context) error {
	err := u.Unit.Start(ctx)
	if err == nil && u.start != nil {
		u.start()
	}
	return err
}

// sleeper starts a process that nobody ends but the test.
func sleeper(t *testing.T) *proc.Process {
	t.Helper()
	p, err := proc.Start(proc.Spec{Name: "stray", Executable: "/bin/sleep", Args: []string{"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); <-p.Done() })
	return p
}

// damaged starts a defective provider.
func damaged(t *testing.T, d defective) *running {
	t.Helper()
	NeedPostgres(t)
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &examination{Case: Case{Provider: d}, ctx: t.Context(), say: t.Logf}
	r, err := e.start(w)
	if err != nil {
		t.Fatal(errors.Join(err, w.Close()))
	}
	t.Cleanup(func() { _ = r.end(context.Background()) }) // the defect may be in it
	return r
}

// Every check is shown a provider that it must object to, and how.
func TestConformObjectsTo(t *testing.T) {
	broker := func(u func(i *infra.Instance, s *infra.Server) unit) func(*testing.T, *infra.Instance) {
		return func(_ *testing.T, i *infra.Instance) { s := i.Brokers[0]; s.Unit = u(i, s) }
	}
	database := func(u func(i *infra.Instance, s *infra.Server) unit) func(*testing.T, *infra.Instance) {
		return func(_ *testing.T, i *infra.Instance) { i.Database.Unit = u(i, i.Database) }
	}
	// A broker that answers on another address after a restart, as its clients see it.
	moves := func(_ *infra.Instance, s *infra.Server) unit {
		return unit{Unit: s.Unit, start: func() { s.Address = "127.0.0.1:1" }}
	}
	deaf := func(_ *infra.Instance, s *infra.Server) unit {
		return unit{Unit: s.Unit, signal: func(_ context.Context, signal infra.Signal) (bool, error) {
			return signal == infra.Pause || signal == infra.Resume, nil
		}}
	}
	kills := func(_ *infra.Instance, s *infra.Server) unit { // and starts again, instead of resuming
		real := s.Unit
		return unit{Unit: real, signal: func(ctx context.Context, signal infra.Signal) (bool, error) {
			switch signal {
			case infra.Pause:
				return true, real.Signal(ctx, infra.Kill)
			case infra.Resume:
				return true, real.Start(ctx)
			}
			return false, nil
		}}
	}
	loses := func(_ *infra.Instance, s *infra.Server) unit { // the end of its log
		real := s.Unit
		return unit{Unit: real, signal: func(ctx context.Context, signal infra.Signal) (bool, error) {
			if signal != infra.Kill {
				return false, nil
			}
			return true, errors.Join(real.Signal(ctx, infra.Kill), cutLogs(s.DataDir))
		}}
	}
	forgets := func(i *infra.Instance, s *infra.Server) unit { // some rows
		return unit{Unit: s.Unit, signal: func(_ context.Context, signal infra.Signal) (bool, error) {
			if signal != infra.Kill {
				return false, nil
			}
			return false, execute(i.Postgres, "DELETE FROM conform_load WHERE id % 10 = 0")
		}}
	}
	survives := func(_ *infra.Instance, s *infra.Server) unit { // a kill that only says so
		return unit{Unit: s.Unit, signal: func(_ context.Context, signal infra.Signal) (bool, error) { return signal == infra.Kill, nil }}
	}
	none := func(_ *testing.T, i *infra.Instance) {
		i.Brokers, i.Database = nil, nil
	}
	for _, test := range []struct {
		name   string
		damage func(*testing.T, *infra.Instance)
		check  func(context.Context, *running) error
		want   string
	}{
		{"no label", func(_ *testing.T, i *infra.Instance) { i.Label = "" }, description, "does not tell its Label"},
		{"no settings", func(_ *testing.T, i *infra.Instance) { i.PostgresSettings = nil }, description, "does not tell its PostgresSettings"},
		{"another role", func(_ *testing.T, i *infra.Instance) { i.Brokers[0].Role = "kafka" }, description, `role of broker 1 is "kafka"`},
		{"no version of a server", func(_ *testing.T, i *infra.Instance) { i.Database.Version = "" }, description, "the database does not tell"},
		{"neither process nor container", func(_ *testing.T, i *infra.Instance) { i.Database.PIDs = nil }, description, "either processes or a container"},
		{"fewer copies than said", func(_ *testing.T, i *infra.Instance) { i.Replication = 3 }, carries, "conform.first"},
		{"a database that is not empty", func(t *testing.T, i *infra.Instance) {
			if err := execute(i.Postgres, "CREATE TABLE mine (id int)"); err != nil {
				t.Error(err)
			}
		}, carries, "not empty"},
		{"replication denied wrongly", func(_ *testing.T, i *infra.Instance) { i.NoReplication = "not here" }, cannot, "but it can"},
		{"replication promised wrongly", func(t *testing.T, i *infra.Instance) {
			if err := execute(i.Postgres, "CREATE ROLE poor LOGIN PASSWORD 'x'; GRANT ALL ON SCHEMA public TO poor"); err != nil {
				t.Error(err)
			}
			i.Postgres = "postgres://poor:x@" + i.Database.Address + "/lkbench?sslmode=disable"
		}, cannot, "does not say that the write-ahead log cannot be followed"},
		{"limits that are not told", none, cannot, "says of nothing that it cannot be done"},
		{"open to the network", func(t *testing.T, i *infra.Instance) { listenEverywhere(t, i) }, loopbackOnly, "listens on 0.0.0.0:"},
		{"reachable from the network", func(t *testing.T, i *infra.Instance) { redirect(t, i) }, loopbackOnly, "can be reached on"},
		{"no use of the processor", func(_ *testing.T, i *infra.Instance) {
			i.Database.Usage = func(context.Context) (infra.Usage, error) { return infra.Usage{CPU: time.Second, RSS: 1}, nil }
		}, quick(accounting), "the database has used 1s of processor time, before the work 1s"},
		{"no space on disk", func(_ *testing.T, i *infra.Instance) {
			i.Brokers[0].Disk = func(context.Context) (int64, error) { return 0, nil }
		}, quick(accounting), "the data of the broker takes 0 bytes"},
		{"a broker that goes on when paused", broker(deaf), pauses, "while the broker was paused it answered"},
		{"a database that goes on when paused", database(deaf), pauses, "while the database was paused it answered"},
		{"a pause that cuts connections", broker(kills), pauses, "the broker ended when it was paused"},
		{"another address after a restart", broker(moves), crashing(brokerCrashes), "after its restart the broker has the address 127.0.0.1:1"},
		{"records lost at a kill", broker(loses), crashing(brokerCrashes), "are lost"},
		{"rows lost at a kill", database(forgets), crashing(databaseCrashes), "committed rows are lost"},
		{"a kill that does nothing", database(survives), crashing(databaseCrashes), "the database was ended and is not done"},
		{"a process left behind", func(t *testing.T, _ *infra.Instance) { sleeper(t) }, endsClean, "a process still lives: "},
		{"an end that ends nothing", func(t *testing.T, i *infra.Instance) {
			end := i.End
			once := sync.OnceValue(func() error { return end(context.Background()) })
			t.Cleanup(func() { _ = once() })
			i.End = func(context.Context) error { return nil }
		}, endsClean, "somebody answers on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := damaged(t, defective{damage: func(i *infra.Instance) { test.damage(t, i) }})
			ctx, cancel := context.WithTimeout(t.Context(), checkWithin)
			defer cancel()
			err := test.check(ctx, r)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// quick shortens the time that a check waits for what will never be.
func quick(check func(context.Context, *running) error) func(context.Context, *running) error {
	return func(ctx context.Context, r *running) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		return check(ctx, r)
	}
}

// crashing kills once.
func crashing(check func(context.Context, *running) error) func(context.Context, *running) error {
	return func(ctx context.Context, r *running) error { r.Crashes = 1; return check(ctx, r) }
}

// cutLogs throws away the second half of every partition's log.
func cutLogs(dir string) error {
	segments, err := filepath.Glob(filepath.Join(dir, "partitions", "*", "*.dat"))
	if err != nil {
		return err
	}
	for _, path := range segments {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()/2)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listenEverywhere makes this process, which listens on all addresses, one of the broker's.
func listenEverywhere(t *testing.T, i *infra.Instance) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { l.Close() })
	pids := i.Brokers[0].PIDs
	i.Brokers[0].PIDs = func() []int32 { return append(pids(), int32(os.Getpid())) }
}

// redirect has somebody else accept connections on the broker's port, on an address that is not loopback.
func redirect(t *testing.T, i *infra.Instance) {
	_, port, err := net.SplitHostPort(i.Brokers[0].Address)
	if err != nil {
		t.Error(err)
		return
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Error(err)
		return
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && !network.IP.IsLoopback() && network.IP.To4() != nil {
			l, err := net.Listen("tcp4", net.JoinHostPort(network.IP.String(), port))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
			return
		}
	}
	t.Skip("this machine has no address but loopback")
}

// A start that fails must leave nothing; one that leaves a process is found.
func TestConformObjectsToWhatAGivenUpStartLeaves(t *testing.T) {
	NeedPostgres(t)
	gives := func(leave func()) error {
		e := &examination{ctx: t.Context(), say: t.Logf, Case: Case{Provider: defective{start: func(ctx context.Context, _ *infra.Instance) error {
			if ctx.Err() != nil {
				leave()
			}
			return ctx.Err()
		}}}}
		return e.givenUp(t.Context(), time.Second)
	}
	if err := gives(func() { sleeper(t) }); err == nil || !strings.Contains(err.Error(), "a process still lives") {
		t.Errorf("got %v", err)
	}
	deaf := &examination{ctx: t.Context(), say: t.Logf, Case: Case{Provider: defective{}}}
	if err := deaf.givenUp(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "it started although its context had ended") {
		t.Errorf("a provider that does not heed its context: got %v", err)
	}
}

// shared gives both of two instances the same servers.
type shared struct{ first *infra.Instance }

func (shared) Name() string { return "shared" }

func (s *shared) Start(ctx context.Context, options infra.Options) (*infra.Instance, error) {
	if s.first != nil {
		second := *s.first
		return &second, nil
	}
	var err error
	s.first, err = infra.Embedded{}.Start(ctx, options)
	return s.first, err
}

func TestConformObjectsToSharedServers(t *testing.T) {
	NeedPostgres(t)
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &examination{Case: Case{Provider: &shared{}}, ctx: t.Context(), say: t.Logf}
	r, err := e.start(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.end(context.Background()) })
	if err := twoAtOnce(t.Context(), r); err == nil || !strings.Contains(err.Error(), "share the address") {
		t.Errorf("got %v", err)
	}
}

// strays leaves a process that no guard watches, and outside of the directory a file that no sweep knows.
type strays struct{ file string }

func (strays) Name() string { return "strays" }

func (s strays) Start(ctx context.Context, options infra.Options) (*infra.Instance, error) {
	if s.file != "" {
		if err := os.WriteFile(s.file, nil, 0o600); err != nil {
			return nil, err
		}
	} else if err := unguarded(); err != nil {
		return nil, err
	}
	return infra.Embedded{}.Start(ctx, options)
}

// unguarded starts a process that nobody watches. It ends by itself when the test no longer needs it.
func unguarded() error {
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	return p.Release()
}

func TestConformObjectsToAStrayOfAKilledHarness(t *testing.T) {
	NeedPostgres(t)
	c := Case{Provider: strays{}}
	beHarness(t, c)
	e := &examination{Case: c, ctx: t.Context(), say: t.Logf}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := e.harnessKilled(ctx, t.Name(), 0)
	if err == nil || !strings.Contains(err.Error(), "sleep 60") {
		t.Errorf("got %v, want the stray process", err)
	}
}

func TestConformObjectsToWhatASweepLeaves(t *testing.T) {
	NeedPostgres(t)
	const variable = "LKBENCH_TEST_STRAY"
	file := os.Getenv(variable) // of the harness
	if file == "" {
		file = filepath.Join(t.TempDir(), "left")
	}
	c := Case{
		Provider: strays{file: file}, HarnessEnv: []string{variable + "=" + file},
		Left: func(context.Context, string) ([]string, error) {
			if _, err := os.Stat(file); err != nil {
				return nil, nil
			}
			return []string{"a file"}, nil
		},
	}
	beHarness(t, c)
	e := &examination{Case: c, ctx: t.Context(), say: t.Logf}
	if err := e.harnessKilled(t.Context(), t.Name(), 0); err == nil || !strings.Contains(err.Error(), "still there: a file") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	e.Sweep = func(context.Context) error { return os.RemoveAll(file) }
	if err := e.harnessKilled(t.Context(), t.Name(), 0); err != nil {
		t.Errorf("with a sweep that removes it: %v", err)
	}
}

func TestCompareLog(t *testing.T) {
	record := func(partition int32, offset int64, value string) *kgo.Record {
		return &kgo.Record{Partition: partition, Offset: offset, Value: []byte(value)}
	}
	acked := map[placed]string{{0, 0}: "a", {1, 0}: "b"}
	for want, log := range map[string][]*kgo.Record{
		"":                             {record(0, 0, "a"), record(1, 0, "b"), record(1, 1, "never acknowledged")},
		"1 are lost":                   {record(0, 0, "a")},
		"1 have others in their place": {record(0, 0, "a"), record(1, 0, "c")},
		"1 stand in the log twice":     {record(0, 0, "a"), record(1, 0, "b"), record(1, 1, "b")},
		`"b", acknowledged at`:         {record(0, 0, "a"), record(2, 0, "b")},
	} {
		err := compareLog(acked, log)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
