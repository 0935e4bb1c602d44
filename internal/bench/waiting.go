package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// waiting calls the program as a user would, with the scenario spike, and measures what the user waits for. The first call,
// which is not counted, fills the cache.
func (b *Bench) waiting(ctx context.Context) error {
	if _, err := b.call(ctx, "kappa", 0.1); err != nil {
		return err
	}
	var rows [][]string
	for _, arch := range []string{"kappa", "lambda"} {
		var start, finish, database, verify series
		for range b.Size.RepeatRuns {
			w, err := b.call(ctx, arch, b.Size.SpikeScale)
			if err != nil {
				return err
			}
			start, finish = append(start, w.start), append(finish, w.finish)
			database, verify = append(database, w.database), append(verify, w.verify)
			b.Log("%s: load %s s after the command, verdict and report %s s after the load", arch, number(w.start), number(w.finish))
		}
		rows = append(rows, []string{
			arch, start.text(number), database.text(number), start.over(database).text(number),
			finish.text(number), verify.text(number), finish.over(verify).text(number),
		})
	}
	return table(b.Out, []string{
		fmt.Sprintf("lkbench run --scenario=spike --set time_scale=%v", b.Size.SpikeScale), "command to load, s", "PostgreSQL's start, s", "ratio", "load to report, s", "lkbench verify alone, s", "ratio",
	}, rows)
}

// wait is what a user waits for, in seconds.
type wait struct{ start, finish, database, verify float64 }

// call runs and verifies the scenario spike with its times scaled.
func (b *Bench) call(ctx context.Context, arch string, scale float64) (w wait, err error) {
	out := filepath.Join(b.Dir, "called")
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	began := time.Now()
	text, err := b.command(ctx, "run", "--infra=embedded", "--arch="+arch, "--scenario=spike", "--quiet", "--out="+out,
		"--set", "time_scale="+strconv.FormatFloat(scale, 'g', -1, 64), "--set", "expect=[]")
	ended := time.Now()
	if err != nil {
		return w, err
	}
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return w, fmt.Errorf("lkbench run --quiet printed %q, expected architecture, scenario, verdict and folder", text)
	}
	m, err := load(fields[3])
	if err != nil {
		return w, err
	}
	// The harness's own figures begin and end a little inside of the process; these are the process's.
	w.start = m.StartedAt.Sub(began).Seconds()
	end := m.StartedAt.Add(time.Duration(m.Phases[len(m.Phases)-1].FromS * float64(time.Second)))
	w.finish = ended.Sub(end).Seconds()
	for _, r := range m.Resources {
		if r.Component == "database" {
			w.database = r.StartS
		}
	}
	began = time.Now()
	_, err = b.command(ctx, "verify", fields[3])
	w.verify = time.Since(began).Seconds()
	return w, err
}

// invalidExit is the program's exit code for a measurement that cannot be trusted, as on a busy machine: how long it took
// is still known.
const invalidExit = 4

// command calls the program, and gives what it prints. If ctx ends it is told to end in order.
func (b *Bench) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.Executable, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches it once, through us
	var printed, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &complaints
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == invalidExit {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("lkbench %s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return printed.String(), nil
}
