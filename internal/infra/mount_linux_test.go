package infra

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMountsBelow(t *testing.T) {
	const text = `25 30 0:23 / /run/a rw,relatime shared:1 - tmpfs none rw
26 30 0:24 / /run/a/postgres rw - tmpfs lkbench rw
27 30 0:25 / /run/a/with\040space rw - tmpfs lkbench rw
28 30 0:26 / /run/ab/postgres rw - tmpfs lkbench rw
29`
	if got, want := mountsBelow(text, "/run/a"), []string{"/run/a/postgres", "/run/a/with space"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: neither the directory itself nor one whose name only begins alike", got, want)
	}
}

func TestRoomForADiskInMemory(t *testing.T) {
	if err := roomFor(2<<30, 3<<30); err != nil {
		t.Error(err)
	}
	if err := roomFor(2<<30, 3<<30-1); err == nil || !strings.Contains(err.Error(), "needs 3072 MiB of it, of which 3071 MiB") {
		t.Errorf("got %v", err)
	}
}

// needRoot skips a test that mounts.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
}

func mounted(t *testing.T, dir string) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return len(mountsBelow(string(text), dir)) > 0
}

// The disk goes with the workspace, when the run ends in order and when its harness was killed and a later start sweeps.
func TestDatabaseDiskGoesWithTheWorkspace(t *testing.T) {
	needRoot(t)
	ownCache(t)
	for _, killed := range []bool{false, true} {
		w, err := NewWorkspace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		db, err := StartDatabase(t.Context(), Options{Workspace: w, Executable: os.Args[0], DatabaseDisk: 256 << 20})
		if err != nil {
			t.Fatal(err)
		}
		settings, err := readDatabaseSettings(t.Context(), db)
		if err != nil || settings["data_directory_filesystem"] != "tmpfs" || settings["max_wal_size"] != "64MB" {
			t.Errorf("the server says %v, %v", settings, err)
		}
		if !mounted(t, w.Dir) {
			t.Fatal("nothing is mounted: the test tests nothing")
		}
		// Kept open, as by a process that does not end: what is in use must not hold the sweep up.
		used, err := os.Open(filepath.Join(db.DataDir, "PG_VERSION"))
		if err != nil {
			t.Fatal(err)
		}
		if killed {
			w.log.Close()
			w.owner.Close() // what the death of the process does
			if swept, err := Sweep(t.Context(), nil); err != nil || !slices.Equal(swept, []string{w.Dir}) {
				t.Errorf("swept %v, %v", swept, err)
			}
			<-db.Done()
		} else {
			if err := db.unit.discard(); err != nil {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		used.Close()
		if mounted(t, w.Dir) {
			t.Error("it is still mounted")
		}
		if _, err := os.Stat(w.Dir); !os.IsNotExist(err) {
			t.Errorf("the workspace is still there: %v", err)
		}
	}
}

// A database on a disk of its own comes back after a crash like any other.
func TestDatabaseDiskKeepsWhatWasCommitted(t *testing.T) {
	needRoot(t)
	needPostgres(t)
	w := newWorkspace(t)
	db, err := StartDatabase(t.Context(), Options{Workspace: w, Executable: os.Args[0], DatabaseDisk: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.unit.discard() })
	query := func(sql string) (n int) {
		conn, err := pgx.Connect(t.Context(), db.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil && !strings.Contains(err.Error(), "no rows") {
			t.Fatal(err)
		}
		return n
	}
	query("CREATE TABLE kept AS SELECT 42 AS n")
	if err := db.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := query("SELECT n FROM kept"); n != 42 {
		t.Errorf("after the crash the table holds %d, want 42", n)
	}
}
