package doctor

import (
	"context"
	"io/fs"
	"os/exec"

	"golang.org/x/sys/unix"
)

// systemProbes are those for which every system has its own ways.
func systemProbes(fs.FS) []MachineProbe {
	fixed := func(c Check) MachineProbe {
		return MachineProbe{[]string{c.Name}, func(context.Context) ([]Check, error) { return one(c), nil }}
	}
	return []MachineProbe{
		fixed(Check{Name: "cpu_quota", Status: OK, Found: "none: macOS has no control groups"}),
		fixed(Check{Name: "governor", Status: Unknown, Found: "macOS decides and does not tell"}),
		fixed(Check{Name: "turbo", Status: Unknown, Found: "macOS decides and does not tell"}),
		{[]string{"power"}, func(ctx context.Context) ([]Check, error) {
			battery, err := exec.CommandContext(ctx, "pmset", "-g", "batt").Output()
			if err != nil {
				return nil, err
			}
			settings, err := exec.CommandContext(ctx, "pmset", "-g").Output()
			return one(powerOfPmset(string(battery), string(settings))), err
		}},
		{[]string{"virtual_machine"}, func(context.Context) ([]Check, error) {
			present, err := unix.SysctlUint32("kern.hv_vmm_present")
			return one(virtual(present != 0, "")), err
		}},
	}
}

// outgoingPort is the first port that the kernel gives to outgoing connections; 0 if it does not tell.
func outgoingPort(fs.FS) int {
	first, err := unix.SysctlUint32("net.inet.ip.portrange.first")
	if err != nil {
		return 0
	}
	return int(first)
}

// timeSync cannot be told without the rights of an administrator.
func timeSync() synced { return synced{} }
