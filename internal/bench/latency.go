package bench

import (
	"context"
	"fmt"

	"lkbench/architectures"
	kappa "lkbench/architectures/kappa/native"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/infra"
	"lkbench/results"
)

// latency measures alert latency of both architectures, alternating, at rates far below their limits. What the broker
// takes to acknowledge and the write-ahead log to show a commit is in it whoever computes, and is measured in the same run.
func (b *Bench) latency(ctx context.Context) error {
	archs := []architectures.Architecture{kappa.New(), lambda.New()}
	var rows [][]string
	for _, rate := range b.Size.Rates {
		s, err := constant(rate, b.Size.Latency)
		if err != nil {
			return err
		}
		p50, p99, floor := make([]series, len(archs)), make([]series, len(archs)), make([]series, len(archs))
		for range b.Size.RepeatRuns {
			for i, arch := range archs {
				m, err := b.run(ctx, infra.Embedded{}, arch, s, false)
				if err != nil {
					return err
				}
				if m.Verdict.Status != results.Passed {
					return fmt.Errorf("%s at %s events/s: %s: %v", arch.Name(), number(rate), m.Verdict.Status, m.Verdict.Reasons)
				}
				alert := m.Latency.Alert
				p50[i], p99[i] = append(p50[i], orNaN(alert.P50)), append(p99[i], orNaN(alert.P99))
				floor[i] = append(floor[i], orNaN(m.Latency.Ack.P50)+orNaN(m.Observer.Lag.P50))
				b.Log("%s at %s events/s: alerts p50 %s ms, p99 %s ms", arch.Name(), number(rate), number(orNaN(alert.P50)), number(orNaN(alert.P99)))
			}
		}
		for i, arch := range archs {
			rows = append(rows, []string{
				fmt.Sprintf("%s, %s events/s", arch.Name(), number(rate)), p50[i].text(number), p99[i].text(number),
				floor[i].text(number), p50[i].over(floor[i]).text(number), p99[i].over(p99[0]).text(number),
			})
		}
	}
	return table(b.Out, []string{
		fmt.Sprintf("alerts, %v", b.Size.Latency), "p50, ms", "p99, ms", "broker + log p50, ms", "p50 ÷ that", "p99 ÷ kappa's",
	}, rows)
}
