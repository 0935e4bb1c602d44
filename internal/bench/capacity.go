package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lkbench/architectures"
	kappa "lkbench/architectures/kappa/native"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/capacity"
	"lkbench/internal/infra"
	"lkbench/scenarios"
)

// drainWithin bounds what an attempt at too high a rate costs.
const drainWithin = 20 * time.Second

// capacity searches the highest rate that each architecture holds with all instruments, and measures PostgreSQL's own
// limit for the same upserts and, at one rate for both, what they use.
func (b *Bench) capacity(ctx context.Context) error {
	archs := []architectures.Architecture{kappa.New(), lambda.New()}
	var rows, loops [][]string
	lowest := capacity.Highest
	for i, arch := range archs {
		found, err := capacity.Find(ctx, capacity.Config{Start: b.Size.FirstRates[i], Tolerance: b.Size.Tolerance, Confirmations: 1}, b.try(arch))
		if err != nil {
			return fmt.Errorf("%s: %w", arch.Name(), err)
		}
		held := found.Rate
		lowest = min(lowest, held)
		limits, err := b.limits(ctx, arch, held)
		if err != nil {
			return fmt.Errorf("%s: %w", arch.Name(), err)
		}
		best := slices.MaxFunc(limits, func(x, y limit) int { return int(x.events.median() - y.events.median()) })
		ratio := make(series, len(best.events))
		for i, v := range best.events {
			ratio[i] = held / v
		}
		rows = append(rows, []string{arch.Name(), number(held), best.events.text(number), ratio.text(percent), found.Why})
		for _, l := range limits {
			loops = append(loops, []string{
				fmt.Sprintf("%s, %s events a commit", arch.Name(), number(float64(l.perCommit))),
				l.events.text(number), l.rows.text(number), fmt.Sprintf("%.2f", l.rowsOfAnEvent),
			})
		}
	}
	err := errors.Join(
		table(b.Out, []string{
			fmt.Sprintf("held for %v with all instruments", b.Size.Hold), "events/s", "bare loop, its best, events/s", "share", "at the next rate",
		}, rows),
		table(b.Out, []string{"bare pgx loop into the same tables", "events/s", "rows/s", "rows an event"}, loops))
	if err != nil {
		return err
	}
	return b.costs(ctx, archs, lowest*0.8)
}

// try makes a run at a rate, a longer one to confirm it. A rate is held if it is sustained, whatever the latency.
func (b *Bench) try(arch architectures.Architecture) capacity.Try {
	return func(ctx context.Context, rate float64, confirmation bool) (capacity.Probe, error) {
		load := b.Size.Probe
		if confirmation {
			load = b.Size.Hold
		}
		s, err := constant(rate, load)
		if err != nil {
			return capacity.Probe{}, err
		}
		s.Drain = scenarios.Duration(drainWithin)
		m, err := b.run(ctx, infra.Embedded{}, arch, s, false)
		if err != nil {
			return capacity.Probe{}, err
		}
		p := capacity.Sustained(m.Record, m.seconds)
		if p.Held {
			b.Log("%s, %s events/s for %v: held", arch.Name(), number(rate), load)
		} else {
			p.Why = fmt.Sprintf("%s: %s", number(rate), p.Why)
			b.Log("%s, not held for %v at %s", arch.Name(), load, p.Why)
		}
		return p, nil
	}
}

// costs compares what the architectures use for the same load, alternating.
func (b *Bench) costs(ctx context.Context, archs []architectures.Architecture, rate float64) error {
	s, err := constant(rate, b.Size.Hold)
	if err != nil {
		return err
	}
	used := make([]map[string]series, len(archs))
	for range b.Size.RepeatRuns {
		for i, arch := range archs {
			m, err := b.run(ctx, infra.Embedded{}, arch, s, false)
			if err != nil {
				return err
			}
			if used[i] == nil {
				used[i] = map[string]series{}
			}
			for name, cpu := range perMillion(m) {
				used[i][name] = append(used[i][name], cpu)
			}
			b.Log("%s at %s events/s: %s s of CPU per million events", arch.Name(), number(rate), number(perMillion(m)[total]))
		}
	}
	var rows [][]string
	for _, name := range []string{"stream", "ingest", "speed", "batch", "database", "broker", "harness", total} {
		k, l := used[0][name], used[1][name]
		ratio := "–"
		if len(k) > 0 && len(l) > 0 {
			ratio = l.over(k).text(number)
		}
		rows = append(rows, []string{name, k.text(number), l.text(number), ratio})
	}
	return table(b.Out, []string{
		fmt.Sprintf("CPU s per million events at %s events/s", number(rate)), "kappa", "lambda", "lambda ÷ kappa",
	}, rows)
}

// total is the name under which perMillion gives the sum.
const total = "all"

// perMillion is the CPU time that a run used by component, in seconds per million events.
func perMillion(m *measured) map[string]float64 {
	used := map[string]float64{}
	for _, r := range m.Resources {
		cpu := orNaN(r.CPUS) / float64(m.Load.Acked) * 1e6
		used[r.Component] = cpu
		used[total] += cpu
	}
	return used
}
