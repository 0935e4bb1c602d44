package bench

import (
	"context"
	"fmt"
	"time"

	kappa "lkbench/architectures/kappa/native"
	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/results"
)

// provided are the providers that start servers of their own, in the order of the tables.
func provided() []infra.Provider {
	return []infra.Provider{infra.Embedded{}, infra.Local{}, docker.Provider{}}
}

// starting measures the time from nothing to a Kafka and a PostgreSQL that answer, and to their end, with everything that
// has to be fetched once already there.
func (b *Bench) starting(ctx context.Context) error {
	up, broker, database, down := map[string]series{}, map[string]series{}, map[string]series{}, map[string]series{}
	for i := range b.Size.Repeat + 1 {
		for _, p := range provided() {
			var ready, end time.Time
			began := time.Now()
			var kafkaS, postgresS float64
			err := b.servers(ctx, p, func(instance *infra.Instance) error {
				ready = time.Now()
				kafkaS, postgresS = instance.Brokers[0].StartS, instance.Database.StartS
				end = time.Now()
				return nil
			})
			if err != nil {
				return err
			}
			name := p.Name()
			if i == 0 {
				continue // fills caches: ours, and the operating system's
			}
			up[name], down[name] = append(up[name], ready.Sub(began).Seconds()), append(down[name], time.Since(end).Seconds())
			broker[name], database[name] = append(broker[name], kafkaS), append(database[name], postgresS)
			b.Log("%s: ready after %s s", name, number(ready.Sub(began).Seconds()))
		}
	}
	var rows [][]string
	for _, p := range provided() {
		name := p.Name()
		rows = append(rows, []string{
			name, up[name].text(number), up[name].over(up["embedded"]).text(number), broker[name].text(number), database[name].text(number), down[name].text(number),
		})
	}
	return table(b.Out, []string{"infra", "start to ready, s", "÷ embedded", "Kafka alone, s", "PostgreSQL alone, s", "to its end, s"}, rows)
}

// providers measures Kappa's alert latency on each provider, alternating, at the lowest rate of part e.
func (b *Bench) providers(ctx context.Context) error {
	s, err := constant(b.Size.Rates[0], b.Size.Latency)
	if err != nil {
		return err
	}
	p50, p99, ack, lag := map[string]series{}, map[string]series{}, map[string]series{}, map[string]series{}
	for range b.Size.RepeatRuns {
		for _, p := range provided() {
			m, err := b.run(ctx, p, kappa.New(), s, false)
			if err != nil {
				return err
			}
			name := p.Name()
			if m.Verdict.Status != results.Passed {
				return fmt.Errorf("kappa on %s: %s: %v", name, m.Verdict.Status, m.Verdict.Reasons)
			}
			p50[name], p99[name] = append(p50[name], orNaN(m.Latency.Alert.P50)), append(p99[name], orNaN(m.Latency.Alert.P99))
			ack[name], lag[name] = append(ack[name], orNaN(m.Latency.Ack.P50)), append(lag[name], orNaN(m.Observer.Lag.P50))
			b.Log("%s: alerts p50 %s ms, p99 %s ms", name, number(orNaN(m.Latency.Alert.P50)), number(orNaN(m.Latency.Alert.P99)))
		}
	}
	var rows [][]string
	for _, p := range provided() {
		name := p.Name()
		rows = append(rows, []string{
			name, p50[name].text(number), p99[name].text(number), p50[name].over(p50["embedded"]).text(number),
			ack[name].text(number), lag[name].text(number),
		})
	}
	return table(b.Out, []string{
		fmt.Sprintf("Kappa, %s events/s, %v", number(b.Size.Rates[0]), b.Size.Latency), "alerts p50, ms", "alerts p99, ms", "p50 ÷ embedded", "acknowledgement p50, ms", "observer lag p50, ms",
	}, rows)
}
