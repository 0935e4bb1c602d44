package infra

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A cache that is not there yet is found without being made.
func TestFindCacheMakesNothing(t *testing.T) {
	top := openDir(t)
	t.Setenv("LKBENCH_CACHE", filepath.Join(top, "a", "b"))
	c, err := FindCache()
	if err != nil {
		t.Fatal(err)
	}
	if c.Exists || c.Ground != top || c.Dir != filepath.Join(top, "a", "b") {
		t.Errorf("got %+v", c)
	}
	if _, err := os.Stat(filepath.Join(top, "a")); !os.IsNotExist(err) {
		t.Errorf("it was made: %v", err)
	}
	t.Setenv("LKBENCH_CACHE", top)
	if c, err = FindCache(); err != nil || !c.Exists || c.Ground != top {
		t.Errorf("one that is there: %+v, %v", c, err)
	}
}

// What makes a cache unusable is told: a file in its place, for root a directory that is closed for PostgreSQL's user,
// for others one that cannot be written.
func TestFindCacheThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(openDir(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", file)
	if _, err := FindCache(); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a file: %v", err)
	}
	closed := filepath.Join(openDir(t), "closed")
	mode, want := os.FileMode(0o500), "permission denied"
	if os.Geteuid() == 0 {
		mode, want = 0o700, "for whom "+closed+" is closed"
	}
	if err := os.Mkdir(closed, mode); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", filepath.Join(closed, "cache"))
	if _, err := FindCache(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "LKBENCH_CACHE=DIR") {
		t.Errorf("a closed directory: %v", err)
	}
}

// openDir is a temporary directory through which everybody may pass.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "inventory-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Workspaces tells the living from the dead, and a look at them changes neither.
func TestWorkspaces(t *testing.T) {
	t.Setenv("LKBENCH_CACHE", openDir(t))
	look := func(wantLive, wantDead int) {
		t.Helper()
		live, dead, err := Workspaces(t.Context())
		if err != nil || len(live) != wantLive || len(dead) != wantDead {
			t.Fatalf("live %v, dead %v, %v; want %d and %d", live, dead, err, wantLive, wantDead)
		}
	}
	look(0, 0)
	w, err := NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	look(1, 0)
	w.owner.Close() // as the death of the process does
	look(0, 1)
	look(0, 1)
	swept, err := Sweep(t.Context(), nil)
	if err != nil || len(swept) != 1 {
		t.Fatalf("a look at it keeps it from being swept: %v, %v", swept, err)
	}
	look(0, 0)
}

// A port that is taken does not count as free.
func TestFreePorts(t *testing.T) {
	first, last := Ports()
	if first >= last || first < 1024 || last >= 32768 {
		t.Errorf("ports %d to %d", first, last)
	}
	if free := FreePorts(50); free == 0 || free > 50 {
		t.Errorf("%d of 50 ports are free", free)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if portFree(l.Addr().(*net.TCPAddr).Port) {
		t.Error("a port that is taken counts as free")
	}
}

// Installed programs that a start would refuse are refused here too.
func TestPostgresCachedRefusesOldPrograms(t *testing.T) {
	bin := openDir(t)
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) 14.9'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LKBENCH_POSTGRES_BIN", bin)
	_, _, here, err := PostgresCached()
	if here || err == nil || !strings.Contains(err.Error(), "LKBENCH_POSTGRES_BIN="+bin+": PostgreSQL 14.9 is too old") {
		t.Errorf("got %v, %v", here, err)
	}
}
