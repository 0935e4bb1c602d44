//go:build !linux

package observe

import (
	"time"

	psutil "github.com/shirou/gopsutil/v4/process"
)

// readTable asks gopsutil. What a process has inherited from its ended children is not known here.
func readTable() (table, error) {
	all, err := psutil.Processes()
	if err != nil {
		return nil, err
	}
	t := make(table, len(all))
	for _, p := range all {
		parent, err := p.Ppid()
		if err != nil {
			continue // ended since, or another user's
		}
		times, err := p.Times()
		if err != nil {
			continue
		}
		start, err := p.CreateTime()
		if err != nil {
			continue
		}
		used := time.Duration((times.User + times.System) * float64(time.Second))
		t[p.Pid] = process{processID: processID{pid: p.Pid, start: uint64(start)}, parent: parent, own: used}
	}
	return t, nil
}

// resident is the sum over processes; shared pages count in each of them.
func resident(pids []int32) int64 {
	var sum int64
	for _, pid := range pids {
		p, err := psutil.NewProcess(pid)
		if err != nil {
			continue // ended since
		}
		if memory, err := p.MemoryInfo(); err == nil {
			sum += int64(memory.RSS)
		}
	}
	return sum
}
