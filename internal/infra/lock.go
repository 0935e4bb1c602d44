package infra

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile opens and locks a file; it waits for another process that holds the lock. Closing the file releases it. Children do
// not inherit it, because Go closes descriptors on exec.
func lockFile(path string) (*os.File, error) {
	f, _, err := lock(path, syscall.LOCK_EX)
	return f, err
}

// tryLockFile is lockFile without waiting; it says whether the lock was free.
func tryLockFile(path string) (f *os.File, free bool, err error) {
	return lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
}

func lock(path string, how int) (*os.File, bool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return f, true, nil
		}
		if err == syscall.EINTR {
			continue
		}
		f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("lock %s: %w", path, err)
	}
}
