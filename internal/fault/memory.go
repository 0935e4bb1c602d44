package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lkbench/internal/proc"
)

// memoryLookEvery is how often a target under a limit is looked at: a new process of it belongs under the limit too.
const memoryLookEvery = 5 * time.Millisecond

// Memory limits the memory of its target to MiB for For, by a control group: the kernel then takes memory back, and where it
// cannot it kills. A target that holds more already is killed at once, as the kernel does with one whose limit is lowered.
type Memory struct {
	Target string
	MiB    int
	For    time.Duration
}

// Inject implements Fault. It took effect when the limit was reached for the first time: a limit that is never reached
// changes nothing. Detected is the first end of a target's process.
func (m Memory) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, names, err := w.find(m.Target)
	if err != nil {
		return none("cgroup"), err
	}
	out := none("cgroup", names...)
	limits := make([]*limited, len(targets))
	err = each(targets, func(i int, t Target) (err error) {
		limits[i], err = m.one(ctx, w, t)
		return err
	})
	out.End = w.Now()
	for i, l := range limits {
		if l == nil {
			continue
		}
		out.What += fmt.Sprintf("%s: at most %d MiB, reached %d times, %d processes killed; ", names[i], m.MiB, l.reached, l.killed)
		if l.effect >= 0 && (out.Effect < 0 || l.effect < out.Effect) {
			out.Effect = l.effect
		}
		if l.detected >= 0 && (out.Detected < 0 || l.detected < out.Detected) {
			out.Detected = l.detected
		}
	}
	out.What = strings.TrimSuffix(out.What, "; ")
	if err == nil && out.Effect < 0 {
		err = noEffect("%s: nobody came to the limit", out.What)
	}
	return out, err
}

// limited is a target under a limit.
type limited struct {
	group            *group
	roots            []proc.Identity // of the present process trees
	effect, detected time.Duration
	reached, killed  int64
	byUs             int64
}

func (m Memory) one(ctx context.Context, w *World, t Target) (l *limited, err error) {
	if roots, err := running(ctx, t); err != nil {
		return nil, err
	} else if len(roots) == 0 {
		return nil, noEffect("its processes cannot be seen from here")
	}
	g, err := newGroup("/", memoryController, "memory-"+t.Name())
	if err != nil {
		return nil, noEffect("%w", err)
	}
	l = &limited{group: g, effect: -1, detected: -1}
	for end := w.Now() + m.For; err == nil && w.Now() < end; {
		if err = l.look(w, t, int64(m.MiB)<<20); err == nil {
			err = hold(ctx, memoryLookEvery)
		}
	}
	return l, errors.Join(err, m.lift(ctx, t, g))
}

// look puts new processes of the target under the limit, and sees what the limit has done so far.
func (l *limited) look(w *World, t Target, limit int64) error {
	roots := alive(t)
	for _, id := range l.roots {
		if !id.Alive() && l.detected < 0 {
			l.detected = w.Now()
		}
	}
	if fresh := !slices.Equal(roots, l.roots); fresh && len(roots) > 0 {
		all, err := tree(roots)
		if err != nil {
			return err
		}
		held := heldBy(all)
		if held >= limit {
			signalAll(all, syscall.SIGKILL)
			l.byUs++
			if l.effect < 0 {
				l.effect = w.Now()
			}
		} else if err := l.limit(all, limit-held); err != nil {
			return err
		}
	}
	l.roots = roots
	reached, killed, err := l.group.pressure()
	l.reached, l.killed = reached+l.byUs, killed+l.byUs
	if l.reached > 0 && l.effect < 0 {
		l.effect = w.Now()
	}
	return err
}

// limit puts processes under a limit on what they take from now on: memory that they hold stays accounted where they took it.
func (l *limited) limit(ids []proc.Identity, bytes int64) error {
	file := "memory.limit_in_bytes"
	if l.group.v2 {
		file = "memory.max"
	}
	if err := l.group.set(file, strconv.FormatInt(bytes, 10)); err != nil {
		return err
	}
	return l.group.take(ids)
}

// pressure is how often the group came to its limit and how many of its processes the kernel has killed.
func (g *group) pressure() (reached, killed int64, err error) {
	if g.v2 {
		reached, err = g.count("memory.events", "max")
		if err == nil {
			killed, err = g.count("memory.events", "oom_kill")
		}
		return reached, killed, err
	}
	reached, err = g.count("memory.failcnt", "")
	if err == nil {
		killed, err = g.count("memory.oom_control", "oom_kill")
	}
	return reached, killed, err
}

// lift takes the limit away, and starts a server that has ended; a component has its supervisor.
func (m Memory) lift(ctx context.Context, t Target, g *group) error {
	err := g.remove()
	if _, component := t.(Component); !component && len(alive(t)) == 0 {
		err = errors.Join(err, start(ctx, t))
	}
	return err
}

// heldBy is the memory in bytes that processes hold and cannot give back: their own, and the largest share of what they have
// in common.
func heldBy(ids []proc.Identity) int64 {
	var own, shared int64
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id.PID))
		if err != nil {
			continue // ended
		}
		own += statusKiB(string(text), "RssAnon:") << 10
		shared = max(shared, statusKiB(string(text), "RssShmem:")<<10)
	}
	return own + shared
}

// statusKiB reads a line such as "RssAnon:  1234 kB".
func statusKiB(status, name string) int64 {
	for line := range strings.Lines(status) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
