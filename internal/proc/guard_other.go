//go:build !linux

package proc

import "syscall"

// adoptOrphans does nothing: only Linux has it.
func adoptOrphans() {}

// setDeathSignal does nothing: only Linux has it.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
