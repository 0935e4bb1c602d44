package observe

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// line is a process with CPU in seconds.
func line(pid int32, start uint64, parent int32, own, reaped int) process {
	return process{processID: processID{pid: pid, start: start}, parent: parent,
		own: time.Duration(own) * time.Second, reaped: time.Duration(reaped) * time.Second}
}

func tableOf(lines ...process) (table, map[int32][]int32) {
	t, children := make(table), make(map[int32][]int32)
	for _, p := range lines {
		t[p.pid] = p
		children[p.parent] = append(children[p.parent], p.pid)
	}
	return t, children
}

func TestGroupUsage(t *testing.T) {
	type step struct {
		lines []process
		roots []int32
		want  int // seconds
		pids  []int32
	}
	for name, steps := range map[string][]step{
		"a tree, and not its neighbours": {
			{[]process{line(10, 1, 1, 5, 0), line(11, 1, 10, 3, 0), line(12, 1, 11, 2, 0), line(20, 1, 1, 100, 0)}, []int32{10}, 10, []int32{10, 11, 12}},
		},
		"a child ends and its parent has waited for it": {
			{[]process{line(10, 1, 1, 5, 0), line(11, 1, 10, 3, 0)}, []int32{10}, 8, []int32{10, 11}},
			{[]process{line(10, 1, 1, 5, 4)}, []int32{10}, 9, []int32{10}},
		},
		"a child ends and nobody waits for it": {
			{[]process{line(10, 1, 1, 5, 0), line(11, 1, 10, 3, 0)}, []int32{10}, 8, []int32{10, 11}},
			{[]process{line(10, 1, 1, 6, 0)}, []int32{10}, 9, []int32{10}},
		},
		"a child that was never seen, but waited for": {
			{[]process{line(10, 1, 1, 5, 0)}, []int32{10}, 5, []int32{10}},
			{[]process{line(10, 1, 1, 5, 7)}, []int32{10}, 12, []int32{10}},
		},
		"a grandchild and its parent end, all waited for": {
			{[]process{line(10, 1, 1, 1, 0), line(11, 1, 10, 2, 0), line(12, 1, 11, 4, 0)}, []int32{10}, 7, []int32{10, 11, 12}},
			{[]process{line(10, 1, 1, 1, 6)}, []int32{10}, 7, []int32{10}},
		},
		"a grandchild and its parent end, the grandchild not waited for": {
			{[]process{line(10, 1, 1, 1, 0), line(11, 1, 10, 2, 0), line(12, 1, 11, 4, 0)}, []int32{10}, 7, []int32{10, 11, 12}},
			{[]process{line(10, 1, 1, 1, 2)}, []int32{10}, 7, []int32{10}},
		},
		"a root is killed and started again": {
			{[]process{line(10, 1, 1, 5, 1)}, []int32{10}, 6, []int32{10}},
			{nil, nil, 6, []int32{}},
			{[]process{line(30, 9, 1, 2, 0)}, []int32{30}, 8, []int32{30}},
		},
		"a number is used again": {
			{[]process{line(10, 1, 1, 5, 0)}, []int32{10}, 5, []int32{10}},
			{[]process{line(10, 2, 1, 1, 0)}, []int32{10}, 6, []int32{10}},
		},
		"a number is used again by a stranger": {
			{[]process{line(10, 1, 1, 5, 0), line(11, 1, 10, 1, 0)}, []int32{10}, 6, []int32{10, 11}},
			{[]process{line(10, 1, 1, 5, 1), line(11, 2, 1, 100, 0)}, []int32{10}, 6, []int32{10}},
		},
		"an orphan stays": {
			{[]process{line(10, 1, 1, 5, 0), line(11, 1, 10, 3, 0)}, []int32{10}, 8, []int32{10, 11}},
			{[]process{line(11, 1, 1, 4, 0)}, nil, 9, []int32{11}},
			{nil, nil, 9, []int32{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var g groupUsage
			for i, s := range steps {
				now, children := tableOf(s.lines...)
				got, pids := g.update(s.roots, now, children)
				slices.Sort(pids)
				if want := time.Duration(s.want) * time.Second; got != want || !slices.Equal(pids, s.pids) {
					t.Errorf("step %d: %v by %v, want %v by %v", i, got, pids, want, s.pids)
				}
			}
		})
	}

	alone := groupUsage{alone: true}
	now, children := tableOf(line(10, 1, 1, 5, 50), line(11, 1, 10, 3, 0))
	if got, pids := alone.update([]int32{10}, now, children); got != 5*time.Second || len(pids) != 1 {
		t.Errorf("alone: %v by %v, want 5 s by one", got, pids)
	}
}

// TestGroupUsageMissesNothingThatIsWaitedFor lets a random tree of processes live and die, where parents wait for their
// children: the sum must be exact at every sample, for processes that nobody saw too.
func TestGroupUsageMissesNothingThatIsWaitedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const root = 10
		world := map[int32]process{root: line(root, 1, 1, 0, 0)}
		var g groupUsage
		var truth time.Duration
		next := uint64(1)
		var exit func(pid int32)
		exit = func(pid int32) { // its children first: it waits for them
			for child, p := range maps.Clone(world) {
				if p.parent == pid {
					exit(child)
				}
			}
			p := world[pid]
			delete(world, pid)
			parent := world[p.parent]
			parent.reaped += p.own + p.reaped
			world[p.parent] = parent
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			pids := slices.Sorted(maps.Keys(world))
			pid := rapid.SampledFrom(pids).Draw(t, "pid")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				next++
				child := int32(11 + next%7) // numbers are used again
				if _, taken := world[child]; !taken {
					world[child] = line(child, next, pid, 0, 0)
				}
			case 2:
				p := world[pid]
				p.own += time.Second
				world[pid] = p
				truth += time.Second
			case 3:
				if pid != root {
					exit(pid)
				}
			case 4:
				now, children := tableOf(slices.Collect(maps.Values(world))...)
				if got, _ := g.update([]int32{root}, now, children); got != truth {
					t.Fatalf("%v, want %v", got, truth)
				}
			}
		}
	})
}
