package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// bootID tells one life of the machine from another: process ids and start times begin anew with each.
var bootID = sync.OnceValues(func() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
})

func processes() ([]entry, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var table []entry
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		if e, err := lookup(pid); err == nil { // else ended since
			table = append(table, e)
		}
	}
	return table, nil
}

func lookup(pid int) (entry, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	stat, err := os.ReadFile(path)
	if err != nil {
		return entry{}, err
	}
	e, err := parseStat(pid, string(stat))
	if err != nil {
		return entry{}, fmt.Errorf("%s: %w", path, err)
	}
	boot, err := bootID()
	if err != nil {
		return entry{}, err
	}
	e.Start += " ticks after boot " + boot
	return e, nil
}

// parseStat reads a line of the form "PID (command) state parent … start …", where the command may contain anything.
func parseStat(pid int, stat string) (entry, error) {
	const state, parent, start = 0, 1, 19 // counted from the first field after the command
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= start {
		return entry{}, fmt.Errorf("expected at least %d fields after the command, got %d", start+1, len(fields))
	}
	e := entry{Identity: Identity{PID: pid, Start: fields[start]}}
	e.zombie = fields[state] == "Z" || fields[state] == "X"
	var err error
	if e.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return entry{}, fmt.Errorf("parent %q is not a number", fields[parent])
	}
	return e, nil
}
