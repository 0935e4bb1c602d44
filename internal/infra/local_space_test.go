package infra

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of a few megabytes with a cache on it that holds all programs, by links.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	needKafka(t)
	findKafkaNow(t)
	cache := ownCache(t)
	unable := ""
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		unable = "mounting a small disk needs root on Linux"
	} else if err := os.Mkdir(filepath.Join(cache, "runs"), 0o711); err != nil {
		t.Fatal(err)
	} else if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=711,size="+size, "lkbench-test", filepath.Join(cache, "runs")).CombinedOutput(); err != nil {
		unable = fmt.Sprintf("mount a small disk: %v %s", err, out)
	}
	if unable != "" {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatal(unable)
		}
		t.Skip(unable)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", filepath.Join(cache, "runs")).CombinedOutput(); err != nil {
			t.Errorf("unmount the small disk: %v %s", err, out)
		}
	})
	return cache
}

func TestNoSpaceLeft(t *testing.T) {
	start := func(t *testing.T, what string, options Options) error {
		switch what {
		case "database":
			db, err := StartDatabase(t.Context(), options)
			if err == nil {
				return db.unit.discard()
			}
			return explainSpace(t.Context(), options.Workspace.Dir, err)
		case "broker":
			c, err := Local{}.startKafka(t.Context(), options)
			if err == nil {
				return c.discard()
			}
			return explainSpace(t.Context(), options.Workspace.Dir, err)
		case "embedded":
			i, err := Embedded{}.Start(t.Context(), options)
			if err == nil {
				return i.Stop(t.Context())
			}
			return err
		}
		i, err := Local{}.Start(t.Context(), options)
		if err == nil {
			return i.Stop(t.Context())
		}
		return err
	}
	for _, size := range []string{"64k", "8m", "60m"} {
		for _, what := range []string{"broker", "database", "local", "embedded"} {
			if size == "60m" && (what == "database" || what == "embedded") {
				continue // enough for an empty database
			}
			t.Run(what+" "+size, func(t *testing.T) {
				cache := smallDisk(t, size)
				w, err := NewWorkspace(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				err = start(t, what, Options{Workspace: w, Executable: os.Args[0]})
				if err == nil {
					t.Fatal("it started")
				}
				t.Log(err)
				for _, part := range []string{"the disk that holds " + w.Dir + " has too little space", "LKBENCH_CACHE"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error lacks %q", part)
					}
				}
				for _, id := range below(t) {
					if id.Alive() {
						t.Errorf("after the error lives: %s", command(id.PID))
					}
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				if left, err := filepath.Glob(filepath.Join(cache, "runs", "*")); err != nil || len(left) > 0 {
					t.Errorf("left: %v, %v", left, err)
				}
			})
		}
	}
}

// With space enough a failure is not blamed on the disk.
func TestExplainSpace(t *testing.T) {
	other := errors.New("something else")
	if err := explainSpace(t.Context(), t.TempDir(), other); err != other {
		t.Errorf("got %v", err)
	}
	if err := explainSpace(t.Context(), t.TempDir(), fmt.Errorf("write: %w", syscall.ENOSPC)); !strings.Contains(err.Error(), "LKBENCH_CACHE") {
		t.Errorf("got %v", err)
	}
	if err := explainSpace(t.Context(), "/no/such/directory", other); err != other {
		t.Errorf("got %v", err)
	}
}
