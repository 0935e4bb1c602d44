package doctor

import (
	"context"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// systemProbes are those for which every system has its own ways.
func systemProbes(root fs.FS) []MachineProbe {
	look := func(name string, judge func() Check) MachineProbe {
		return MachineProbe{[]string{name}, func(context.Context) ([]Check, error) { return one(judge()), nil }}
	}
	return []MachineProbe{
		look("cpu_quota", func() Check { return quotaCheck(root, runtime.NumCPU()) }),
		look("governor", func() Check { return governorCheck(root) }),
		look("turbo", func() Check { return turboCheck(root) }),
		look("power", func() Check { return powerCheck(root) }),
		look("virtual_machine", func() Check { return virtualCheck(root) }),
	}
}

// outgoingPort is the first port that the kernel gives to outgoing connections; 0 if it does not tell.
func outgoingPort(root fs.FS) int {
	fields := strings.Fields(line(root, "proc/sys/net/ipv4/ip_local_port_range"))
	if len(fields) != 2 {
		return 0
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0
	}
	return first
}

// timeSync asks the kernel, to which every time service reports.
func timeSync() synced {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return synced{}
	}
	ok := state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	return synced{known: true, yes: ok, maxError: time.Duration(t.Maxerror) * time.Microsecond}
}
