package oracle

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
)

// logRun is some records of one partition, in log order.
type logRun struct {
	partition int32
	records   []*kgo.Record
}

// readLog hands all records that stand in a topic now to handle, each partition in log order.
func readLog(ctx context.Context, cluster kafka.Cluster, topic string, handle func([]logRun) error) error {
	starts, left, err := bounds(ctx, cluster, topic)
	if err != nil {
		return fmt.Errorf("offsets of topic %s: %w", topic, err)
	}
	if len(left) == 0 {
		return nil
	}
	client, err := cluster.NewClient(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		// A control record fills the last offset of a transaction: without it the end would never be reached.
		kgo.KeepControlRecords(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			return fmt.Errorf("read topic %s partition %d: %w", topic, failed.Partition, failed.Err)
		}
		var runs []logRun
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			run := logRun{partition: p.Partition}
			for _, r := range p.Records {
				end, reading := left[p.Partition]
				if !reading {
					break
				}
				if !r.Attrs.IsControl() {
					run.records = append(run.records, r)
				}
				if r.Offset >= end-1 {
					delete(left, p.Partition)
				}
			}
			runs = append(runs, run)
		})
		if err := handle(runs); err != nil {
			return err
		}
	}
	return nil
}

// bounds returns where to start and the offset after the last record, for every partition that holds any.
func bounds(ctx context.Context, cluster kafka.Cluster, topic string) (starts map[int32]kgo.Offset, ends map[int32]int64, err error) {
	first, after, err := kafka.Offsets(ctx, cluster, topic)
	if err != nil {
		return nil, nil, err
	}
	starts, ends = map[int32]kgo.Offset{}, map[int32]int64{}
	after.Each(func(end kadm.ListedOffset) {
		if start, ok := first.Lookup(topic, end.Partition); ok && start.Offset < end.Offset {
			starts[end.Partition] = kgo.NewOffset().At(start.Offset)
			ends[end.Partition] = end.Offset
		}
	})
	return starts, ends, nil
}
