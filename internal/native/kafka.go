package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	return cluster(c).NewClient(append(kafka.Options(kafka.Consumer()),
		kgo.ClientID("lkbench-"+c.Component),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Environment.Topic: assigned}),
		// Of dead letters: they stay in the partition of what they were, and a commit waits for them, so they are sent
		// without gathering more.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(maxLetterBatch),
	)...)
}

// cluster is Kafka as the component reaches it: over its process's network.
func cluster(c Config) kafka.Cluster {
	cluster := c.Environment.Kafka
	cluster.Dial = c.Environment.Network.Dialer(network.Kafka)
	return cluster
}

// errCut stands with a partition that is read on from the beginning of its log, LogStartOffset, because the next records were
// deleted before they were read.
var errCut = errors.New("the log was cut")

// reader follows the topic and knows how far.
type reader struct {
	config Config
	client *kgo.Client
	next   []int64 // offset by partition
}

// poll returns what arrives. An error is one that the client does not get over by itself.
func (r *reader) poll(ctx context.Context, most int) (kgo.Fetches, error) {
	fetches := r.client.PollRecords(ctx, most)
	for i := range fetches {
		for j := range fetches[i].Topics {
			partitions := fetches[i].Topics[j].Partitions
			for k := range partitions {
				p := &partitions[k]
				if n := len(p.Records); n > 0 {
					r.next[p.Partition] = p.Records[n-1].Offset + 1
				}
				if !errors.Is(p.Err, kerr.OffsetOutOfRange) {
					continue
				}
				if err := r.goOn(ctx, p); err != nil {
					return nil, err
				}
			}
		}
	}
	return fetches, fetchError(fetches)
}

// goOn reads a partition on from the beginning of its log if retention has deleted what was to be read. The error stays
// with one whose offset lies beyond the log.
func (r *reader) goOn(ctx context.Context, p *kgo.FetchPartition) error {
	topic := r.config.Environment.Topic
	starts, _, err := kafka.Offsets(ctx, cluster(r.config), topic)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(topic, p.Partition)
	if start.Offset <= r.next[p.Partition] {
		return nil
	}
	slog.Warn("records were deleted before they were read: going on from the beginning of the log",
		"topic", topic, "partition", p.Partition, "next", r.next[p.Partition], "beginning", start.Offset)
	p.Err, p.LogStartOffset, r.next[p.Partition] = errCut, start.Offset, start.Offset
	r.client.RemoveConsumePartitions(map[string][]int32{topic: {p.Partition}})
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p.Partition: kgo.NewOffset().At(start.Offset)}})
	return nil
}

// fetchError returns what stands in the way of consuming, or nil if the client will get over it by itself.
func fetchError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, kgo.ErrClientClosed):
			return e.Err
		case errors.Is(e.Err, errCut):
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

// maxLetterBatch is what brokers take at once by default (max.message.bytes is 1048588): the longest letter with its headers is a
// batch of its own. The client's own default has no room for the headers.
const maxLetterBatch = 1 << 20

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
