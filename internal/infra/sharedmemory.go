package infra

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseSharedMemory removes the few bytes of System V shared memory that a PostgreSQL killed with SIGKILL leaves in the
// kernel; a server that ends by itself has removed them, and its postmaster.pid too. macOS has room for 32 of them.
func releaseSharedMemory(dataDir string) {
	pid, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return // ended in order, or never started
	}
	const line = 6 // of postmaster.pid: key and identifier of the segment
	lines := strings.Split(string(pid), "\n")
	if len(lines) <= line {
		return // killed before it had one
	}
	fields := strings.Fields(lines[line])
	if len(fields) != 2 {
		return
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return
	}
	var segment unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err == nil && segment.Nattch == 0 {
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}
