// Command cmd measures how fast lkbench is and prints the tables of docs/performance.md. 'make bench' builds and calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"lkbench/internal/bench"
	"lkbench/internal/infra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	program := flags.String("lkbench", "", "the program lkbench, built")
	parts := flags.String("part", "all", "parts to measure, such as a,c")
	quick := flags.Bool("quick", false, "sizes so small that the figures mean nothing: to see that everything works")
	repeat := flags.Int("repeat", 0, "how often every A and B is measured (default 3; whole runs 2)")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := choose(*parts)
	if err != nil || *program == "" || *repeat < 0 {
		if err == nil {
			err = errors.New("-lkbench must name the program, and -repeat be positive")
		}
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	size := bench.Full()
	if *quick {
		size = bench.Quick()
	}
	if *repeat > 0 {
		size.Repeat, size.RepeatRuns = *repeat, *repeat
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once, and its children with it
	err = measure(ctx, *program, chosen, size, *quick, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted")
		return 130
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// choose finds parts by their names.
func choose(names string) ([]bench.Part, error) {
	all := bench.Parts()
	if names == "all" || names == "" {
		return all, nil
	}
	var chosen []bench.Part
next:
	for name := range strings.SplitSeq(names, ",") {
		for _, p := range all {
			if p.Name == strings.TrimSpace(name) {
				chosen = append(chosen, p)
				continue next
			}
		}
		var known []string
		for _, p := range all {
			known = append(known, p.Name)
		}
		return nil, fmt.Errorf("there is no part %q; known: %s", name, strings.Join(known, ", "))
	}
	return chosen, nil
}

// measure runs the parts. One that fails does not keep the others from running.
func measure(ctx context.Context, program string, parts []bench.Part, size bench.Size, quick bool, stdout, stderr io.Writer) (err error) {
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lkbench-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := infra.Sweep(ctx, nil); err != nil { // what killed runs have left
		return err
	}
	if quick {
		fmt.Fprint(stdout, "**Quick: these figures mean nothing.**\n\n")
	}
	fmt.Fprintf(stdout, "%s, %s, %d cores (%s), %s. Medians of %d repetitions (%d of whole runs), least and greatest in brackets.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version(), size.Repeat, size.RepeatRuns)
	began := time.Now()
	var failed []error
	for _, p := range parts {
		b := &bench.Bench{Executable: program, Dir: dir, Size: size, Out: stdout, Log: func(format string, args ...any) {
			fmt.Fprintf(stderr, "%4.0f s  %s  %s\n", time.Since(began).Seconds(), p.Name, fmt.Sprintf(format, args...))
		}}
		b.Log("%s", p.Title)
		fmt.Fprintf(stdout, "### %s. %s\n\n", p.Name, p.Title)
		if err := p.Run(b, ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.Log("failed: %v", err)
			fmt.Fprintf(stdout, "**Not measured:** %v\n\n", err)
			failed = append(failed, fmt.Errorf("part %s: %w", p.Name, err))
		}
	}
	return errors.Join(failed...)
}

func processor() string {
	if cpus, err := cpu.Info(); err == nil && len(cpus) > 0 {
		return cpus[0].ModelName
	}
	return "unknown processor"
}
