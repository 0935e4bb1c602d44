package infra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v4/disk"
)

// littleSpace in bytes is what a Kafka and a PostgreSQL need to start, roughly. A broker must not start with less: it maps
// its files into memory, starts on a full disk, and dies of it in the middle of a run without naming it.
const littleSpace = 100 << 20

// needSpace is an error where a broker in dir would soon fill the disk.
func needSpace(ctx context.Context, dir string) error {
	usage, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return fmt.Errorf("find out how much space %s has: %w", dir, err)
	}
	if usage.Free < littleSpace {
		return fmt.Errorf("a broker needs %d MB to start: %w", littleSpace>>20, syscall.ENOSPC)
	}
	return nil
}

// explainSpace adds to the error of a start in dir, if a full disk is why, what can be done.
func explainSpace(ctx context.Context, dir string, err error) error {
	usage, unknown := disk.UsageWithContext(ctx, dir)
	full := errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), syscall.ENOSPC.Error()) ||
		strings.Contains(err.Error(), "No space left on device")
	if unknown != nil && !full {
		return err
	}
	left := ""
	if unknown == nil {
		if !full && usage.Free >= littleSpace {
			return err
		}
		left = fmt.Sprintf(": %d MB of %d MB are free", usage.Free>>20, usage.Total>>20)
	}
	return fmt.Errorf("%w\nthe disk that holds %s has too little space%s; free some space, or let LKBENCH_CACHE name a directory on another disk", err, dir, left)
}
