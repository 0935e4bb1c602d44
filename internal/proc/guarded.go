package proc

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
)

// Owner is the user as whom a foreign program runs.
type Owner struct{ UID, GID int }

// Guarding says how a foreign program is guarded.
type Guarding struct {
	Executable string         // program whose verb __guard calls Guard, usually os.Executable
	Owner      *Owner         // nil for the parent's user
	End        syscall.Signal // what ends the program when the life line closes, before SIGKILL; 0 for SIGTERM
}

// StartGuarded starts a foreign program under a guard and waits until it runs. Spec.Input and Spec.Report cannot be
// used: the program's standard input is empty and both its outputs go to Spec.Log.
func StartGuarded(ctx context.Context, spec Spec, guarding Guarding) (*Process, error) {
	if spec.Input != nil || spec.Report {
		return nil, fmt.Errorf("start %s: a guarded program has neither input nor report", spec.Name)
	}
	spec.Args = guardArgs(spec, guarding)
	spec.Executable = guarding.Executable
	spec.Report = true
	p, err := start(spec)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Process, error) {
		p.closeLifeline()
		p.wait()
		return nil, err
	}
	line, err := p.Report(ctx)
	if err != nil {
		return fail(fmt.Errorf("%w; see %s", err, spec.Log))
	}
	pid, err := strconv.Atoi(line)
	if err != nil {
		return fail(fmt.Errorf("start %s: its guard said %q instead of a process id; see %s", spec.Name, line, spec.Log))
	}
	program, err := Identify(pid)
	if err != nil {
		return fail(fmt.Errorf("start %s: it ended at once; see %s", spec.Name, spec.Log))
	}
	p.program, p.guarded = program, true
	go p.wait()
	return p, nil
}

func guardArgs(spec Spec, guarding Guarding) []string {
	args := []string{GuardVerb}
	if guarding.Owner != nil {
		args = append(args, "-uid", strconv.Itoa(guarding.Owner.UID), "-gid", strconv.Itoa(guarding.Owner.GID))
	}
	if guarding.End != 0 {
		args = append(args, "-end", strconv.Itoa(int(guarding.End)))
	}
	return append(append(args, "--", spec.Executable), spec.Args...)
}
