package native

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

// BenchmarkReplay is for profiles: a backlog of a million events, from the start of the component until the last is
// committed, all views. Broker and database share the machine, and the broker the process; docs/performance.md has the figures
// of separate ones.
func BenchmarkReplay(b *testing.B) {
	const events = 1_000_000
	ctx := b.Context()
	env := architectures.Environment{
		Kafka: infratest.Kafka(b, 4, "transactions", "dead"), Topic: "transactions", DeadLetters: "dead", Partitions: 4,
		Rules: bank.DefaultRules(), Settings: architectures.Settings{CommitInterval: 10 * time.Millisecond},
	}
	fill(b, env)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		env.Postgres = infratest.Postgres(b)
		system, err := New().Deploy(ctx, env)
		if err != nil {
			b.Fatal(err)
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		b.StartTimer()
		go func() { ended <- stream(running, env) }()
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

// fill puts a million events on the topic: 100,000 customers, five thousand events a second, sixtyfold speed.
func fill(b *testing.B, env architectures.Environment) {
	b.Helper()
	s, err := scenarios.Parse("replay.yaml", []byte("{name: replay, warmup: 0s, load: [{for: 200s, rate: 5000}], events: {customers: 100000, skew: 1.0}}"))
	if err != nil {
		b.Fatal(err)
	}
	schedule, err := loadgen.NewSchedule(s)
	if err != nil {
		b.Fatal(err)
	}
	source, err := loadgen.NewSynthetic(s, schedule)
	if err != nil {
		b.Fatal(err)
	}
	client, err := env.Kafka.NewClient(kgo.DefaultProduceTopic(env.Topic))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for n := range schedule.Len() {
		e := source.Event(n, nil)
		client.Produce(context.Background(), &kgo.Record{Key: e.Key, Value: e.Value}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
}
