package proc

import (
	"fmt"
	"os"
	"syscall"
)

// socketPair gives the two ends of a connection within the machine: the child's, and the parent's, which no child inherits.
func socketPair() (child, parent *os.File, err error) {
	syscall.ForkLock.RLock() // no fork between the birth of the descriptors and their mark
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make a life line: %w", err)
	}
	// Closing it must end a read and a write that wait, which only a descriptor that does not block allows.
	if err := syscall.SetNonblock(fds[1], true); err != nil {
		_ = syscall.Close(fds[0])
		_ = syscall.Close(fds[1])
		return nil, nil, fmt.Errorf("make a life line: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "life line of a child"), os.NewFile(uintptr(fds[1]), "life line"), nil
}
