//go:build !linux

package loadgen

import "time"

func sleepFinely(d time.Duration) { time.Sleep(d) }
