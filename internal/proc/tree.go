package proc

import (
	"errors"
	"fmt"
	"syscall"
)

// Identity names a process for ever: a process id is used again, but not with the same start.
type Identity struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // when it started, in the kernel's own terms; compare for equality only
}

// entry is one line of the process table.
type entry struct {
	Identity
	parent int
	zombie bool
}

// Identify gives the identity of a running process.
func Identify(pid int) (Identity, error) {
	e, err := lookup(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("look up process %d: %w", pid, err)
	}
	return e.Identity, nil
}

// Alive says whether the process still runs. One that has ended but is not waited for by its parent does not.
func (id Identity) Alive() bool {
	e, err := lookup(id.PID)
	return err == nil && e.Identity == id && !e.zombie
}

// Descendants lists the children of a process, their children, and so on.
func Descendants(pid int) ([]Identity, error) {
	table, err := processes()
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	children := make(map[int][]Identity)
	for _, e := range table {
		children[e.parent] = append(children[e.parent], e.Identity)
	}
	var found []Identity
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			found = append(found, child)
			queue = append(queue, child.PID)
		}
	}
	return found, nil
}

// KillTree ends a process and all its descendants with SIGKILL. One that has ended already is no error, but then its
// descendants cannot be found.
func KillTree(root Identity) error { return SignalTree(root, syscall.SIGKILL) }

// SignalTree sends a signal to a process and all its descendants. For SIGSTOP and SIGKILL the process is stopped first, so
// that it starts no more of them meanwhile. One that has ended already is no error.
func SignalTree(root Identity, sig syscall.Signal) error {
	if !root.Alive() {
		return nil
	}
	if sig == syscall.SIGSTOP || sig == syscall.SIGKILL {
		_ = kill(root, syscall.SIGSTOP)
	}
	tree, err := Descendants(root.PID)
	errs := []error{err}
	for _, id := range append(tree, root) {
		errs = append(errs, kill(id, sig))
	}
	return errors.Join(errs...)
}

// kill signals a process if it still is the one that was meant.
func kill(id Identity, sig syscall.Signal) error {
	if !id.Alive() {
		return nil
	}
	if err := syscall.Kill(id.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}
