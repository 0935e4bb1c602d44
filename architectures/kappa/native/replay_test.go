package native_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/architectures"
	kappa "lkbench/architectures/kappa/native"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

// BenchmarkReplay measures a backlog: records that stand in the topic before the component starts, until the last is
// committed, all views, de-duplication on. Broker, database and component share the machine.
func BenchmarkReplay(b *testing.B) {
	const events = 1_000_000
	ctx := b.Context()
	env := architectures.Environment{
		Kafka: infratest.Kafka(b, 4, "transactions", "dead"), Topic: "transactions", DeadLetters: "dead", Partitions: 4,
		Rules: bank.DefaultRules(), Settings: architectures.Settings{CommitInterval: 10 * time.Millisecond},
	}
	produce(b, env, events)
	for b.Loop() {
		b.StopTimer()
		env.Postgres = infratest.Postgres(b)
		system, err := kappa.New().Deploy(ctx, env)
		if err != nil {
			b.Fatal(err)
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		b.StartTimer()
		go func() { ended <- kappa.New().Components()[0].Run(running, env) }()
		for done := int64(0); done < events; time.Sleep(10 * time.Millisecond) {
			progress, err := system.Progress(ctx)
			if err != nil {
				b.Fatal(err)
			}
			done = 0
			for _, p := range progress.Positions {
				done += p.Next
			}
		}
		b.StopTimer()
		stop()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		system.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// produce puts the synthetic stream of 5,000 events a second on the topic.
func produce(tb testing.TB, env architectures.Environment, events uint64) {
	tb.Helper()
	s := scenarios.Scenario{
		Seed: 42, TimeScale: 1, Partitions: int(env.Partitions),
		Events: scenarios.Events{Source: "synthetic", Speed: 60, Customers: 100_000, Skew: 1},
		Load:   []scenarios.Step{{For: scenarios.Duration(time.Duration(events) * time.Second / 5000), Rate: 5000}},
	}
	s.Rules = scenarios.Rules{RelativePercent: 50, AbsoluteINR: 50000, VelocityCount: 3, Window: scenarios.Duration(5 * time.Minute),
		Watermark: scenarios.Duration(2 * time.Minute), DedupHorizon: scenarios.Duration(time.Hour), PremiumINR: 15000, FrequentCount: 10}
	schedule, err := loadgen.NewSchedule(&s)
	if err != nil {
		tb.Fatal(err)
	}
	source, err := loadgen.NewSynthetic(&s, schedule)
	if err != nil {
		tb.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(env.Kafka...), kgo.DefaultProduceTopic(env.Topic))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	for n := uint64(0); n < events; n++ {
		e := source.Event(n, nil)
		client.Produce(context.Background(), &kgo.Record{Key: e.Key, Value: e.Value}, func(_ *kgo.Record, err error) {
			if err != nil {
				tb.Error(err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		tb.Fatal(err)
	}
}
