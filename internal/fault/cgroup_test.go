package fault

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lkbench/internal/proc"
)

// fakeRoot makes a file system with these files; a name that ends in / is a directory.
func fakeRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func TestFindGroup(t *testing.T) {
	const hybrid = "9:name=systemd:/\n4:memory:/a/b\n3:cpu,blkio:/c\n0::/\n"
	for name, c := range map[string]struct {
		files      map[string]string
		controller controller
		dir, home  string
		v2         bool
	}{
		"version 1": {map[string]string{"proc/self/cgroup": hybrid, "sys/fs/cgroup/memory/a/b/": "", "sys/fs/cgroup/unified/": ""},
			memoryController, "sys/fs/cgroup/memory/a/b/lkbench-", "sys/fs/cgroup/memory/a/b", false},
		"version 1 in a container, whose path is the host's": {map[string]string{"proc/self/cgroup": hybrid, "sys/fs/cgroup/memory/": ""},
			memoryController, "sys/fs/cgroup/memory/lkbench-", "sys/fs/cgroup/memory", false},
		"version 1, controllers mounted together": {map[string]string{"proc/self/cgroup": hybrid, "sys/fs/cgroup/cpu,blkio/c/": ""},
			diskController, "sys/fs/cgroup/cpu,blkio/c/lkbench-", "sys/fs/cgroup/cpu,blkio/c", false},
		"version 2": {map[string]string{"proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/": "", "sys/fs/cgroup/cgroup.controllers": "cpu io memory\n"},
			diskController, "sys/fs/cgroup/lkbench-", "sys/fs/cgroup/user.slice", true},
		"version 2 without the controller": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "cpu\n"}, memoryController, "", "", true},
		"none":                             {nil, memoryController, "", "", false},
	} {
		root := fakeRoot(t, c.files)
		g, err := findGroup(root, c.controller)
		switch {
		case c.dir == "":
			if err == nil {
				t.Errorf("%s: found %+v", name, g)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case g.dir != filepath.Join(root, c.dir) || g.home != filepath.Join(root, c.home) || g.v2 != c.v2:
			t.Errorf("%s: found %+v", name, g)
		}
	}
}

// Of version 2, which this machine may not have: what is written where, and what is read.
func TestGroupOfVersion2(t *testing.T) {
	root := fakeRoot(t, map[string]string{
		"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "io memory\n", "sys/fs/cgroup/cgroup.subtree_control": "",
		"sys/fs/cgroup/lkbench-4000000-memory-x/": "", // of a harness that was killed: there is no such process
		"sys/fs/cgroup/lkbench-1-memory-x/":       "", // of one that lives
	})
	top := filepath.Join(root, "sys/fs/cgroup")
	g, err := newGroup(root, memoryController, "memory-x")
	if err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(top, groupPrefix+"*"))
	if want := []string{filepath.Join(top, "lkbench-1-memory-x"), g.dir}; !slices.Equal(left, want) {
		t.Errorf("groups %v, want %v", left, want)
	}
	self, err := proc.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := (&limited{group: g}).limit([]proc.Identity{self}, 1<<20); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(top, "cgroup.subtree_control"): "+memory", filepath.Join(g.dir, "memory.max"): "1048576",
		filepath.Join(g.dir, "cgroup.procs"): strconv.Itoa(os.Getpid()),
	} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
	if err := g.set("memory.events", "low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\n"); err != nil {
		t.Fatal(err)
	}
	if reached, killed, err := g.pressure(); reached != 17 || killed != 1 || err != nil {
		t.Errorf("reached %d, killed %d, %v", reached, killed, err)
	}
	if err := (DiskSlow{}).slow(g, "8:0", []proc.Identity{self}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(g.dir, "io.max")); err != nil || string(got) != "8:0 wiops=25" {
		t.Errorf("io.max holds %q, %v", got, err)
	}
}

func TestWholeDisk(t *testing.T) {
	root := fakeRoot(t, map[string]string{
		"sys/devices/sda/dev": "8:0\n", "sys/devices/sda/sda1/dev": "8:1\n", "sys/devices/sda/sda1/partition": "1\n", "sys/dev/block/": "",
	})
	for link, device := range map[string]string{"8:0": "sda", "8:1": "sda/sda1"} {
		if err := os.Symlink(filepath.Join(root, "sys/devices", device), filepath.Join(root, "sys/dev/block", link)); err != nil {
			t.Fatal(err)
		}
	}
	for minor := range uint32(2) {
		if got, err := wholeDisk(root, 8, minor, "/data"); err != nil || got != "8:0" {
			t.Errorf("device 8:%d lies on disk %q, %v; want 8:0", minor, got, err)
		}
	}
	if got, err := wholeDisk(root, 0, 42, "/data"); err == nil || !strings.Contains(err.Error(), "/data") {
		t.Errorf("a file system without a disk lies on %q, %v", got, err)
	}
}
