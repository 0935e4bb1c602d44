package infra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v4/disk"
)

// littleSpace is less than a Kafka and a PostgreSQL need to start. A broker maps its files into memory and may die of a
// full disk without naming it.
const littleSpace = 100 << 20

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
	return fmt.Errorf("%w\nthe disk that holds %s is full%s; free some space, or let LKBENCH_CACHE name a directory on another disk", err, dir, left)
}
