//go:build !linux

package infra

import (
	"errors"

	"lkbench/internal/proc"
)

// mountMemory is for Linux only.
func mountMemory(string, int64, *proc.Owner) error {
	return errors.New("give the database a disk of its own: only Linux can, as root")
}

// unmountBelow has nothing to do: nothing was mounted.
func unmountBelow(string) error { return nil }
