package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"lkbench/architectures"
	kappa "lkbench/architectures/kappa/native"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/infra"
	"lkbench/results"
	"lkbench/scenarios"
)

// recovery kills what follows the topic, and the broker, in the middle of a load at half of the capacity, both architectures
// alternating. What the architecture needs is told beside what its surroundings need: the supervisor's delay before it starts a
// process again, and the time from the kill until the broker acknowledges again.
func (b *Bench) recovery(ctx context.Context) error {
	var rows [][]string
	for _, target := range []string{"stream", "broker"} {
		for i, arch := range []architectures.Architecture{kappa.New(), lambda.New()} {
			c := &crash{}
			for range b.Size.RepeatRuns {
				if err := b.crash(ctx, arch, target, b.Size.CrashRates[i], c); err != nil {
					return err
				}
			}
			rows = append(rows, []string{
				fmt.Sprintf("%s, %s, %s events/s", target, arch.Name(), number(b.Size.CrashRates[i])),
				c.surroundings.text(number), c.output.text(number), c.added.text(number), c.lag.text(number), c.p99.text(number), c.right.text(number), c.peak.text(number),
			})
		}
	}
	return table(b.Out, []string{
		fmt.Sprintf("SIGKILL after %v", b.Size.Crash), "delay or broker back, s", "first output, s", "added, s", "lag back, s", "p99 back, s", "all right, s", "peak lag, events",
	}, rows)
}

// crash is what was measured of one kind of crash on one architecture; what was not reached is NaN.
type crash struct{ surroundings, output, added, lag, p99, right, peak series }

func (b *Bench) crash(ctx context.Context, arch architectures.Architecture, target string, rate float64, c *crash) error {
	at := warmup + b.Size.Crash
	s, err := scenarios.Load("steady", "name=bench", fmt.Sprintf("load=[{for: %v, rate: %v}]", 2*b.Size.Crash, int64(rate)),
		fmt.Sprintf("warmup=%v", warmup), fmt.Sprintf("lambda.batch_every=%v", b.Size.Crash), "expect=[]",
		fmt.Sprintf("faults=[{at: %v, kind: crash, target: %s}]", at, target),
		"limits.schedule_delay_p999=10s", "limits.observer_lag=30s", "limits.offered_shortfall=0.2")
	if err != nil {
		return err
	}
	m, err := b.run(ctx, infra.Embedded{}, arch, s, false)
	if err != nil {
		return err
	}
	if m.Verdict.Status != results.Passed || len(m.Faults) != 1 || m.Faults[0].Recovery == nil {
		return fmt.Errorf("%s, crash of %s: %s: %v", arch.Name(), target, m.Verdict.Status, m.Verdict.Reasons)
	}
	injected, r := *m.Faults[0].InjectedAtS, m.Faults[0].Recovery
	surroundings, output := 0.2, orNaN(reached(r.FirstOutput)) // the supervisor's delay
	if target == "broker" {
		surroundings = firstAfter(m.tenths, injected, func(t results.Tenth) *int64 { return t.Acked })
		output = firstAfter(m.tenths, injected, func(t results.Tenth) *int64 { return t.Processed })
	}
	c.surroundings, c.output, c.added = append(c.surroundings, surroundings), append(c.output, output), append(c.added, output-surroundings)
	c.lag, c.p99, c.right = append(c.lag, orNaN(reached(r.LagBack))), append(c.p99, orNaN(reached(r.P99Back))), append(c.right, orNaN(reached(r.AllRight)))
	peak := math.NaN()
	if r.PeakLag != nil {
		peak = float64(*r.PeakLag)
	}
	c.peak = append(c.peak, peak)
	b.Log("%s, crash of %s: first output %s s, lag back %s s; notes %q", arch.Name(), target, number(output), number(orNaN(reached(r.LagBack))), r.Notes)
	return nil
}

// reached is a span that ended; nil for one that was not over, or not measured.
func reached(s results.Span) *float64 {
	if s.Censored {
		return nil
	}
	return s.S
}

// firstAfter is the time from an injection to the end of the first row with a count above zero that follows a row without;
// zero if the counts never stopped, NaN if they did not come back.
func firstAfter(tenths []results.Tenth, injectedS float64, count func(results.Tenth) *int64) float64 {
	const row = 0.1
	stopped := false
	for _, t := range tenths {
		end := float64(t.AtMS)/1000 + row
		if end <= injectedS+row {
			continue
		}
		n := count(t)
		switch {
		case n == nil || *n <= 0:
			stopped = true
		case stopped:
			return end - injectedS
		case end > injectedS+1: // it would have stopped by now
			return 0
		}
	}
	if stopped {
		return math.NaN()
	}
	return 0
}

// loadTenths reads the timeline of 100 ms of a run.
func loadTenths(dir string) ([]results.Tenth, error) {
	file, err := os.Open(filepath.Join(dir, results.TenthsFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return results.ReadTenths(file)
}
