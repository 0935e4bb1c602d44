package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every probe finds something out on the machine of this test, under the names that it has promised.
func TestThisMachine(t *testing.T) {
	t.Setenv("LKBENCH_CACHE", filepath.Join(openDir(t), "cache"))
	untold := []string{"governor", "turbo", "time_sync", "steal"} // there are systems that do not tell
	for _, p := range append(machineProbes(os.DirFS("/")), quietProbe()) {
		a := ask(t.Context(), patience, p.Look)
		if a.err != nil {
			t.Errorf("%v: %v", p.Names, a.err)
			continue
		}
		var names []string
		for _, c := range a.value {
			names = append(names, c.Name)
			if !slices.Contains(severity, c.Status) || c.Found == "" || c.Status == Unknown && !slices.Contains(untold, c.Name) {
				t.Errorf("%+v", c)
			}
		}
		if !slices.Equal(names, p.Names) {
			t.Errorf("promised %v, gave %v", p.Names, names)
		}
	}
}

// A process that keeps a processor busy is found, by its name and without its arguments.
func TestFindsABusyProcess(t *testing.T) {
	busy := exec.Command("sh", "-c", "while :; do :; done # secret")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	for deadline := time.Now().Add(patience); ; {
		before, err := readUsage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(200 * time.Millisecond)
		after, err := readUsage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range between(before, after, time.Since(began)) {
			if int(b.pid) != busy.Process.Pid || b.share <= busyProcess {
				continue
			}
			if name := processName(t.Context(), b.pid); strings.Contains(name, "secret") || !strings.Contains(name, "sh") {
				t.Errorf("it is called %q", name)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a process that is always busy was not found")
		}
	}
}

// The file system is what is mounted there, not what lies above it.
func TestFileSystemInMemory(t *testing.T) {
	mounted, err := exec.Command("stat", "-f", "-c", "%T", "/dev/shm").Output()
	if runtime.GOOS != "linux" || err != nil || strings.TrimSpace(string(mounted)) != "tmpfs" {
		t.Skipf("no file system in memory at /dev/shm: %s %v", mounted, err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", filepath.Join(dir, "cache"))
	checks, err := lookAtCache(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := checks[2]; c.Name != "file_system" || c.Status != Warning || !strings.Contains(c.Found, "tmpfs") {
		t.Errorf("got %+v", c)
	}
}

// A cache that cannot be used is missing, and what lies below it is not looked at.
func TestCacheThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(openDir(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", file)
	checks, err := lookAtCache(t.Context())
	if err != nil || checks[0].Status != Missing || checks[1].Status != NotChecked || checks[0].Do == "" {
		t.Errorf("got %+v, %v", checks, err)
	}
}

// The measurement of the disk leaves nothing on it.
func TestSyncTimesLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	times, err := syncTimes(dir)
	if err != nil || len(times) == 0 || !slices.IsSorted(times) || times[0] <= 0 {
		t.Errorf("got %v, %v", times, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		dir, top string
		want     bool
	}{{"/var/cache", "/", true}, {"/var/cache", "/var", true}, {"/variant", "/var", false}, {"/", "/", true}, {"/var", "/var", true}} {
		if got := below(c.dir, c.top); got != c.want {
			t.Errorf("%s below %s: %v", c.dir, c.top, got)
		}
	}
}

// openDir is a temporary directory through which everybody may pass, as PostgreSQL's user must if this is root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
