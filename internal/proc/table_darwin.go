package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const zombie = 5 // SZOMB in sys/proc.h

func processes() ([]entry, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	table := make([]entry, len(infos))
	for i := range infos {
		table[i] = toEntry(&infos[i])
	}
	return table, nil
}

func lookup(pid int) (entry, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return entry{}, err
	}
	return toEntry(info), nil
}

func toEntry(info *unix.KinfoProc) entry {
	started := info.Proc.P_starttime
	return entry{
		Identity: Identity{PID: int(info.Proc.P_pid), Start: fmt.Sprintf("%d.%06d", started.Sec, started.Usec)},
		parent:   int(info.Eproc.Ppid),
		zombie:   info.Proc.P_stat == zombie,
	}
}
