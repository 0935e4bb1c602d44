package doctor

import (
	"syscall"
	"time"
)

// sleep sleeps as the load generator does: in the kernel, because the runtime's timers wait in whole milliseconds.
func sleep(d time.Duration) {
	rest := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&rest, &rest) == syscall.EINTR {
	}
}
