package native

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
	"lkbench/internal/network"
)

// newClient connects to Kafka: partitions by direct assignment from the given offsets, and a producer for dead letters.
func newClient(c Config, from []int64) (*kgo.Client, error) {
	assigned := make(map[int32]kgo.Offset, len(from))
	for n, offset := range from {
		assigned[int32(n)] = kgo.NewOffset().At(offset)
	}
	cluster := c.Environment.Kafka
	cluster.Dial = c.Environment.Network.Dialer(network.Kafka)
	return cluster.NewClient(append(kafka.Options(kafka.Consumer()),
		kgo.ClientID("lkbench-"+c.Component),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Environment.Topic: assigned}),
		// Of dead letters: they stay in the partition of what they were, and a commit waits for them, so they are sent
		// without gathering more.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
	)...)
}

// fetchError returns what stands in the way of consuming, or nil if the client will get over it by itself.
func fetchError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, kgo.ErrClientClosed):
			return e.Err
		case kerr.IsRetriable(e.Err), kgo.IsRetryableBrokerErr(e.Err):
		default:
			return fmt.Errorf("read topic %s, partition %d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	return nil
}

// maxLetter bounds key and value of a dead letter together: brokers refuse records above 1 MiB, and the headers come on
// top. A longer one is cut, which its header truncated_from tells.
const maxLetter = 1_000_000

// produce sends malformed records to the same partition of the dead-letter topic and returns when they are acknowledged.
func produce(ctx context.Context, client *kgo.Client, topic string, letters []letter) error {
	if len(letters) == 0 {
		return nil
	}
	records := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		records[i] = l.record(topic)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce %d dead letters to topic %s: %w", len(letters), topic, err)
	}
	return nil
}

func (l letter) record(topic string) *kgo.Record {
	r := &kgo.Record{
		Topic: topic, Partition: l.partition, Key: l.key, Value: l.value,
		Headers: []kgo.RecordHeader{
			{Key: "source_partition", Value: strconv.AppendInt(nil, int64(l.partition), 10)},
			{Key: "source_offset", Value: strconv.AppendInt(nil, l.offset, 10)},
			{Key: "reason", Value: []byte(l.reason)},
		},
	}
	if size := len(l.key) + len(l.value); size > maxLetter {
		r.Key = l.key[:min(len(l.key), maxLetter)]
		r.Value = l.value[:min(len(l.value), maxLetter-len(r.Key))]
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "truncated_from", Value: strconv.AppendInt(nil, int64(size), 10)})
	}
	return r
}
