package doctor

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
)

// files is a root file system with these files.
func files(content ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i+1 < len(content); i += 2 {
		root[content[i]] = &fstest.MapFile{Data: []byte(content[i+1])}
	}
	return root
}

const (
	cpufreq  = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
	cpufreq1 = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"
	own      = "proc/self/cgroup"
	v2       = "sys/fs/cgroup/cgroup.controllers"
)

// Each judgement is shown what it must let pass and each defect that it must find.
func TestJudgements(t *testing.T) {
	lateness := func(usual, odd time.Duration) []time.Duration {
		return append(slices.Repeat([]time.Duration{usual}, 96), slices.Repeat([]time.Duration{odd}, 4)...)
	}
	for name, c := range map[string]struct {
		got    Check
		status Status
		found  string
		do     string
	}{
		"all CPUs":            {cpuCheck("EPYC", 8, 8), OK, "8 × EPYC", ""},
		"CPUs by affinity":    {cpuCheck("EPYC", 4, 8), Warning, "4 of 8", "taskset"},
		"one CPU":             {cpuCheck("EPYC", 1, 1), Warning, "1 × EPYC", "disturb"},
		"performance":         {governorCheck(files(cpufreq, "performance\n", cpufreq1, "performance\n")), OK, "performance", ""},
		"one CPU saves power": {governorCheck(files(cpufreq, "performance\n", cpufreq1, "powersave\n")), Warning, "performance, powersave", "cpupower"},
		"no scaling shown":    {governorCheck(files()), Unknown, "virtual machine", ""},
		"Intel's turbo":       {turboCheck(files("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n")), Warning, "on:", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"},
		"Intel's turbo off":   {turboCheck(files("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")), OK, "off", ""},
		"AMD's boost":         {turboCheck(files("sys/devices/system/cpu/cpufreq/boost", "1\n")), Warning, "on:", "echo 0"},
		"AMD's boost off":     {turboCheck(files("sys/devices/system/cpu/cpufreq/boost", "0\n")), OK, "off", ""},
		"no turbo shown":      {turboCheck(files()), Unknown, "", ""},

		"a desktop":          {powerCheck(files()), OK, "", ""},
		"plugged in":         {powerCheck(files("sys/class/power_supply/AC/type", "Mains\n", "sys/class/power_supply/AC/online", "1\n", "sys/class/power_supply/BAT0/type", "Battery\n")), OK, "", ""},
		"on battery":         {powerCheck(files("sys/class/power_supply/AC/type", "Mains\n", "sys/class/power_supply/AC/online", "0\n", "sys/class/power_supply/BAT0/type", "Battery\n")), Warning, "battery", "plug"},
		"a mouse's battery":  {powerCheck(files("sys/class/power_supply/AC/type", "Mains\n", "sys/class/power_supply/AC/online", "0\n", "sys/class/power_supply/m/type", "Battery\n", "sys/class/power_supply/m/scope", "Device\n")), OK, "", ""},
		"a Mac on battery":   {powerOfPmset("Now drawing from 'Battery Power'\n -InternalBattery-0 81%\n", ""), Warning, "battery", "plug"},
		"a Mac in low power": {powerOfPmset("Now drawing from 'AC Power'\n", " standby 1\n lowpowermode         1\n"), Warning, "low power", "pmset"},
		"a Mac plugged in":   {powerOfPmset("Now drawing from 'AC Power'\n", " lowpowermode         0\n"), OK, "", ""},

		"no control groups":          {quotaCheck(files(), 4), OK, "none", ""},
		"no quota, v2":               {quotaCheck(files(own, "0::/a\n", v2, "cpu", "sys/fs/cgroup/a/cpu.max", "max 100000\n"), 4), OK, "none", ""},
		"a quota, v2":                {quotaCheck(files(own, "0::/a/b\n", v2, "cpu", "sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"), 4), Warning, "1.5 of 4 CPUs", "CPUQuota"},
		"a quota above, v2":          {quotaCheck(files(own, "0::/a/b\n", v2, "cpu", "sys/fs/cgroup/a/b/cpu.max", "max 100000\n", "sys/fs/cgroup/a/cpu.max", "50000 100000\n"), 4), Warning, "0.5 of 4 CPUs", ""},
		"a quota in a container, v2": {quotaCheck(files(own, "0::/\n", v2, "cpu", "sys/fs/cgroup/cpu.max", "50000 100000\n"), 4), Warning, "0.5 of 4", ""},
		"a generous quota":           {quotaCheck(files(own, "0::/a\n", v2, "cpu", "sys/fs/cgroup/a/cpu.max", "800000 100000\n"), 4), OK, "none", ""},
		"no quota, v1":               {quotaCheck(files(own, "3:cpu,cpuacct:/a\n0::/\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"), 4), OK, "none", ""},
		"a quota, v1":                {quotaCheck(files(own, "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "25000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"), 4), Warning, "0.25 of 4", ""},
		"a container's v1":           {quotaCheck(files(own, "3:cpu:/docker/8f\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"), 4), Warning, "0.25 of 4", ""},

		"memory":            {memoryCheck(files(), 24<<30, 20<<30), OK, "20 GiB of 24 GiB", ""},
		"little memory":     {memoryCheck(files(), 24<<30, 1<<30), Warning, "1 GiB", "free"},
		"limited memory v2": {memoryCheck(files(own, "0::/a\n", v2, "memory", "sys/fs/cgroup/a/memory.max", "1073741824\n"), 24<<30, 20<<30), Warning, "limited to 1 GiB", "raise"},
		"limited memory v1": {memoryCheck(files(own, "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n"), 24<<30, 20<<30), Warning, "limited to 1 GiB", ""},
		"unlimited v1":      {memoryCheck(files(own, "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"), 24<<30, 20<<30), OK, "20 GiB", ""},
		"no swap":           {swapCheck(0, 0), OK, "none", ""},
		"swap not used":     {swapCheck(4<<30, 1<<20), OK, "1 MiB", ""},
		"swapped":           {swapCheck(4<<30, 1<<30), Warning, "1 GiB of 4 GiB", "swapoff"},

		"a large disk":   {diskCheck("/c", 72<<30), OK, "72 GiB", ""},
		"a small disk":   {diskCheck("/c", 2<<30), Warning, "2 GiB", "LKBENCH_CACHE"},
		"a full disk":    {diskCheck("/c", 100<<20), Missing, "100 MiB", "LKBENCH_CACHE"},
		"ext4":           {fileSystemCheck("/c", "ext4"), OK, "ext4", ""},
		"in memory":      {fileSystemCheck("/c", "tmpfs"), Warning, "memory", "LKBENCH_CACHE"},
		"over a network": {fileSystemCheck("/c", "nfs4"), Warning, "network", "LKBENCH_CACHE"},
		"a fast disk":    {syncCheck([]time.Duration{1e6, 2e6, 300e6}), OK, "2ms (median of 3)", ""},
		"no disk at all": {syncCheck([]time.Duration{3e3, 4e3, 9e3}), Warning, "4µs", "durable"},
		"a slow disk":    {syncCheck([]time.Duration{1e6, 30e6, 300e6}), Warning, "30ms", "commit"},

		"free ports":        {portsCheck(15000, 31999, 200, 199, 32768), OK, "199 of 200", ""},
		"half of the ports": {portsCheck(15000, 31999, 200, 50, 32768), Warning, "50 of 200", "ss"},
		"no ports":          {portsCheck(15000, 31999, 200, 0, 32768), Missing, "0 of 200", "ss"},
		"outgoing ports":    {portsCheck(15000, 31999, 200, 200, 1024), Warning, "from 1024 on", "sysctl"},
		"unknown outgoing":  {portsCheck(15000, 31999, 200, 200, 0), OK, "200", ""},
		"many files":        {filesCheck(1 << 20), OK, "1048576", ""},
		"few files":         {filesCheck(1024), Warning, "1024", "ulimit"},
		"any files":         {filesCheck(1<<63 - 1), OK, "without limit", ""},
		"no workspaces":     {workspacesCheck(0, 0), OK, "no run", ""},
		"dead workspaces":   {workspacesCheck(0, 2), Warning, "2 workspaces of dead runs", "lkbench sweep"},
		"another run":       {workspacesCheck(1, 0), Warning, "1 run of lkbench", "wait"},
		"both":              {workspacesCheck(1, 1), Warning, "1 run of lkbench going on; 1 workspace of dead", "lkbench sweep"},

		"a fine clock":     {clockCheck(files("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"), 40, 45), OK, "tsc", ""},
		"a coarse clock":   {clockCheck(files(), time.Millisecond, 45), Warning, "1ms", "another machine"},
		"a slow clock":     {clockCheck(files("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"), 40, 1500), Warning, "hpet", "clocksource=tsc"},
		"synchronised":     {syncedCheck(synced{true, true, 5 * time.Millisecond}), OK, "within 5ms", ""},
		"not synchronised": {syncedCheck(synced{true, false, 0}), Warning, "no time service", "chrony"},
		"sync unknown":     {syncedCheck(synced{}), Unknown, "", ""},
		"exact timer":      {timerCheck(lateness(60*time.Microsecond, time.Millisecond)), OK, "60µs", ""},
		"late timer":       {timerCheck(lateness(2*time.Millisecond, 3*time.Millisecond)), Warning, "2ms", "late"},
		"odd timer":        {timerCheck(lateness(60*time.Microsecond, 20*time.Millisecond)), Warning, "p99 20ms", "late"},

		"idle":          {loadCheck(0.2, 0.1, 2), OK, "0.20", ""},
		"loaded":        {loadCheck(1.7, 0.1, 2), Warning, "1.70", "wait"},
		"nobody busy":   {processesCheck([]busy{{1, "init", 0.03}}), OK, "none", ""},
		"somebody busy": {processesCheck([]busy{{1, "init", 0.03}, {7, "make", 0.2}, {8, "cc1", 0.97}}), Warning, "cc1 (8) 97%, make (7) 20%", "end them"},
		"many busy":     {processesCheck(slices.Repeat([]busy{{8, "cc1", 0.5}}, 5)), Warning, "and 2 more", "end"},
		"no steal":      {stealCheck(0, 0.0004), OK, "0.0%", ""},
		"steal now":     {stealCheck(0.2, 0), Warning, "20.0%", "neighbours"},
		"steal before":  {stealCheck(0, 0.05), Warning, "5.0% since", "neighbours"},

		"metal":     {virtualCheck(files("proc/cpuinfo", "model : x\nflags\t\t: fpu vme\n")), OK, "no", ""},
		"x86 guest": {virtualCheck(files("proc/cpuinfo", "flags\t\t: fpu hypervisor vme\n", "sys/class/dmi/id/sys_vendor", "QEMU\n", "sys/class/dmi/id/product_name", "Standard PC\n")), Warning, "yes, QEMU Standard PC", "steal"},
		"ARM guest": {virtualCheck(files("sys/firmware/devicetree/base/hypervisor/compatible", "linux,kvm")), Warning, "yes, of a kind", ""},
	} {
		if c.got.Status != c.status || !strings.Contains(c.got.Found, c.found) || !strings.Contains(c.got.Do, c.do) {
			t.Errorf("%s: got %+v, want status %s, found %q, do %q", name, c.got, c.status, c.found, c.do)
		}
		if c.status == Warning && c.got.Do == "" {
			t.Errorf("%s: a warning that does not say what to do: %+v", name, c.got)
		}
	}
}

// What processes used is told from two readings: this process and what was not there before are left out.
func TestBetween(t *testing.T) {
	before := usage{1: 10, 2: 5, 3: 1}
	after := usage{1: 10, 2: 5.5, 4: 9}
	got := between(before, after, 2*time.Second)
	if len(got) != 1 || got[0].pid != 2 || got[0].share != 0.25 {
		t.Errorf("got %+v", got)
	}
}

func TestStolen(t *testing.T) {
	before := cpu.TimesStat{User: 10, Idle: 80, Steal: 1}
	after := cpu.TimesStat{User: 15, Idle: 84, Steal: 2}
	if got := stolen(before, after); got != 0.1 {
		t.Errorf("got %v, want 0.1", got)
	}
	if got := stolen(before, before); got != 0 {
		t.Errorf("no time has passed: got %v", got)
	}
}
