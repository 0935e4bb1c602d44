package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	ballastName  = "lkbench-ballast" // PostgreSQL leaves alone what it does not know
	ballastEvery = 20 * time.Millisecond
)

// DiskFull fills the database's disk for For, also what the server frees meanwhile, and then gives the room back. PostgreSQL
// refuses statements, and ends if it cannot write its log; then it is started again.
type DiskFull struct {
	For time.Duration
}

// Inject implements Fault. The effect is the first refusal of the file system to write one byte more; detected is the end of
// the server, if it ended.
func (d DiskFull) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("disk", "database")
	if w.Database == nil {
		return out, noEffect("the database is somebody else's")
	}
	if err := ownDisk(w.Database.DataDir); err != nil {
		return out, noEffect("%w", err)
	}
	path := filepath.Join(w.Database.DataDir, ballastName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return out, noEffect("make the ballast: %w", err)
	}
	ended := w.Database.Done()
	seen := func() {
		select {
		case <-ended:
			if out.Detected < 0 {
				out.Detected = w.Now()
			}
		default:
		}
	}
	written, err := fill(ctx, file)
	if err == nil {
		out.Effect = w.Now()
	} else if ctx.Err() == nil {
		err = noEffect("fill the disk: %w", err)
	}
	for end := out.Effect + d.For; err == nil && w.Now() < end; {
		if err = hold(ctx, min(ballastEvery, end-w.Now())); err != nil {
			break
		}
		var more int64
		more, err = fill(ctx, file)
		written += more
		seen()
	}
	seen()
	err = errors.Join(err, file.Close(), os.Remove(path))
	out.End = w.Now()
	out.What = fmt.Sprintf("%d MiB written until there was no space left on the database's disk", written>>20)
	if out.Detected >= 0 {
		out.What += "; the server ended"
	}
	return out, errors.Join(err, w.revive(ctx))
}

// fill writes until the file system has no space for one byte more.
func fill(ctx context.Context, file *os.File) (written int64, err error) {
	block := make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := file.Write(block)
		written += int64(n)
		switch {
		case err == nil:
		case !errors.Is(err, syscall.ENOSPC):
			return written, err
		case len(block) == 1:
			return written, nil
		default:
			block = block[:len(block)/2]
		}
	}
	return written, cut(ctx)
}
