package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// DatabaseDisk is the size in bytes of the disk that the database gets for a run with the fault disk-full: room for the
// run, and filled within a second or two.
const DatabaseDisk int64 = 2 << 30

// ownDisk says whether a directory is a file system of its own: only such a one may be filled.
func ownDisk(dir string) error {
	device := func(path string) (uint64, error) {
		info, err := os.Lstat(path)
		if err != nil {
			return 0, err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return 0, errors.New("its device cannot be found out")
		}
		return uint64(stat.Dev), nil
	}
	own, err := device(dir)
	if err != nil {
		return err
	}
	above, err := device(filepath.Dir(dir))
	if err == nil && own == above {
		err = fmt.Errorf("%s is no file system of its own: the run was started without a disk for the database", dir)
	}
	return err
}

// revive brings the database back after its disk was taken from it: it is started if it has ended, and waited for.
func (w *World) revive(ctx context.Context) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	targets, _, err := w.find("database")
	if err != nil {
		return err
	}
	for {
		select {
		case <-w.Database.Done():
			if err := start(ctx, targets[0]); err != nil {
				return err
			}
		default:
		}
		conn, err := w.session(ctx, false)
		if err == nil {
			leave(ctx, conn)
			return nil
		}
		if late := hold(ctx, sqlLook); late != nil {
			return errors.Join(late, err)
		}
	}
}
