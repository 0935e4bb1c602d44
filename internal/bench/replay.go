package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	kappa "lkbench/architectures/kappa/native"
	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/internal/kafka"
	"lkbench/internal/observe"
	"lkbench/internal/proc"
)

// replayRate is the rate at which the events of the replay were due: event time runs 60 times as fast.
const replayRate = 5_000

// replay lets Kappa's component read a topic from its beginning into an empty database, and a bare consumer of the same
// settings read and decode it.
func (b *Bench) replay(ctx context.Context) error {
	var bare, ours series
	cores := map[string]series{}
	err := b.servers(ctx, infra.Embedded{}, func(instance *infra.Instance) error {
		if err := infra.CreateTopics(ctx, instance.Kafka, partitions, instance.Replication, topic, deadLetters); err != nil {
			return err
		}
		if err := b.fillTopic(ctx, instance.Kafka); err != nil {
			return err
		}
		for i := range b.Size.Repeat {
			rate, err := b.consume(ctx, instance.Kafka, b.Size.Replay, true)
			if err != nil {
				return err
			}
			bare = append(bare, rate)
			rate, busy, err := b.streamAll(ctx, instance)
			if err != nil {
				return err
			}
			ours = append(ours, rate)
			for name, v := range busy {
				cores[name] = append(cores[name], v)
			}
			b.Log("%d: consume and decode %s events/s, stream %s events/s", i+1, number(bare[i]), number(ours[i]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = table(b.Out, []string{fmt.Sprintf("replay of %s events", number(float64(b.Size.Replay))), "events/s", "of consume and decode"}, [][]string{
		{"bare consume and decode, one process", bare.text(number), "100%"},
		{"stream: all views, de-duplication on, process start included", ours.text(number), ours.over(bare).text(percent)},
	})
	var rows [][]string
	for _, name := range []string{"stream", "database", "broker"} {
		rows = append(rows, []string{name, cores[name].text(number)})
	}
	return errors.Join(err, table(b.Out, []string{"what limits the replay", "cores busy"}, rows))
}

// fillTopic puts the events of a steady load on the topic.
func (b *Bench) fillTopic(ctx context.Context, cluster kafka.Cluster) error {
	s, err := constant(replayRate, time.Duration(b.Size.Replay)*time.Second/replayRate)
	if err != nil {
		return err
	}
	s.Warmup = 0
	_, source, err := stream(s)
	if err != nil {
		return err
	}
	client, err := producer(cluster, kgo.MaxBufferedBytes(inFlight))
	if err != nil {
		return err
	}
	defer client.Close()
	return produce(ctx, client, b.Size.Replay, func(n int) *kgo.Record {
		e := source.Event(uint64(n), nil)
		return &kgo.Record{Key: e.Key, Value: e.Value}
	})
}

// consume reads so many events, with or without decoding them, and gives the rate.
func (b *Bench) consume(ctx context.Context, cluster kafka.Cluster, events int, decode bool) (perSecond float64, err error) {
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().At(0)
	}
	client, err := cluster.NewClient(append(kafka.Options(kafka.Consumer()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	began := time.Now()
	var t bank.Transaction
	for seen, decoded := 0, 0; seen < events; {
		fetches := client.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil {
			return 0, fmt.Errorf("consume: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			if decode && bank.Decode(r.Value, &t) == nil {
				decoded++
			}
		})
		if seen == events && decode && decoded < seen*99/100 {
			return 0, fmt.Errorf("only %d of %d events could be decoded", decoded, seen)
		}
	}
	return float64(events) / time.Since(began).Seconds(), nil
}

// streamAll replays into a fresh database, checks that every event is accounted for, and gives the rate and how many
// cores were busy.
func (b *Bench) streamAll(ctx context.Context, instance *infra.Instance) (perSecond float64, cores map[string]float64, err error) {
	d, err := deploy(ctx, instance, kappa.New(), time.Hour)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, d.drop(ctx)) }()
	began := time.Now()
	p, err := b.start(d, "stream")
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, p.Abort()) }()
	busy := b.watchCores(ctx, instance, p)
	counted := int64(0)
	err = await(ctx, p, func() (bool, error) {
		progress, err := d.Progress(ctx)
		if err != nil {
			return false, err
		}
		next := int64(0)
		counted = 0
		for _, position := range progress.Positions {
			next += position.Next
			counted += position.Next - position.Duplicates - position.DeadLetters
		}
		return next >= int64(b.Size.Replay), nil
	})
	took := time.Since(began)
	cores, watched := busy()
	if err = errors.Join(err, watched); err != nil {
		return 0, nil, err
	}
	return float64(b.Size.Replay) / took.Seconds(), cores, addsUp(ctx, d.env.Postgres, counted)
}

// addsUp fails if the views do not hold exactly the events that the component says it has counted.
func addsUp(ctx context.Context, postgres string, counted int64) error {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var windows, profiles int64
	err = conn.QueryRow(ctx, `select (select coalesce(sum(transactions), 0)::bigint from customer_windows),
		(select coalesce(sum(transactions), 0)::bigint from customer_profiles)`).Scan(&windows, &profiles)
	if err != nil {
		return err
	}
	if windows != counted || profiles != counted {
		return fmt.Errorf("%w: %d events were counted, windows hold %d and profiles %d", errIncorrect, counted, windows, profiles)
	}
	return nil
}

// watchCores samples the CPU of a component and the servers until the function it returns is called, which gives the
// average number of busy cores from the first whole second on; none if there was only one sample.
func (b *Bench) watchCores(ctx context.Context, instance *infra.Instance, p *proc.Process) func() (map[string]float64, error) {
	zero := func() int64 { return 0 }
	sampler := observe.NewSampler(observe.SamplerConfig{
		Groups: []observe.Group{
			{Name: p.Name(), PIDs: func() []int32 { return []int32{int32(p.PID())} }},
			{Name: "database", PIDs: instance.Database.PIDs},
			{Name: "broker", PIDs: instance.Brokers[0].PIDs},
		},
		Offered: zero, Sent: zero, Acked: zero, Processed: func(context.Context) (int64, error) { return 0, nil },
	})
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- sampler.Run(ctx, time.Now()) }()
	return func() (map[string]float64, error) {
		stop()
		err := <-ended
		samples := sampler.Samples()
		cores := map[string]float64{}
		if len(samples) > 1 {
			first, last := samples[0], samples[len(samples)-1]
			for name, used := range last.CPU {
				cores[name] = (used - first.CPU[name]).Seconds() / (last.At - first.At).Seconds()
			}
		}
		return cores, err
	}
}
