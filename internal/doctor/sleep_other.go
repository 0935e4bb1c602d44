//go:build !linux

package doctor

import "time"

// sleep sleeps as the load generator does.
func sleep(d time.Duration) { time.Sleep(d) }
