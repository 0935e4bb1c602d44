package fault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/proc"
)

// serverTarget is a server as a target.
type serverTarget struct{ *infra.Server }

func (s serverTarget) Name() string  { return s.Role }
func (s serverTarget) PIDs() []int32 { return s.Server.PIDs() }
func (s serverTarget) Signal(ctx context.Context, signal infra.Signal) error {
	return s.Unit.Signal(ctx, signal)
}
func (s serverTarget) Start(ctx context.Context) error { return s.Restart(ctx) }

// ownDatabase is a world with a database of the test's own, on a disk of that many bytes; 0 for the machine's.
func ownDatabase(t *testing.T, disk int64) *World {
	t.Helper()
	infratest.NeedPostgres(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can take a disk from the database")
	}
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	db, err := infra.StartDatabase(t.Context(), infra.Options{Workspace: w, Executable: executable, DatabaseDisk: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	world := newJournal().world(serverTarget{db.Server})
	world.Database, world.Postgres = db.Server, db.URL
	return world
}

func execute(t *testing.T, w *World, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), sql)
	return err
}

func TestDiskFull(t *testing.T) {
	w := ownDatabase(t, 256<<20)
	if err := execute(t, w, "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(w.Database.DataDir, ballastName)
	file := func() bool { info, err := os.Stat(ballast); return err == nil && info.Size() > 100<<20 }
	var refused error
	out, _ := injected(t, w, DiskFull{For: time.Hour}, file, func() {
		// More than fits what the server has in advance; also until the disk is full.
		for n := 0; n < 200 && refused == nil; n++ {
			refused = execute(t, w, "CREATE TABLE IF NOT EXISTS more (t text); INSERT INTO more SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
		}
		if err := w.Database.Kill(t.Context()); err != nil { // as it ends itself when it cannot write its log
			t.Error(err)
		}
	})
	if refused == nil {
		t.Error("the database wrote 1 GB to a full disk")
	}
	if out.Effect < 0 || out.Detected < out.Effect || !strings.Contains(out.What, "no space left") {
		t.Errorf("outcome %+v", out)
	}
	if _, err := os.Stat(ballast); !os.IsNotExist(err) {
		t.Errorf("the ballast is still there: %v", err)
	}
	if err := execute(t, w, "INSERT INTO kept SELECT n + 1 FROM kept"); err != nil {
		t.Errorf("after the fault the database does not write: %v", err)
	}
}

// The machine's own disk is not filled.
func TestDiskFullNeedsADiskOfItsOwn(t *testing.T) {
	w := &World{Database: &infra.Server{DataDir: t.TempDir()}, Now: func() time.Duration { return 0 }}
	if out, err := (DiskFull{}).Inject(t.Context(), w); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
	for _, f := range []Fault{DiskFull{}, DiskSlow{}} {
		if out, err := f.Inject(t.Context(), &World{}); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
			t.Errorf("%#v of somebody else's server: effect %v, %v", f, out.Effect, err)
		}
	}
}

func TestDiskSlow(t *testing.T) {
	if why := Here().NoDiskLimit; why != "" {
		t.Skip("needs control groups for disks: ", why)
	}
	w := ownDatabase(t, 0)
	out, err := DiskSlow{For: time.Second}.Inject(t.Context(), w)
	if err != nil || out.Effect < 0 || !strings.Contains(out.What, "a commit took") {
		t.Errorf("outcome %+v, %v", out, err)
	}
	roots := alive(serverTarget{w.Database})
	g, err := findGroup("/", diskController)
	if err != nil {
		t.Fatal(err)
	}
	if home, err := (&group{dir: g.home}).holds(roots); !home || err != nil {
		t.Errorf("after the fault the server is not back in its group: %v", err)
	}
}

// A disk in memory is never slow: that is no effect, not a survived fault.
func TestDiskSlowInMemory(t *testing.T) {
	w := ownDatabase(t, 128<<20)
	if out, err := (DiskSlow{For: time.Second}).Inject(t.Context(), w); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
	roots := alive(serverTarget{w.Database})
	if len(roots) != 1 || roots[0] == (proc.Identity{}) {
		t.Errorf("the server runs as %v", roots)
	}
}
