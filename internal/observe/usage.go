package observe

import "time"

// processID names a process for ever: a number is used again, but not with the same start.
type processID struct {
	pid   int32
	start uint64 // compare for equality only
}

// process is one line of the process table.
type process struct {
	processID
	parent int32
	own    time.Duration // CPU of the process itself
	reaped time.Duration // CPU of its children that have ended and that it has waited for, and of theirs
}

// table is the process table at one moment, by number.
type table map[int32]process

// groupUsage accounts the CPU of a group of processes over its life. A process that ends takes its counter with it; what it used
// is in its parent's reaped time if the parent has waited for it, and else is known only as it was last seen.
type groupUsage struct {
	alone   bool
	members map[processID]process // alive when last seen
	highest time.Duration         // told so far, of a group that is asked
	lost    time.Duration         // of processes that ended without a parent in the group to inherit it
}

// update takes the group's roots and the process table and returns the CPU used by the group so far and its living members.
// A process once found stays a member while it lives, also when its parent has ended.
func (g *groupUsage) update(roots []int32, now table, children map[int32][]int32) (time.Duration, []int32) {
	alive := make(map[processID]process)
	var queue []int32
	enter := func(pid int32) {
		p, ok := now[pid]
		if !ok {
			return
		}
		if _, known := alive[p.processID]; known {
			return
		}
		if g.alone {
			p.reaped = 0
		}
		alive[p.processID] = p
		queue = append(queue, pid)
	}
	for _, pid := range roots {
		enter(pid)
	}
	for id := range g.members {
		if now[id.pid].processID == id {
			enter(id.pid)
		}
	}
	for ; len(queue) > 0 && !g.alone; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			enter(child)
		}
	}
	g.lost += g.uninherited(alive)
	g.members = alive

	total := g.lost
	pids := make([]int32, 0, len(alive))
	for id, p := range alive {
		total += p.own + p.reaped
		pids = append(pids, id.pid)
	}
	return total, pids
}

// uninherited is the CPU, as last seen, of members that have ended since, less what their nearest living ancestors have
// inherited. (A parent that has ended too may have passed it on.)
func (g *groupUsage) uninherited(alive map[processID]process) (lost time.Duration) {
	expected := make(map[processID]time.Duration) // by heir
	for id, p := range g.members {
		if _, ok := alive[id]; ok {
			continue
		}
		if heir, ok := g.heir(p, alive); ok {
			expected[heir] += p.own + p.reaped
		} else {
			lost += p.own + p.reaped
		}
	}
	for heir, cpu := range expected {
		lost += max(0, cpu-(alive[heir].reaped-g.members[heir].reaped))
	}
	return lost
}

// heir is the nearest ancestor of a member that still lives.
func (g *groupUsage) heir(p process, alive map[processID]process) (processID, bool) {
	for range g.members { // no chain of parents is longer
		parent, ok := g.member(p.parent)
		if !ok {
			break
		}
		if _, ok := alive[parent]; ok {
			return parent, true
		}
		p = g.members[parent]
	}
	return processID{}, false
}

// member finds the member that had a number when last seen.
func (g *groupUsage) member(pid int32) (processID, bool) {
	for id := range g.members {
		if id.pid == pid {
			return id, true
		}
	}
	return processID{}, false
}
