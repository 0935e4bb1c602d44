package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

// inFlight bounds what both senders may have unacknowledged. It is not reached at half the rate.
const inFlight = 64 << 20

// generator sends as fast as it can, with everything due at once; the bare producer sends events that were made before.
// Then the generator sends at half of its rate.
func (b *Bench) generator(ctx context.Context) error {
	s, err := constant(1000, time.Second)
	if err != nil {
		return err
	}
	// Ten nanoseconds between two events: all are due at once.
	s.Warmup, s.Load = 0, []scenarios.Step{{For: scenarios.Duration(b.Size.Events * 10), Rate: scenarios.Rate{PerS: 100e6}}}
	var bare, ours, bound series
	for i := range b.Size.Repeat {
		rate, err := b.bareProducer(ctx, infra.Embedded{}, s)
		if err != nil {
			return err
		}
		bare = append(bare, rate)
		g, took, err := b.generate(ctx, infra.Embedded{}, s, inFlight)
		if err != nil {
			return err
		}
		ours = append(ours, float64(g.Load.Acked)/took.Seconds())
		b.Log("%d: bare producer %s events/s, generator %s events/s", i+1, number(rate), number(ours[i]))
	}
	half := ours.median() / 2
	var p50, p999, highest, ack series
	for range b.Size.Repeat {
		s, err := constant(half, b.Size.OnSchedule)
		if err != nil {
			return err
		}
		g, _, err := b.generate(ctx, infra.Embedded{}, s, int64(s.Limits.InFlightMiB)<<20)
		if err != nil {
			return err
		}
		d := g.Load.ScheduleDelay
		p50, p999 = append(p50, orNaN(d.P50)), append(p999, orNaN(d.P999))
		highest, ack = append(highest, orNaN(d.Max)), append(ack, orNaN(g.Ack.Summary().P99))
		bound = append(bound, g.Load.SentPerS/g.Load.OfferedPerS)
		b.Log("%s events/s: schedule delay p99.9 %s ms", number(half), number(orNaN(d.P999)))
	}
	err = table(b.Out, []string{"as fast as possible", "events/s", "of the bare producer"}, [][]string{
		{"bare franz-go producer, events made before", bare.text(number), "100%"},
		{"generator: makes, times, notes and sends every event", ours.text(number), ours.over(bare).text(percent)},
	})
	return errors.Join(err, table(b.Out, []string{fmt.Sprintf("on schedule, %s events/s (half)", number(half)), "figure"}, [][]string{
		{"schedule delay p50, ms", p50.text(number)},
		{"schedule delay p99.9, ms", p999.text(number)},
		{"schedule delay max, ms", highest.text(number)},
		{"acknowledgement p99, ms", ack.text(number)},
		{"sent, of the offered rate", bound.text(percent)},
	}))
}

// generate sends the load of a scenario to a fresh broker with the program's own generator.
func (b *Bench) generate(ctx context.Context, provider infra.Provider, s *scenarios.Scenario, bound int64) (stats loadgen.Stats, took time.Duration, err error) {
	schedule, source, err := stream(s)
	if err != nil {
		return stats, 0, err
	}
	err = b.servers(ctx, provider, func(instance *infra.Instance) (err error) {
		if err := infra.CreateTopics(ctx, instance.Kafka, partitions, instance.Replication, topic); err != nil {
			return err
		}
		sender, err := loadgen.NewKafkaSender(instance.Kafka, topic)
		if err != nil {
			return err
		}
		defer sender.Close()
		if err := sender.Ready(ctx); err != nil {
			return err
		}
		path := filepath.Join(b.Dir, "ledger")
		ledger, err := loadgen.NewLedgerWriter(path, schedule.Len())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(path)) }()
		origin := time.Now()
		g, err := loadgen.NewGenerator(loadgen.Config{
			Schedule: schedule, Source: source, Sender: sender, Clock: loadgen.NewClock(origin), Ledger: ledger, MaxInFlight: bound,
		})
		if err == nil {
			err = g.Run(ctx)
		}
		took = time.Since(origin)
		if err = errors.Join(err, ledger.Close()); err != nil {
			return err
		}
		stats = g.Stats()
		if missing := int64(schedule.Len()-schedule.Warmup()) - stats.Load.Acked; missing != 0 {
			return fmt.Errorf("%d events were not acknowledged", missing)
		}
		return nil
	})
	return stats, took, err
}

// stream is the schedule of a scenario and its events.
func stream(s *scenarios.Scenario) (*loadgen.Schedule, loadgen.Source, error) {
	schedule, err := loadgen.NewSchedule(s)
	if err != nil {
		return nil, nil, err
	}
	source, err := loadgen.OpenSource(s, schedule)
	return schedule, source, err
}

// different events of the bare producer, again and again: so few that they cost the garbage collector nothing.
const different = 100_000

// bareProducer sends the events of a scenario to a fresh broker with nothing but a client of the same settings, and gives
// the rate.
func (b *Bench) bareProducer(ctx context.Context, provider infra.Provider, s *scenarios.Scenario) (perSecond float64, err error) {
	schedule, source, err := stream(s)
	if err != nil {
		return 0, err
	}
	total := int(schedule.Len())
	records := make([]kgo.Record, min(total, different))
	for n := range records {
		e := source.Event(uint64(n), nil)
		header := kgo.RecordHeader{Key: loadgen.HeaderN, Value: binary.BigEndian.AppendUint64(nil, uint64(n))}
		records[n] = kgo.Record{Key: e.Key, Value: e.Value, Headers: []kgo.RecordHeader{header}}
	}
	err = b.servers(ctx, provider, func(instance *infra.Instance) error {
		if err := infra.CreateTopics(ctx, instance.Kafka, partitions, instance.Replication, topic); err != nil {
			return err
		}
		client, err := producer(instance.Kafka, kgo.MaxBufferedBytes(inFlight))
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.Ping(ctx); err != nil {
			return err
		}
		began := time.Now()
		if err := produce(ctx, client, total, func(n int) *kgo.Record {
			r := records[n%len(records)]
			return &r
		}); err != nil {
			return err
		}
		perSecond = float64(total) / time.Since(began).Seconds()
		return nil
	})
	return perSecond, err
}

// producer is a client with the settings of the load generator; others are applied last.
func producer(cluster kafka.Cluster, options ...kgo.Opt) (*kgo.Client, error) {
	settings := append(kafka.Options(kafka.Producer()), kgo.DefaultProduceTopic(topic))
	return cluster.NewClient(append(settings, options...)...)
}

// produce sends so many records and waits until all are acknowledged.
func produce(ctx context.Context, client *kgo.Client, total int, record func(n int) *kgo.Record) error {
	var failed atomic.Pointer[error]
	for n := range total {
		client.Produce(ctx, record(n), func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("produce: %w", *err)
	}
	return nil
}
