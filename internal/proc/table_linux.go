package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

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

// lookup reads /proc/PID/stat: "PID (command) state parent … start …"; the command may contain anything.
func lookup(pid int) (entry, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	stat, err := os.ReadFile(path)
	if err != nil {
		return entry{}, err
	}
	const state, parent, start = 0, 1, 19 // counted from the first field after the command
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= start {
		return entry{}, fmt.Errorf("%s: expected at least %d fields after the command, got %d", path, start+1, len(fields))
	}
	e := entry{Identity: Identity{PID: pid, Start: fields[start]}}
	e.zombie = fields[state] == "Z" || fields[state] == "X"
	if e.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return entry{}, fmt.Errorf("%s: parent %q is not a number", path, fields[parent])
	}
	return e, nil
}
