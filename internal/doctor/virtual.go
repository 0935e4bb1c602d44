package doctor

import (
	"io/fs"
	"strings"
)

// virtualCheck judges, on Linux, whether this is a virtual machine. Whether it is a container is not asked: what that
// changes, limits, is looked at itself, and its marks are found outside of containers too.
func virtualCheck(root fs.FS) Check {
	name := strings.TrimSpace(line(root, "sys/class/dmi/id/sys_vendor") + " " + line(root, "sys/class/dmi/id/product_name"))
	return virtual(hypervisor(root), name)
}

// hypervisor says whether one is below this kernel: x86 has a processor flag for it, others a node in the device tree.
func hypervisor(root fs.FS) bool {
	info, _ := fs.ReadFile(root, "proc/cpuinfo")
	for row := range strings.Lines(string(info)) {
		if key, flags, _ := strings.Cut(row, ":"); strings.TrimSpace(key) == "flags" {
			if strings.Contains(" "+strings.TrimSpace(flags)+" ", " hypervisor ") {
				return true
			}
			break
		}
	}
	_, err := fs.Stat(root, "sys/firmware/devicetree/base/hypervisor")
	return err == nil || strings.Contains(line(root, "sys/hypervisor/type"), "xen")
}

// virtual judges a machine that is virtual or not, of a kind that may be unknown.
func virtual(is bool, kind string) Check {
	if !is {
		return Check{Name: "virtual_machine", Status: OK, Found: "no"}
	}
	if kind == "" {
		kind = "of a kind that it does not tell"
	}
	return Check{Name: "virtual_machine", Status: Warning, Found: "yes, " + kind,
		Do: "its host may give processors and disk to others unseen (see steal): alternate what is compared, and compare only runs of this machine"}
}
