package loadgen

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
	"lkbench/scenarios"
)

// benchSender connects to a broker in this process, which costs both benchmarks the same.
func benchSender(b *testing.B) *KafkaSender {
	b.Helper()
	sender, err := NewKafkaSender(infratest.Kafka(b, 4, testTopic), testTopic)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(sender.Close)
	if err := sender.Ready(context.Background()); err != nil {
		b.Fatal(err)
	}
	return sender
}

// everything due at once: b.N events, ten nanoseconds apart.
func atOnce(b *testing.B) *scenarios.Scenario {
	s := catalogued(b, "spike")
	s.Warmup, s.Load = 0, []scenarios.Step{{For: scenarios.Duration(time.Duration(b.N) * 10), Rate: scenarios.Rate{PerS: 100e6}}}
	return s
}

// BenchmarkKafkaGenerator is the whole way of an event: made, timed, noted, sent, acknowledged. Compare with BenchmarkKafkaBare.
func BenchmarkKafkaGenerator(b *testing.B) {
	sender := benchSender(b)
	g, _ := newGenerator(b, atOnce(b), sender, NewClock(time.Now()), 64<<20)
	b.ReportAllocs()
	b.ResetTimer()
	if err := g.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if acked := g.Progress().Acked; acked != int64(b.N) {
		b.Fatalf("%d events acknowledged, not %d", acked, b.N)
	}
}

// BenchmarkKafkaBare sends the same bytes, prepared before, with nothing but a franz-go client of the same settings.
func BenchmarkKafkaBare(b *testing.B) {
	sender := benchSender(b)
	source, _ := mustSynthetic(b, atOnce(b))
	const different = 50_000
	records := make([]kgo.Record, min(b.N, different))
	for n := range records {
		e := source.Event(uint64(n), nil)
		records[n] = kgo.Record{Key: e.Key, Value: e.Value, Headers: []kgo.RecordHeader{{Key: HeaderN, Value: binary.BigEndian.AppendUint64(nil, uint64(n))}}}
	}
	room := make(chan struct{}, 250_000) // records in flight; about the bytes that the generator's bound allows
	var wg sync.WaitGroup
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			b.Error(err)
		}
		<-room
		wg.Done()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		r := records[n%different]
		wg.Add(1)
		room <- struct{}{}
		sender.client.Produce(context.Background(), &r, promise)
	}
	wg.Wait()
}

// BenchmarkKafkaOnSchedule sends 50,000 events a second for two seconds and reports how late they left, and the acknowledgements.
func BenchmarkKafkaOnSchedule(b *testing.B) {
	for b.Loop() {
		sender := benchSender(b)
		s := catalogued(b, "spike")
		s.Warmup, s.Load = scenarios.Duration(time.Second), []scenarios.Step{{For: scenarios.Duration(2 * time.Second), Rate: scenarios.Rate{PerS: 50_000}}}
		g, _ := newGenerator(b, s, sender, NewClock(time.Now().Add(100*time.Millisecond)), 256<<20)
		if err := g.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		stats := g.Stats()
		for name, d := range map[string]time.Duration{
			"delay-p50-µs": stats.ScheduleDelay.Quantile(0.5), "delay-p99.9-µs": stats.ScheduleDelay.Quantile(0.999), "ack-p50-µs": stats.Ack.Quantile(0.5), "ack-p99-µs": stats.Ack.Quantile(0.99),
		} {
			b.ReportMetric(float64(d.Microseconds()), name)
		}
	}
}
