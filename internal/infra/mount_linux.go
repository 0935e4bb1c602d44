package infra

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/mem"
	"golang.org/x/sys/unix"

	"lkbench/internal/proc"
)

// mountMemory makes a directory that is a file system in memory, of that many bytes and for owner alone. It goes with the
// workspace that it lies in.
func mountMemory(dir string, size int64, owner *proc.Owner) error {
	if owner == nil { // not root
		return errors.New("give the database a disk of its own: only root can mount one; run lkbench as root")
	}
	memory, err := mem.VirtualMemory()
	if err != nil {
		return fmt.Errorf("give the database a disk of its own: %w", err)
	}
	if err := roomFor(size, memory.Available); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("give the database a disk of its own: %w", err)
	}
	options := fmt.Sprintf("size=%d,mode=0700,uid=%d,gid=%d", size, owner.UID, owner.GID)
	if err := unix.Mount("lkbench", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("give the database a disk of its own: mount a tmpfs at %s: %w", dir, err)
	}
	return nil
}

// besideDisk is the memory in bytes that must be left when a disk in memory is full.
const besideDisk = 1 << 30

// roomFor refuses a disk in memory that would, when it is full, leave too little for everything else.
func roomFor(size int64, available uint64) error {
	if needs := uint64(size) + besideDisk; available < needs {
		return fmt.Errorf("give the database a disk of its own: it lies in memory and needs %d MiB of it, of which %d MiB are available", needs>>20, available>>20)
	}
	return nil
}

// unmountBelow takes away all file systems that are mounted below a directory, the deepest first. One that is still in use
// vanishes from the tree at once, and goes when its last user does.
func unmountBelow(dir string) error {
	dir, err := filepath.EvalSymlinks(dir) // as the kernel names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for file systems below: %w", err)
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for file systems below %s: %w", dir, err)
	}
	for _, mount := range slices.Backward(mountsBelow(string(text), dir)) {
		if err := unix.Unmount(mount, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}
	return nil
}

// mountsBelow reads the mount points below a directory from the text of mountinfo, in the order in which they were mounted.
func mountsBelow(mountinfo, dir string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	const point = 4 // of the fields of a line
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) <= point {
			continue
		}
		if mount := unescape.Replace(fields[point]); strings.HasPrefix(mount, dir+"/") {
			found = append(found, mount)
		}
	}
	return found
}
