package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// The building blocks are Go benchmarks of their own packages.
var microPackages = []string{"./internal/bank", "./loadgen", "./results", "./internal/observe", "./internal/oracle", "./internal/native"}

const (
	microBenchmarks = "^Benchmark(Decode|SyntheticEvent|CSVEvent|ScheduleIntended|ScheduleDue|Ledger|Generator|Record|FollowerRow|Judge|IDTable|Fold)$"
	ourDecoder      = "bank.Decode/usual_order"
	jsonDecoder     = "bank.Decode/encoding-json"
)

// micro runs the building blocks' benchmarks, all of them before any a second time.
func (b *Bench) micro(ctx context.Context) error {
	all := benchmarks{figures: map[string]map[string]series{}}
	for i := range b.Size.Repeat {
		b.Log("%d: go test -bench", i+1)
		args := append([]string{"test", "-p=1", "-short", "-run=^$", "-benchmem", "-bench=" + microBenchmarks}, microPackages...)
		if b.Size.Repeat == 1 {
			args = append(args, "-benchtime=10x")
		}
		text, err := goTool(ctx, b.Dir, args)
		if err != nil {
			return err
		}
		if err := all.add(text); err != nil {
			return err
		}
	}
	return all.write(b.Out)
}

// goTool runs the go command with dir for temporary files; if ctx ends, it ends with all that it has started.
func goTool(ctx context.Context, dir string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // interrupted, neither go nor a benchmark removes what it has made
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return string(text), nil
}

// benchmarks is what go test -bench has printed, by name of the benchmark and unit.
type benchmarks struct {
	names   []string // in the order of their first appearance
	figures map[string]map[string]series
}

// add takes one output of go test -bench.
func (all *benchmarks) add(text string) error {
	pkg := ""
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = path[strings.LastIndexByte(path, '/')+1:]
			pkg = strings.TrimSpace(pkg)
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i >= 0 { // the number of processors
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		name = pkg + "." + name
		if all.figures[name] == nil {
			all.names = append(all.names, name)
			all.figures[name] = map[string]series{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("go test -bench printed %q: %w", line, err)
			}
			unit := fields[i+1]
			all.figures[name][unit] = append(all.figures[name][unit], value)
		}
	}
	return nil
}

func (all *benchmarks) write(w io.Writer) error {
	if len(all.names) == 0 {
		return fmt.Errorf("go test -bench ran no benchmark that matches %s", microBenchmarks)
	}
	var rows [][]string
	for _, name := range all.names {
		f := all.figures[name]
		rows = append(rows, []string{name, f["ns/op"].text(number), f["B/op"].text(number), f["allocs/op"].text(number)})
	}
	if err := table(w, []string{"benchmark", "ns", "bytes allocated", "allocations"}, rows); err != nil {
		return err
	}
	ours, json := all.figures[ourDecoder]["ns/op"], all.figures[jsonDecoder]["ns/op"]
	if math.IsNaN(ours.median()) || len(ours) != len(json) {
		return fmt.Errorf("%s or %s did not run", ourDecoder, jsonDecoder)
	}
	_, err := fmt.Fprintf(w, "encoding/json takes %s times as long as the decoder.\n\n", json.over(ours).text(number))
	return err
}
