package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
)

// logRun is some records of one partition, in log order.
type logRun struct {
	partition int32
	records   []*kgo.Record
}

// errCutMeanwhile says that the broker threw records away while they were read.
var errCutMeanwhile = errors.New("the broker cut the log while it was read")

// readLog hands the offsets at which the partitions of a topic begin to begin, then all records that stand in it now to handle,
// each partition in log order. The error is errCutMeanwhile if the partitions begin elsewhere afterwards.
func readLog(ctx context.Context, cluster kafka.Cluster, topic string, begin func(starts []int64) error, handle func([]logRun) error) error {
	starts, left, err := bounds(ctx, cluster, topic)
	if err != nil {
		return fmt.Errorf("offsets of topic %s: %w", topic, err)
	}
	if err := begin(starts); err != nil {
		return err
	}
	if err := readRecords(ctx, cluster, topic, starts, left, handle); err != nil {
		return err
	}
	after, _, err := bounds(ctx, cluster, topic)
	if err != nil {
		return fmt.Errorf("offsets of topic %s: %w", topic, err)
	}
	if !slices.Equal(starts, after) {
		return fmt.Errorf("topic %s: %w", topic, errCutMeanwhile)
	}
	return nil
}

// readRecords reads from starts until nothing is left before the ends of the partitions in left.
func readRecords(ctx context.Context, cluster kafka.Cluster, topic string, starts []int64, left map[int32]int64, handle func([]logRun) error) error {
	if len(left) == 0 {
		return nil
	}
	from := map[int32]kgo.Offset{}
	for partition := range left {
		from[partition] = kgo.NewOffset().At(starts[partition])
	}
	client, err := cluster.NewClient(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
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

// bounds returns where every partition begins, and the offset after the last record of those that hold any.
func bounds(ctx context.Context, cluster kafka.Cluster, topic string) (starts []int64, ends map[int32]int64, err error) {
	first, after, err := kafka.Offsets(ctx, cluster, topic)
	if err != nil {
		return nil, nil, err
	}
	starts, ends = make([]int64, len(first[topic])), map[int32]int64{}
	for partition := range starts {
		start, found := first.Lookup(topic, int32(partition))
		end, ended := after.Lookup(topic, int32(partition))
		if !found || !ended {
			return nil, nil, fmt.Errorf("nothing is known of partition %d", partition)
		}
		starts[partition] = start.Offset
		if start.Offset < end.Offset {
			ends[int32(partition)] = end.Offset
		}
	}
	return starts, ends, nil
}
