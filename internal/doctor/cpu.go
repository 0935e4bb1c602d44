package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// fewestCPUs is what load generator, broker, database and architecture must share at least.
const fewestCPUs = 2

// cpuCheck judges how many CPUs this program may use, of all that the machine has.
func cpuCheck(model string, usable, all int) Check {
	c := Check{Name: "cpu", Status: OK, Found: fmt.Sprintf("%d × %s", all, model),
		Measured: map[string]float64{"usable": float64(usable), "all": float64(all)}}
	if usable < all {
		c.Status, c.Found = Warning, fmt.Sprintf("%d of %d CPUs may be used (%s)", usable, all, model)
		c.Do = "compare only with runs that had as many; the affinity of this shell (taskset -p $$) or its cpuset limits them"
	}
	if usable < fewestCPUs {
		c.Status, c.Do = Warning, "load generator, servers and architecture share one CPU and disturb each other: use a machine with more"
	}
	return c
}

// governorCheck judges Linux's CPU frequency scaling. root is the root of the file system.
func governorCheck(root fs.FS) Check {
	c := Check{Name: "governor", Status: OK}
	files, _ := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
	var found []string
	for _, file := range files {
		if g := line(root, file); g != "" && !slices.Contains(found, g) {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 0:
		c.Status, c.Found = Unknown, "this kernel shows no frequency scaling (usual in a virtual machine: the host decides)"
	case slices.Equal(found, []string{"performance"}):
		c.Found = "performance"
	default:
		c.Status, c.Found = Warning, strings.Join(found, ", ")+": the frequency follows the load, and latency with it"
		c.Do = "sudo cpupower frequency-set -g performance"
	}
	return c
}

// turboCheck judges whether the frequency goes beyond the nominal one as long as the temperature allows.
func turboCheck(root fs.FS) Check {
	c := Check{Name: "turbo", Status: Unknown, Found: "this kernel does not show it"}
	for _, knob := range []struct{ file, on, off string }{
		{"sys/devices/system/cpu/intel_pstate/no_turbo", "0", "1"},
		{"sys/devices/system/cpu/cpufreq/boost", "1", "0"},
	} {
		switch line(root, knob.file) {
		case knob.on:
			c.Status, c.Found = Warning, "on: the frequency falls as the machine gets warm, so early runs are faster than late ones"
			c.Do = fmt.Sprintf("to be steady rather than fast: echo %s | sudo tee /%s", knob.off, knob.file)
			return c
		case knob.off:
			c.Status, c.Found = OK, "off"
			return c
		}
	}
	return c
}

// powerCheck judges whether a laptop runs on its battery.
func powerCheck(root fs.FS) Check {
	supplies, _ := fs.Glob(root, "sys/class/power_supply/*/type")
	mains, battery := "", false
	for _, file := range supplies {
		dir := path.Dir(file)
		switch line(root, file) {
		case "Mains":
			mains += line(root, dir+"/online")
		case "Battery":
			// A mouse has a battery too, and says so.
			battery = battery || line(root, dir+"/scope") != "Device"
		}
	}
	if battery && mains != "" && !strings.Contains(mains, "1") {
		return onBattery
	}
	return Check{Name: "power", Status: OK, Found: "not on battery"}
}

var onBattery = Check{Name: "power", Status: Warning, Found: "on battery: the machine saves power and slows down", Do: "plug it in"}

// quotaCheck judges the limits of CPU time by control groups, version 1 and 2.
func quotaCheck(root fs.FS, cpus int) Check {
	c := Check{Name: "cpu_quota", Status: OK, Found: "none"}
	for _, dir := range controlGroups(root, "cpu") {
		quota, ok := quotaOf(root, dir)
		if !ok || quota >= float64(cpus) {
			continue
		}
		if c.Status == OK || quota < c.Measured["cpus"] {
			c.Status, c.Measured = Warning, map[string]float64{"cpus": quota}
			c.Found = fmt.Sprintf("%.3g of %d CPUs, by the control group /%s: who has used his share of a period stands still until the next", quota, cpus, dir)
			c.Do = "raise or remove the quota (docker --cpus, CPUQuota of systemd), or compare only with runs that had the same"
		}
	}
	return c
}

// quotaOf reads a control group's limit, in CPUs.
func quotaOf(root fs.FS, dir string) (float64, bool) {
	quota, period := line(root, dir+"/cpu.cfs_quota_us"), line(root, dir+"/cpu.cfs_period_us")
	if limit := strings.Fields(line(root, dir+"/cpu.max")); len(limit) == 2 {
		quota, period = limit[0], limit[1]
	}
	q, err1 := strconv.ParseFloat(quota, 64) // "max" and "" are no numbers
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0, false
	}
	return q / p, true
}

// line is the first line of a small file, "" where there is none.
func line(root fs.FS, file string) string {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}
