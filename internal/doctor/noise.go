package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"
)

const (
	busyLoad    = 0.25 // load average a CPU above which somebody else works here
	busyProcess = 0.10 // of one CPU
	busyShown   = 3
	stealLimit  = 0.01 // share of all CPU time
)

// loadCheck judges the load average: how many threads ran or waited to, over the last minute.
func loadCheck(load1, load5 float64, cpus int) Check {
	c := Check{Name: "load", Status: OK, Found: fmt.Sprintf("%.2f over 1 min, %.2f over 5 min, on %s", load1, load5, count(cpus, "CPU")),
		Measured: map[string]float64{"load_1m": load1, "load_5m": load5}}
	if load1 > busyLoad*float64(cpus) {
		c.Status, c.Do = Warning, "wait until it has fallen, or end what works here (see other_processes)"
	}
	return c
}

// busy is a process and what it used, as a share of one CPU.
type busy struct {
	pid   int32
	name  string
	share float64
}

// processesCheck judges what other processes do.
func processesCheck(found []busy) Check {
	c := Check{Name: "other_processes", Status: OK, Found: "none uses more than 10% of a CPU"}
	slices.SortFunc(found, func(a, b busy) int { return cmp.Compare(b.share, a.share) })
	var names []string
	sum := 0.0
	for _, b := range found {
		sum += b.share
		if b.share > busyProcess {
			names = append(names, fmt.Sprintf("%s (%d) %.0f%%", b.name, b.pid, b.share*100))
		}
	}
	c.Measured = map[string]float64{"cpus": sum}
	if len(names) == 0 {
		return c
	}
	rest := ""
	if len(names) > busyShown {
		rest = fmt.Sprintf(" and %d more", len(names)-busyShown)
		names = names[:busyShown]
	}
	c.Status, c.Do = Warning, "they take processors from what is measured: end them, or wait"
	c.Found = "of one CPU: " + strings.Join(names, ", ") + rest
	return c
}

// stealCheck judges the time for which this virtual machine was ready to run and its host let others.
func stealCheck(now, sinceBoot float64) Check {
	c := Check{Name: "steal", Status: OK, Found: fmt.Sprintf("%.1f%% of the CPU time went to other machines of this host just now, %.1f%% since the boot", now*100, sinceBoot*100),
		Measured: map[string]float64{"now_share": now, "boot_share": sinceBoot}}
	if now > stealLimit || sinceBoot > stealLimit {
		c.Status, c.Do = Warning, "results depend on the neighbours: repeat runs and alternate what is compared, or take a machine with dedicated CPUs"
	}
	return c
}

// usage is what processes had used at a moment, in seconds of CPU.
type usage map[int32]float64

func readUsage(ctx context.Context) (usage, error) {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	u := usage{}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// One that has gone, or may not be looked at, is left out. NewProcess would look at more of it.
		if t, err := (&process.Process{Pid: pid}).TimesWithContext(ctx); err == nil {
			u[pid] = t.User + t.System
		}
	}
	return u, nil
}

// between gives what the processes that are in both used in the meantime, this one left out.
func between(before, after usage, d time.Duration) []busy {
	var found []busy
	for pid, end := range after {
		if begin, ok := before[pid]; ok && int(pid) != os.Getpid() && end > begin {
			found = append(found, busy{pid: pid, share: (end - begin) / d.Seconds()})
		}
	}
	return found
}

// stolen is the share of all CPU time that the host gave to others.
func stolen(before, after cpu.TimesStat) float64 {
	// Guests' time is part of User.
	all := func(t cpu.TimesStat) float64 {
		return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
	}
	total := all(after) - all(before)
	if total <= 0 {
		return 0
	}
	return max(0, after.Steal-before.Steal) / total
}
