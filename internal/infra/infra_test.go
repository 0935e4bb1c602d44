package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lkbench/internal/proc"
)

// The test binary is also the programs that the package starts, and two of its callers.
const (
	harnessVerb = "__harness" // starts an instance, reports it, hangs
	fillVerb    = "__fill"    // fills the cache with PostgreSQL or, so named, with Kafka
	javaVerb    = "__java"    // is Java, but for Kafka's broker; see fakeJava
)

// harnessReport is what harnessVerb writes.
type harnessReport struct {
	Dir       string
	Processes []proc.Identity // all below it
}

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for the children: the race detector else waits a second at every exit
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	var err error
	switch verb {
	case proc.GuardVerb:
		os.Exit(proc.Guard(os.Args[2:], os.Stdin))
	case BrokerVerb:
		err = Broker(context.Background(), os.Stdin, os.Stdout)
	case harnessVerb:
		err = beHarness(context.Background())
	case fillVerb:
		if len(os.Args) > 2 && os.Args[2] == "kafka" {
			err = fillWithKafka(context.Background())
		} else {
			_, err = postgresBinaries(context.Background(), nil)
		}
	case javaVerb:
		err = beJava(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func beHarness(ctx context.Context) error {
	w, err := NewWorkspace(ctx)
	if err != nil {
		return err
	}
	var provider Provider = Embedded{}
	if len(os.Args) > 2 && os.Args[2] == "local" {
		provider = Local{}
	}
	if _, err := provider.Start(ctx, Options{Workspace: w, Executable: os.Args[0]}); err != nil {
		return err
	}
	below, err := proc.Descendants(os.Getpid())
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(harnessReport{w.Dir, below}); err != nil {
		return err
	}
	select {}
}

// needPostgres skips the test where PostgreSQL is neither cached nor to be had.
func needPostgres(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts PostgreSQL; make test does")
	}
	if _, err := postgresBinaries(t.Context(), nil); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no PostgreSQL: %v", err)
		}
		t.Skipf("no PostgreSQL: %v", err)
	}
}

// emptyCache gives the test a cache of its own.
func emptyCache(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lkbench-test-") // not t.TempDir, which is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", dir)
	return dir
}

// ownCache is emptyCache with PostgreSQL in it.
func ownCache(t *testing.T) string {
	t.Helper()
	needPostgres(t)
	shared, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := emptyCache(t)
	entries, err := os.ReadDir(shared)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "runs" {
			if err := os.Symlink(filepath.Join(shared, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func newWorkspace(t *testing.T) *Workspace {
	t.Helper()
	w, err := NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// startInstance starts an instance that ends with the test.
func startInstance(t *testing.T) (*Instance, *Workspace) {
	t.Helper()
	needPostgres(t)
	w := newWorkspace(t)
	i, err := Embedded{}.Start(t.Context(), Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i, w
}

// gone waits until none of the processes lives.
func gone(t *testing.T, ids []proc.Identity) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second) // two seconds on a machine that has nothing else to do
	for _, id := range ids {
		for id.Alive() {
			if time.Now().After(deadline) {
				t.Fatalf("process %d still lives: %s", id.PID, command(id.PID))
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func command(pid int) string {
	out, _ := exec.Command("ps", "-o", "pid,ppid,stat,args", "-p", fmt.Sprint(pid)).CombinedOutput()
	return string(out)
}

// below lists the processes below this one.
func below(t *testing.T) []proc.Identity {
	t.Helper()
	ids, err := proc.Descendants(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
