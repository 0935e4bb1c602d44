package bench

import (
	"context"
	"errors"
	"fmt"

	kappa "lkbench/architectures/kappa/native"
	"lkbench/scenarios"

	"lkbench/internal/infra"
)

// watching runs Kappa with follower and probes and without, alternating: at a rate that leaves room, where the CPU time counts, and at
// one that does not, where the throughput counts. Runs without are invalid by design.
func (b *Bench) watching(ctx context.Context) error {
	groups := []string{"harness", "database", "harness + database", total}
	cpu := [2]map[string]series{{}, {}} // off, on
	var throughput [2]series
	for i, rate := range b.Size.WatchRates {
		s, err := constant(rate, b.Size.Watch)
		if err != nil {
			return err
		}
		if overload := i == 1; overload {
			// A backlog left by warm-up would be worked off in the measured time, uncounted.
			s.Warmup = 0
			s.Load[0].For = scenarios.Duration(b.Size.Watch / 3)
			s.Limits.InFlightMiB = 1024
		}
		for range b.Size.Repeat {
			for on := range 2 {
				m, err := b.run(ctx, infra.Embedded{}, kappa.New(), s, on == 0)
				if err != nil {
					return err
				}
				if !m.Drained {
					return fmt.Errorf("%s events/s for %v were not processed within %v: lower the rate", number(rate), s.Load[0].For, s.Drain)
				}
				if i == 1 {
					throughput[on] = append(throughput[on], m.ThroughputS)
					b.Log("watched: %v, throughput %s events/s", on == 1, number(m.ThroughputS))
					continue
				}
				used := perMillion(m)
				used["harness + database"] = used["harness"] + used["database"]
				for _, name := range groups {
					cpu[on][name] = append(cpu[on][name], used[name])
				}
				b.Log("watched: %v, CPU of everything %s s per million events", on == 1, number(used[total]))
			}
		}
	}
	var rows [][]string
	for _, name := range groups {
		off, on := cpu[0][name], cpu[1][name]
		rows = append(rows, []string{
			"CPU s per million events: " + name, off.text(number), on.text(number), on.over(off).text(change),
		})
	}
	rows = append(rows, []string{"throughput under overload, events/s", throughput[0].text(number), throughput[1].text(number), throughput[1].over(throughput[0]).text(change)})
	_, err := fmt.Fprintf(b.Out, "CPU at %s events/s for %v; throughput is events by the time from the first to the last committed, with %s events/s offered for %v.\n\n",
		number(b.Size.WatchRates[0]), b.Size.Watch, number(b.Size.WatchRates[1]), b.Size.Watch/3)
	return errors.Join(err, table(b.Out, []string{"follower and probes", "off", "on", "on against off"}, rows))
}
