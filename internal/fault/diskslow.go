package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"lkbench/internal/proc"
)

const (
	slowWrites  = 25 // that the disk does for the database in a second
	slowFactor  = 3  // by which commits must become slower
	slowCommits = 5  // of which the median is taken
)

// DiskSlow lets the database write to its disk only 25 times a second for For, by a control group: every commit then waits
// for a write of some tens of milliseconds, as on a disk that is worn or shared.
type DiskSlow struct {
	For time.Duration
}

// Inject implements Fault. It took effect if the median time of a commit, measured by a session of the fault's own, rose at
// least threefold.
func (d DiskSlow) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("disk", "database")
	if w.Database == nil {
		return out, noEffect("the database is somebody else's")
	}
	device, err := diskOf("/", w.Database.DataDir)
	if err != nil {
		return out, noEffect("%w", err)
	}
	targets, _, err := w.find("database")
	if err != nil {
		return out, err
	}
	roots, err := running(ctx, targets[0])
	if err != nil {
		return out, err
	}
	before, err := w.commitTime(ctx)
	if err != nil {
		return out, noEffect("measure a commit: %w", err)
	}
	g, err := newGroup("/", diskController, "disk")
	if err != nil {
		return out, noEffect("%w", err)
	}
	slowed := w.Now()
	err = d.slow(g, device, roots)
	var during time.Duration
	if err == nil {
		during, err = w.commitTime(ctx)
	}
	if err == nil && during < slowFactor*before {
		err = fmt.Errorf("expected at least %d times as long", slowFactor)
	}
	out.What = fmt.Sprintf("%d writes a second to disk %s: a commit took %s before and %s then", slowWrites, device, millis(before), millis(during))
	if err == nil {
		out.Effect = slowed
		err = hold(ctx, d.For-(w.Now()-slowed))
	} else if ctx.Err() == nil {
		err = noEffect("%s: %w", out.What, err)
	}
	out.End = w.Now()
	return out, errors.Join(err, g.remove())
}

// slow puts the limit and then the processes into the group; new ones are born there.
func (d DiskSlow) slow(g *group, device string, roots []proc.Identity) error {
	file, value := "blkio.throttle.write_iops_device", fmt.Sprintf("%s %d", device, slowWrites)
	if g.v2 {
		file, value = "io.max", fmt.Sprintf("%s wiops=%d", device, slowWrites)
	}
	if err := g.set(file, value); err != nil {
		return err
	}
	all, err := tree(roots)
	if err != nil {
		return err
	}
	return g.take(all)
}

// diskOf gives the numbers major:minor of the disk that a directory lies on; limits are for disks, not for their partitions.
func diskOf(root, dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("the disk below %s cannot be found out", dir)
	}
	return wholeDisk(root, unix.Major(uint64(stat.Dev)), unix.Minor(uint64(stat.Dev)), dir)
}

func wholeDisk(root string, major, minor uint32, dir string) (string, error) {
	path := filepath.Join(root, "sys/dev/block", fmt.Sprintf("%d:%d", major, minor))
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%s lies on no disk of this machine (device %d:%d)", dir, major, minor)
	}
	if _, err := os.Stat(filepath.Join(resolved, "partition")); err == nil {
		resolved = filepath.Dir(resolved)
	}
	numbers, err := os.ReadFile(filepath.Join(resolved, "dev"))
	return strings.TrimSpace(string(numbers)), err
}

// commitTime is the median time of a commit that writes to the log and to no table. Followers of the log do not see it unless
// they ask for messages.
func (w *World) commitTime(ctx context.Context) (time.Duration, error) {
	conn, err := w.session(ctx, false)
	if err != nil {
		return 0, err
	}
	defer leave(ctx, conn)
	times := make([]time.Duration, slowCommits)
	for i := range times {
		began := time.Now()
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_logical_emit_message(true, 'lkbench', '')")
			return err
		})
		if err != nil {
			return 0, err
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
