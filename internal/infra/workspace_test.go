package infra

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lkbench/internal/proc"
)

// A server whose guard and harness are both killed while it cannot act is what a sweep is for.
func TestSweepEndsStraysAndOnlyThem(t *testing.T) {
	emptyCache(t)
	sleeper := func() *proc.Process {
		p, err := proc.Start(proc.Spec{Name: "sleep", Executable: "/bin/sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill(); <-p.Done() })
		return p
	}
	stray, stranger := sleeper(), sleeper()
	w, err := NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Track(stray); err != nil {
		t.Fatal(err)
	}
	// The id of a process of the dead run is somebody else's by now.
	reused, err := json.Marshal(proc.Identity{PID: stranger.PID(), Start: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.log.WriteString(string(reused) + "\n{\"pid\": 1, \"st"); err != nil { // and it died while it wrote a line
		t.Fatal(err)
	}
	w.log.Close()
	w.owner.Close() // what the death of the process does
	swept, err := Sweep(t.Context(), nil)
	if err != nil || !slices.Equal(swept, []string{w.Dir}) {
		t.Errorf("the sweep removed %v, %v; want %s", swept, err, w.Dir)
	}
	<-stray.Done()
	if err := stray.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the stray ended with %v, want killed", err)
	}
	if id := stranger.Processes()[0]; !id.Alive() {
		t.Error("the sweep killed a process that is none of the dead run's")
	}
	if swept, err := Sweep(t.Context(), nil); err != nil || len(swept) != 0 {
		t.Errorf("the second sweep removed %v, %v", swept, err)
	}
}

func TestSweepOfAHalfMadeWorkspace(t *testing.T) {
	cache := emptyCache(t)
	if err := os.MkdirAll(filepath.Join(cache, "runs", "half-made"), 0o755); err != nil {
		t.Fatal(err)
	}
	swept, err := Sweep(t.Context(), nil)
	if err != nil || len(swept) != 1 {
		t.Errorf("the sweep removed %v, %v; want the one directory", swept, err)
	}
}

func TestSharedMemoryOfAKilledServerIsReleased(t *testing.T) {
	i, w := startInstance(t)
	pidFile, err := os.ReadFile(filepath.Join(i.Database.DataDir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.Fields(strings.Split(string(pidFile), "\n")[6])[1])
	if err != nil {
		t.Fatal(err)
	}
	exists := func() bool {
		var segment unix.SysvShmDesc
		_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment)
		return err == nil
	}
	releaseSharedMemory(i.Database.DataDir)
	if !exists() {
		t.Fatal("the segment of the running server is gone")
	}
	if err := i.Database.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !exists() {
		t.Fatal("the killed server left no segment: the test tests nothing")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if exists() {
		t.Error("the segment of the killed server is still there")
	}
}

func TestLockWaitsAndCanBeGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := lockFile(ctx, path); err == nil || !strings.Contains(err.Error(), "enough") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(30*time.Millisecond, func() { held.Close() })
	again, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// What a dead run made elsewhere is removed with its directory; while nobody can remove it, the directory stays and tells.
func TestSweepRemovesWhatWasEntrusted(t *testing.T) {
	ownCache(t)
	w, err := NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Entrust("boxes", []byte("two of them")); err != nil {
		t.Fatal(err)
	}
	w.owner.Close() // as the kernel does when a process dies
	if swept, err := Sweep(t.Context(), nil); err != nil || len(swept) != 0 {
		t.Fatalf("without a remover swept %v, %v", swept, err)
	}
	var got string
	failing := Removers{"boxes": func(context.Context, string, []byte) error { return errors.New("no engine") }}
	if swept, err := Sweep(t.Context(), failing); err == nil || len(swept) != 0 {
		t.Fatalf("with a remover that fails swept %v, %v", swept, err)
	}
	swept, err := Sweep(t.Context(), Removers{"boxes": func(_ context.Context, dir string, note []byte) error {
		got = dir + " " + string(note)
		return nil
	}})
	if err != nil || len(swept) != 1 || got != w.Dir+" two of them" {
		t.Errorf("swept %v, %v; the remover was given %q", swept, err, got)
	}
	if _, err := os.Stat(w.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}
