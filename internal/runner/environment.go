package runner

import (
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"lkbench/results"
)

// Machine describes where the run took place. What cannot be read is left empty: it describes, it decides nothing.
func Machine(command []string, version string) results.Environment {
	e := results.Environment{
		Command: command, Version: version, GoVersion: runtime.Version(),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(),
	}
	if kernel, err := host.KernelVersion(); err == nil {
		e.Kernel = kernel
	}
	if cpus, err := cpu.Info(); err == nil && len(cpus) > 0 {
		e.CPU = cpus[0].ModelName
	}
	if m, err := mem.VirtualMemory(); err == nil {
		e.MemoryBytes = int64(m.Total)
	}
	return e
}
