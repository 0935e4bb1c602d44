package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sys/unix"

	"lkbench/internal/infra"
)

// machineProbes look at this machine. root is the root of the file system.
func machineProbes(root fs.FS) []MachineProbe {
	probes := []MachineProbe{
		{[]string{"cpu"}, func(ctx context.Context) ([]Check, error) {
			all, err := cpu.CountsWithContext(ctx, true)
			if err != nil {
				return nil, err
			}
			model := "CPU"
			if infos, err := cpu.InfoWithContext(ctx); err == nil && len(infos) > 0 && infos[0].ModelName != "" {
				model = strings.TrimSpace(infos[0].ModelName)
			}
			return one(cpuCheck(model, runtime.NumCPU(), all)), nil
		}},
		{[]string{"memory"}, func(ctx context.Context) ([]Check, error) {
			m, err := mem.VirtualMemoryWithContext(ctx)
			if err != nil {
				return nil, err
			}
			return one(memoryCheck(root, m.Total, m.Available)), nil
		}},
		{[]string{"swap"}, func(ctx context.Context) ([]Check, error) {
			s, err := mem.SwapMemoryWithContext(ctx)
			if err != nil {
				return nil, err
			}
			return one(swapCheck(s.Total, s.Used)), nil
		}},
		{[]string{cacheName, "disk", "file_system", "disk_sync"}, lookAtCache},
		{[]string{"workspaces"}, func(ctx context.Context) ([]Check, error) {
			live, dead, err := infra.Workspaces(ctx)
			if err != nil {
				return nil, err
			}
			return one(workspacesCheck(len(live), len(dead))), nil
		}},
		{[]string{portsName}, func(context.Context) ([]Check, error) {
			first, last := infra.Ports()
			return one(portsCheck(first, last, portsTried, infra.FreePorts(portsTried), outgoingPort(root))), nil
		}},
		{[]string{"open_files"}, func(context.Context) ([]Check, error) {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return nil, err
			}
			return one(filesCheck(limit.Max)), nil
		}},
		{[]string{"clock"}, func(context.Context) ([]Check, error) {
			step, cost := readClock()
			return one(clockCheck(root, step, cost)), nil
		}},
		{[]string{"time_sync"}, func(context.Context) ([]Check, error) { return one(syncedCheck(timeSync())), nil }},
	}
	return append(probes, systemProbes(root)...)
}

func one(c Check) []Check { return []Check{c} }

// cacheName is the check of the directory that holds everything.
const cacheName = "cache"

// lookAtCache looks at the cache directory and the disk below it.
func lookAtCache(ctx context.Context) ([]Check, error) {
	cache, err := infra.FindCache()
	if err != nil {
		checks := one(failed(cacheName, err, "LKBENCH_CACHE=DIR names another one"))
		for _, name := range []string{"disk", "file_system", "disk_sync"} {
			checks = append(checks, Check{Name: name, Status: NotChecked, Found: "no cache directory"})
		}
		return checks, nil
	}
	found := cache.Dir
	if !cache.Exists {
		found += ", to be made at the first use"
	}
	checks := one(Check{Name: cacheName, Status: OK, Found: found})
	space, err := disk.UsageWithContext(ctx, cache.Ground)
	if err != nil {
		return nil, err
	}
	checks = append(checks, diskCheck(cache.Dir, space.Free), fileSystemCheck(cache.Dir, fileSystem(ctx, cache.Ground, space.Fstype)))
	if times, err := syncTimes(cache.Ground); err != nil {
		checks = append(checks, Check{Name: "disk_sync", Status: Unknown, Found: err.Error()})
	} else {
		checks = append(checks, syncCheck(times))
	}
	return checks, nil
}

// fileSystem is the kind of the file system that is mounted at or above dir: what the mount says, since ext2, ext3 and
// ext4 give themselves the same number; otherwise is for where the mounts do not tell.
func fileSystem(ctx context.Context, dir, otherwise string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	mounts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return otherwise
	}
	longest := ""
	for _, m := range mounts {
		if below(dir, m.Mountpoint) && len(m.Mountpoint) >= len(longest) { // of several at one place the last is seen
			longest, otherwise = m.Mountpoint, m.Fstype
		}
	}
	return otherwise
}

func below(dir, top string) bool {
	return dir == top || strings.HasPrefix(dir, strings.TrimSuffix(top, "/")+"/")
}

// syncTimes measures how long small writes take until they are on the disk, in order of size. Its file has no name, so
// nothing is left of it whatever happens.
func syncTimes(dir string) ([]time.Duration, error) {
	const writes, budget = 15, 300 * time.Millisecond
	f, err := os.CreateTemp(dir, "doctor-")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	var times []time.Duration
	page := make([]byte, 8192)
	for began := time.Now(); len(times) < writes && (len(times) == 0 || time.Since(began) < budget); {
		wrote := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(wrote))
	}
	slices.Sort(times)
	return times, nil
}

// quietProbe measures what is noisy: for as long as the sleeps take it looks at what everybody else does.
func quietProbe() MachineProbe {
	names := []string{"load", "steal", "other_processes", "timer"}
	return MachineProbe{names, func(ctx context.Context) ([]Check, error) {
		average, averageErr := load.AvgWithContext(ctx)
		before, beforeErr := readUsage(ctx)
		cpuBefore, err1 := cpu.TimesWithContext(ctx, false)
		began := time.Now()
		lateness := sleepLateness()
		took := time.Since(began)
		cpuAfter, err2 := cpu.TimesWithContext(ctx, false)
		after, afterErr := readUsage(ctx)

		checks := make([]Check, 0, len(names))
		add := func(name string, err error, judge func() Check) {
			if err != nil {
				checks = append(checks, Check{Name: name, Status: Unknown, Found: err.Error()})
				return
			}
			checks = append(checks, judge())
		}
		add("load", averageErr, func() Check { return loadCheck(average.Load1, average.Load5, runtime.NumCPU()) })
		add("steal", errors.Join(err1, err2), func() Check {
			if runtime.GOOS != "linux" {
				return Check{Name: "steal", Status: Unknown, Found: "this system does not tell"}
			}
			return stealCheck(stolen(cpuBefore[0], cpuAfter[0]), stolen(cpu.TimesStat{}, cpuAfter[0]))
		})
		add("other_processes", errors.Join(beforeErr, afterErr), func() Check {
			found := between(before, after, took)
			for i := range found {
				// Only those that count are named: a name is one more file to read.
				if found[i].share > busyProcess {
					found[i].name = processName(ctx, found[i].pid)
				}
			}
			return processesCheck(found)
		})
		add("timer", nil, func() Check { return timerCheck(lateness) })
		return checks, nil
	}}
}

// processName is a program's name without its arguments, which may hold secrets.
func processName(ctx context.Context, pid int32) string {
	name, err := (&process.Process{Pid: pid}).NameWithContext(ctx)
	if err != nil {
		return "a process"
	}
	return name
}
