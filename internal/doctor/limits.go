package doctor

import (
	"fmt"
	"strings"
)

const (
	portsName   = "ports"
	portsTried  = 200
	enoughFiles = 4096 // connections, segments of the log, and a broker's indexes
)

// portsCheck judges the range in which servers get their ports: how many random ones of it are free, and whether the
// kernel takes ports for outgoing connections from it (outgoing: the first such port; 0: it does not tell).
func portsCheck(first, last, tried, free, outgoing int) Check {
	c := Check{Name: portsName, Status: OK, Found: fmt.Sprintf("%d of %d tried between %d and %d are free", free, tried, first, last),
		Measured: map[string]float64{"tried": float64(tried), "free": float64(free), "first_outgoing": float64(outgoing)}}
	switch {
	case free == 0:
		c.Status, c.Do = Missing, "find out who listens there (ss -ltnp, or lsof -iTCP -sTCP:LISTEN) and end it"
	case outgoing > 0 && outgoing <= last:
		c.Status = Warning
		c.Found += fmt.Sprintf("; but the kernel takes ports for outgoing connections from %d on: a client may be given the port of a server that is down", outgoing)
		c.Do = "sudo sysctl -w net.ipv4.ip_local_port_range='32768 60999'"
	case free < tried/2:
		c.Status, c.Do = Warning, "find out who listens there: ss -ltnp, or lsof -iTCP -sTCP:LISTEN"
	}
	return c
}

// filesCheck judges how many files and connections a process may have open.
func filesCheck(limit uint64) Check {
	c := Check{Name: "open_files", Status: OK, Found: fmt.Sprintf("up to %d in a process", limit), Measured: map[string]float64{"limit": float64(limit)}}
	if limit > 1<<40 {
		c.Found, c.Measured["limit"] = "without limit", 1<<40
	}
	if limit < enoughFiles {
		c.Status, c.Do = Warning, fmt.Sprintf("raise the hard limit: ulimit -n %d as root, or LimitNOFILE= of systemd", 4*enoughFiles)
	}
	return c
}

// workspacesCheck judges what runs have left, and whether others run now.
func workspacesCheck(live, dead int) Check {
	c := Check{Name: "workspaces", Status: OK, Found: "no run is going on, and none has left anything",
		Measured: map[string]float64{"live": float64(live), "dead": float64(dead)}}
	var found, do []string
	if live > 0 {
		found, do = append(found, count(live, "run")+" of lkbench going on"), append(do, "wait for the end: runs at once measure each other")
	}
	if dead > 0 {
		found, do = append(found, count(dead, "workspace")+" of dead runs"), append(do, "lkbench sweep removes what dead runs left, and so does the next run")
	}
	if len(found) > 0 {
		c.Status, c.Found, c.Do = Warning, strings.Join(found, "; "), strings.Join(do, "; ")
	}
	return c
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
