package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	leastDisk  = 1 << 30 // a short run's topic, database and write-ahead log
	enoughDisk = 5 << 30 // the same of a long one, with evidence

	nothingIsThatFast = 10 * time.Microsecond // the fastest disks take some tens
	slowSync          = 20 * time.Millisecond // a disk that turns, and more
)

// diskCheck judges the space for the cache and the runs below it.
func diskCheck(dir string, free uint64) Check {
	c := Check{Name: "disk", Status: OK, Found: fmt.Sprintf("%s free for %s", bytes(free), dir), Measured: map[string]float64{"free_bytes": float64(free)}}
	const do = "make room, or set LKBENCH_CACHE to a directory on a larger disk"
	switch {
	case free < leastDisk:
		c.Status, c.Do = Missing, do
	case free < enoughDisk:
		c.Status, c.Do = Warning, do
	}
	return c
}

// fileSystemCheck judges the kind of file system below the cache.
func fileSystemCheck(dir, kind string) Check {
	c := Check{Name: "file_system", Status: OK, Found: fmt.Sprintf("%s below %s", kind, dir)}
	const do = "set LKBENCH_CACHE to a directory on a disk of this machine"
	name := strings.ToLower(kind)
	switch {
	case slices.Contains([]string{"tmpfs", "ramfs", "devtmpfs", "zram"}, name):
		c.Status, c.Do = Warning, do
		c.Found += ": it lies in memory, so what PostgreSQL makes durable costs nothing, and takes memory from the run"
	case slices.Contains([]string{"nfs", "nfs4", "cifs", "smb", "smbfs", "smb2", "9p", "v9fs", "fuse", "fuseblk", "virtiofs", "afs", "ceph", "vboxsf", "osxfuse", "macfuse"}, name):
		c.Status, c.Do = Warning, do
		c.Found += ": it goes through a network or another program, whose speed is measured with every commit"
	}
	return c
}

// syncCheck judges how long a write takes until it is on the disk, which each commit of PostgreSQL waits for.
func syncCheck(sorted []time.Duration) Check {
	median, worst := sorted[len(sorted)/2], sorted[len(sorted)-1]
	c := Check{Name: "disk_sync", Status: OK, Found: fmt.Sprintf("a write is on the disk after %v (median of %d), %v at worst", short(median), len(sorted), short(worst)),
		Measured: map[string]float64{"median_ms": ms(median), "max_ms": ms(worst)}}
	switch {
	case median < nothingIsThatFast:
		c.Status, c.Do = Warning, "nothing is made durable here, so commits cost less than elsewhere: compare only with runs of this disk, or set LKBENCH_CACHE to a directory on a real one"
	case median > slowSync:
		c.Status, c.Do = Warning, "every commit waits for it: a faster disk (LKBENCH_CACHE names a directory on it), or nothing else that writes meanwhile"
	}
	return c
}

// short rounds a duration to three digits or so.
func short(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
