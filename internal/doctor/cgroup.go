package doctor

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// controlGroups are the directories of the control groups that hold this process for a controller, from its own to the
// topmost that can be seen; none where there are no control groups. root is the root of the file system.
func controlGroups(root fs.FS, controller string) []string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var dirs []string
	for row := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(row), ":", 3) // number:controllers:path
		if len(fields) != 3 {
			continue
		}
		mount := "sys/fs/cgroup"
		switch {
		case fields[1] == "": // version 2
			if _, err := fs.Stat(root, "sys/fs/cgroup/cgroup.controllers"); err != nil {
				continue // mounted beside version 1, without controllers
			}
		case slices.Contains(strings.Split(fields[1], ","), controller):
			mount = controllerMount(root, fields[1], controller)
		default:
			continue
		}
		// In a container the path may be the host's, of which the mount shows only the end: what is not there is passed over.
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			dir := path.Join(mount, at)
			if _, err := fs.Stat(root, dir); err == nil {
				dirs = append(dirs, dir)
			}
			if at == "/" {
				break
			}
		}
	}
	return dirs
}

// controllerMount is where a hierarchy of version 1 is mounted: under the name of one controller or of all together.
func controllerMount(root fs.FS, together, one string) string {
	joined := "sys/fs/cgroup/" + together
	if _, err := fs.Stat(root, joined); err == nil {
		return joined
	}
	return "sys/fs/cgroup/" + one
}
