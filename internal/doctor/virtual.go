package doctor

import (
	"fmt"
	"io/fs"
	"strings"
)

// virtualCheck judges, on Linux, whether this is a virtual machine, or a container.
func virtualCheck(root fs.FS) Check {
	var is []string
	for _, file := range []string{".dockerenv", "run/.containerenv"} {
		if _, err := fs.Stat(root, file); err == nil {
			is = append(is, "a container")
			break
		}
	}
	if hypervisor(root) {
		name := strings.TrimSpace(line(root, "sys/class/dmi/id/sys_vendor") + " " + line(root, "sys/class/dmi/id/product_name"))
		if name == "" {
			name = "the kernel does not tell which"
		}
		is = append(is, fmt.Sprintf("a virtual machine (%s)", name))
	}
	return virtual(is)
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

func virtual(is []string) Check {
	c := Check{Name: "virtual_machine", Status: OK, Found: "no"}
	if len(is) == 0 {
		return c
	}
	c.Found = strings.Join(is, " in ")
	if strings.Contains(c.Found, "virtual machine") {
		c.Status, c.Do = Warning, "its host may give processors and disk to others unseen (see steal): alternate what is compared, and compare only runs of this machine"
	}
	return c
}
