package observe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc: 100 a second on every Linux that Go runs on.
const tick = 10 * time.Millisecond

var pageSize = int64(os.Getpagesize())

// readTable reads /proc. A process that ends while it is read is left out.
func readTable() (table, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	t := make(table, len(names))
	buffer := make([]byte, 1024)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue // not a process
		}
		stat, err := readInto(buffer, "/proc/"+name+"/stat")
		if err != nil {
			continue // ended since
		}
		p, err := parseStat(stat)
		if err != nil {
			return nil, fmt.Errorf("/proc/%s/stat: %w", name, err)
		}
		t[p.pid] = p
	}
	return t, nil
}

// readInto reads a small file in one go.
func readInto(buffer []byte, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	n, err := file.Read(buffer)
	return buffer[:n], err
}

// parseStat reads "PID (command) state parent …"; the command may contain anything.
func parseStat(stat []byte) (process, error) {
	name, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if name < 1 || end < name {
		return process{}, errors.New("expected a command in parentheses")
	}
	const parent, utime, stime, cutime, cstime, start = 1, 11, 12, 13, 14, 19 // counted from the first field after the command
	fields := bytes.Fields(stat[end+1:])
	if len(fields) <= start {
		return process{}, fmt.Errorf("expected at least %d fields after the command, got %d", start+1, len(fields))
	}
	pid, err := strconv.ParseInt(string(bytes.TrimSpace(stat[:name])), 10, 32)
	number := func(field int) int64 {
		v, e := strconv.ParseInt(string(fields[field]), 10, 64)
		err = errors.Join(err, e)
		return v
	}
	p := process{
		processID: processID{pid: int32(pid), start: uint64(number(start))},
		parent:    int32(number(parent)),
		own:       time.Duration(number(utime)+number(stime)) * tick,
		reaped:    time.Duration(number(cutime)+number(cstime)) * tick,
	}
	return p, err
}

// resident is the memory of processes: what each has for itself, and what they share once (the most any of them has).
func resident(pids []int32) int64 {
	var own, shared int64
	buffer := make([]byte, 256)
	for _, pid := range pids {
		statm, err := readInto(buffer, "/proc/"+strconv.Itoa(int(pid))+"/statm")
		if err != nil {
			continue // ended since
		}
		var size, all, common int64
		if _, err := fmt.Sscan(string(statm), &size, &all, &common); err != nil {
			continue // ended: a zombie has no memory
		}
		own += all - common
		shared = max(shared, common)
	}
	return (own + shared) * pageSize
}
