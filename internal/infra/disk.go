package infra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// maxDiskEntries bounds what diskUse looks at: a database cluster has some thousand files.
const maxDiskEntries = 200_000

// diskUse is the space in bytes that the files of a directory tree take on disk (blocks allocated, not lengths: a log file
// made in advance may be sparse). Files that vanish meanwhile are left out. It fails when ctx ends or the tree has more than
// 200,000 entries.
func diskUse(ctx context.Context, root string) (int64, error) {
	var sum int64
	entries := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && entries >= maxDiskEntries {
			err = fmt.Errorf("more than %d entries", maxDiskEntries)
		}
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		entries++
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += stat.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("disk use of %s: %w", root, err)
	}
	return sum, nil
}
