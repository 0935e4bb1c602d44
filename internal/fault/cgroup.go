package fault

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lkbench/internal/proc"
)

// groupPrefix begins the names of our control groups; the id of the process that made one follows.
const groupPrefix = "lkbench-"

// The controllers, by their names in version 1 and in version 2.
var (
	memoryController = controller{"memory", "memory"}
	diskController   = controller{"blkio", "io"}
)

type controller struct{ v1, v2 string }

// group is a control group of ours with one controller.
type group struct {
	dir  string
	home string // where its processes go when it is removed
	v2   bool
}

// newGroup makes a control group below root, the root of the file system. Of version 1 it lies in this process's own group, so
// that limits from outside hold in it too; version 2 allows groups with controllers only beside processes at the top.
func newGroup(root string, c controller, name string) (*group, error) {
	g, err := findGroup(root, c)
	if err != nil {
		return nil, err
	}
	removeStale(filepath.Dir(g.dir))
	g.dir += strconv.Itoa(os.Getpid()) + "-" + name
	if g.v2 {
		// Already there is no error.
		if err := os.WriteFile(filepath.Join(filepath.Dir(g.dir), "cgroup.subtree_control"), []byte("+"+c.v2), 0o644); err != nil {
			return nil, fmt.Errorf("give control groups the controller %s: %w", c.v2, err)
		}
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	return g, nil
}

// findGroup says where a control group of ours would lie: its dir is all but the end of its name.
func findGroup(root string, c controller) (*group, error) {
	mounts := filepath.Join(root, "sys/fs/cgroup")
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil, fmt.Errorf("no control groups here: %w", err)
	}
	for row := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(row), ":", 3) // number:controllers:path
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "" {
			names, err := os.ReadFile(filepath.Join(mounts, "cgroup.controllers"))
			if err == nil && slices.Contains(strings.Fields(string(names)), c.v2) {
				return &group{dir: filepath.Join(mounts, groupPrefix), home: orTop(mounts, fields[2]), v2: true}, nil
			}
		} else if slices.Contains(strings.Split(fields[1], ","), c.v1) {
			mount := filepath.Join(mounts, fields[1])
			if _, err := os.Stat(mount); err != nil {
				mount = filepath.Join(mounts, c.v1)
			}
			home := orTop(mount, fields[2])
			return &group{dir: filepath.Join(home, groupPrefix), home: home}, nil
		}
	}
	return nil, fmt.Errorf("no control groups with a controller for %s here", c.v1)
}

// orTop is a group's directory, or the topmost that can be seen: in a container the path may be the host's.
func orTop(mount, path string) string {
	dir := filepath.Join(mount, path)
	if _, err := os.Stat(dir); err != nil {
		return mount
	}
	return dir
}

// removeStale removes the empty groups of harnesses that were killed.
func removeStale(dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, groupPrefix+"*"))
	for _, path := range found {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), groupPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil {
			if _, err := proc.Identify(n); err != nil {
				_ = os.Remove(path) // one that has processes stays
			}
		}
	}
}

// set writes one of the group's files.
func (g *group) set(name, value string) error {
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0o644); err != nil {
		return fmt.Errorf("set a limit of a control group: %w", err)
	}
	return nil
}

// take puts processes, and those that they start from now on, into the group. One that ended meanwhile is no error.
func (g *group) take(ids []proc.Identity) error {
	return moveTo(g.dir, ids)
}

func moveTo(dir string, ids []proc.Identity) error {
	var errs []error
	for _, id := range ids {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(id.PID)), 0o644); err != nil && id.Alive() {
			errs = append(errs, fmt.Errorf("move process %d to the control group %s: %w", id.PID, dir, err))
		}
	}
	return errors.Join(errs...)
}

// members are the processes in the group.
func (g *group) members() ([]proc.Identity, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read the processes of a control group: %w", err)
	}
	var ids []proc.Identity
	for _, line := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("read the processes of a control group: %w", err)
		}
		if id, err := proc.Identify(pid); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// holds says whether all of the processes that live are in the group.
func (g *group) holds(ids []proc.Identity) (bool, error) {
	members, err := g.members()
	for _, id := range ids {
		if id.Alive() && !slices.Contains(members, id) {
			return false, err
		}
	}
	return err == nil, err
}

// remove moves the group's processes home and removes it.
func (g *group) remove() error {
	const tries = 100 // a process may start another while the list is read
	for range tries {
		ids, err := g.members()
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		if err := moveTo(g.home, ids); err != nil {
			return err
		}
	}
	if err := os.Remove(g.dir); err != nil {
		return fmt.Errorf("remove a control group: %w", err)
	}
	return nil
}

// count reads a number of the group: of a file of lines "key number", or of a file that is a number where key is "".
func (g *group) count(file, key string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0, fmt.Errorf("read a control group: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if key != "" && len(fields) == 2 && fields[0] == key || key == "" && len(fields) == 1 {
			return strconv.ParseInt(fields[len(fields)-1], 10, 64)
		}
	}
	return 0, fmt.Errorf("read a control group: %s has no %q", file, key)
}
