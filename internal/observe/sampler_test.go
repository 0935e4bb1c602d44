package observe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// burnVerb makes the test binary a program that uses a known amount of CPU and then waits.
const burnVerb = "__burn"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == burnVerb {
		os.Exit(burn(os.Args[2]))
	}
	os.Exit(m.Run())
}

// burn uses CPU for a duration, says on standard output how much it has used, and waits for the end of standard input.
func burn(text string) int {
	wanted, err := time.ParseDuration(text)
	if err != nil {
		return 2
	}
	var used time.Duration
	for used < wanted {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			return 1
		}
		used = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	fmt.Println(used.Nanoseconds())
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

// burning starts a command that runs burn, and waits until it has used its CPU.
func burning(t *testing.T, program string, args ...string) (cmd *exec.Cmd, used time.Duration, end func()) {
	t.Helper()
	cmd = exec.Command(program, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = stdin.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(end)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	nanos, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, time.Duration(nanos), end
}

func measured(t *testing.T, s *Sampler) (time.Duration, int64) {
	t.Helper()
	cpu, rss, err := s.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cpu["busy"], rss["busy"]
}

// clockTicks is how far two readings of CPU time may differ: the kernel counts in ticks of 10 ms, user and system
// apart, and a Go program never rests quite.
const clockTicks = 40 * time.Millisecond

func TestSamplerMeasuresABusyProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first, used, end := burning(t, self, burnVerb, "300ms")
	pids := []int32{int32(first.Process.Pid)}
	s := NewSampler(SamplerConfig{Groups: []Group{{Name: "busy", PIDs: func() []int32 { return pids }}}})
	cpu, rss := measured(t, s)
	if diff := (cpu - used).Abs(); diff > clockTicks {
		t.Errorf("CPU %v, the process itself says %v", cpu, used)
	}
	if rss < 1<<20 || rss > 1<<30 {
		t.Errorf("RSS of %d bytes", rss)
	}

	// It is restarted: what the first has used stays.
	end()
	second, again, _ := burning(t, self, burnVerb, "200ms")
	pids = []int32{int32(second.Process.Pid)}
	cpu, _ = measured(t, s)
	if diff := (cpu - used - again).Abs(); diff > 2*clockTicks {
		t.Errorf("CPU %v after a restart, want %v and %v", cpu, used, again)
	}
}

// TestSamplerCountsChildrenThatEndedUnseen has a shell run a busy child to its end before the first sample.
func TestSamplerCountsChildrenThatEndedUnseen(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("what a process has inherited from its ended children is known on Linux only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("%s %s 300ms < /dev/null > /dev/null; %[1]s %[2]s 200ms; true", self, burnVerb)
	cmd, used, _ := burning(t, "/bin/sh", "-c", script)
	s := NewSampler(SamplerConfig{Groups: []Group{{Name: "busy", PIDs: func() []int32 { return []int32{int32(cmd.Process.Pid)} }}}})
	cpu, _ := measured(t, s)
	if want := used + 300*time.Millisecond; (cpu - want).Abs() > 2*clockTicks+want/10 {
		t.Errorf("CPU %v of two children, one of them ended; want about %v", cpu, want)
	}
}

func TestSamplerTakesOneSampleASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		origin := time.Now().Add(1500 * time.Millisecond) // sampling begins before the load does
		elapsed := func() int64 { return int64(time.Since(origin) / time.Millisecond) }
		calls := 0
		s := NewSampler(SamplerConfig{
			Groups:  []Group{{Name: "harness", PIDs: func() []int32 { return []int32{int32(os.Getpid())} }, Alone: true}},
			Offered: func() int64 { return elapsed() + 2 }, Sent: func() int64 { return elapsed() + 1 }, Acked: elapsed,
			Processed: func(ctx context.Context) (int64, error) {
				calls++
				switch calls {
				case 2: // a database that hangs
					<-ctx.Done()
					return 0, ctx.Err()
				case 3:
					return 0, errors.New("refused")
				}
				time.Sleep(100 * time.Millisecond)
				return 900, nil
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond+4300*time.Millisecond)
		defer cancel()
		if err := s.Run(ctx, origin); err != nil {
			t.Fatal(err)
		}
		got := s.Samples()
		if len(got) != 5 {
			t.Fatalf("%d samples in 4.3 s, want 4 and a last one", len(got))
		}
		for i, sample := range got {
			at := int64(i+1) * 1000
			if i == 4 {
				at = 4300
			}
			if sample.Second != i || sample.At != time.Duration(at)*time.Millisecond || sample.Acked != at || sample.Sent != at+1 || sample.Offered != at+2 {
				t.Errorf("sample %d: %+v, want second %d at %d ms with that many acknowledged", i, sample, i, at)
			}
			if answered := i != 1 && i != 2; (sample.Processed != nil) != answered || (sample.Lag != nil) != answered {
				t.Errorf("sample %d: processed %v, lag %v; answered was %v", i, sample.Processed, sample.Lag, answered)
			} else if answered && (*sample.Processed != 900 || *sample.Lag != at+100-900) {
				t.Errorf("sample %d: processed %d, lag %d; want 900 and %d", i, *sample.Processed, *sample.Lag, at+100-900)
			}
			if sample.RSS["harness"] <= 0 {
				t.Errorf("sample %d: the harness uses no memory", i)
			}
		}
	})
}

func BenchmarkMeasure(b *testing.B) {
	s := NewSampler(SamplerConfig{Groups: []Group{{Name: "everything", PIDs: func() []int32 { return []int32{1} }}}})
	before := cpu(b)
	for b.Loop() {
		if _, _, err := s.measure(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
