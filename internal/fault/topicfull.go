package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/kafka"
)

// grownWithin is how long the log may take, after For, to hold at least one record that its readers have not read.
const grownWithin = 10 * time.Second

// streams is the role of what follows the topic.
const streams = "stream"

// TopicFull cuts the log while its readers are behind, as retention does when a disk is full: it pauses the stream components
// for For, deletes all records so far, and lets them go on. What they had not read is lost.
type TopicFull struct {
	For time.Duration
}

// Inject implements Fault. The effect is when the log begins at its former end, the end is when the readers go on.
func (f TopicFull) Inject(ctx context.Context, w *World) (Outcome, error) {
	targets, _, err := w.find(streams)
	if err != nil {
		return none("kafka"), err
	}
	out := none("kafka", "broker")
	err = each(targets, func(_ int, t Target) error { _, err := pause(ctx, t); return err })
	if err == nil {
		out.What, err = f.deleteUnread(ctx, w)
	}
	if err == nil {
		out.Effect = w.Now()
	}
	out.End = w.Now()
	return out, errors.Join(err, each(targets, func(_ int, t Target) error { return resume(ctx, t) }))
}

// deleteUnread waits until the log has grown behind its readers and deletes what it holds by then.
func (f TopicFull) deleteUnread(ctx context.Context, w *World) (string, error) {
	_, before, err := kafka.Offsets(ctx, w.Kafka, w.Topic)
	if err != nil {
		return "", noEffect("%w", err)
	}
	processed, err := w.Processed(ctx)
	if err != nil {
		return "", noEffect("ask how far the readers are: %w", err)
	}
	if err := hold(ctx, f.For); err != nil {
		return "", err
	}
	var ends kadm.ListedOffsets
	for deadline := time.Now().Add(grownWithin); ; {
		if _, ends, err = kafka.Offsets(ctx, w.Kafka, w.Topic); err != nil {
			return "", noEffect("%w", err)
		}
		if total(ends) > total(before) {
			break
		}
		if time.Now().After(deadline) {
			return "", noEffect("nothing was written to topic %s while its readers stood still: nothing to lose", w.Topic)
		}
		if err := hold(ctx, sqlLook); err != nil {
			return "", err
		}
	}
	if err := deleteRecords(ctx, w.Kafka, ends.Offsets()); err != nil {
		return "", noEffect("delete the records of topic %s: %w", w.Topic, err)
	}
	starts, _, err := kafka.Offsets(ctx, w.Kafka, w.Topic)
	if err != nil {
		return "", noEffect("%w", err)
	}
	for partition, end := range ends[w.Topic] {
		if start := starts[w.Topic][partition]; start.Offset < end.Offset {
			return "", noEffect("partition %d of topic %s begins at %d after all below %d was deleted", partition, w.Topic, start.Offset, end.Offset)
		}
	}
	return fmt.Sprintf("%d partitions cut at their ends; of the %d records that were in the log no reader has durably processed %d, of which %d came while the readers stood still",
		len(ends[w.Topic]), total(ends), total(ends)-processed, total(ends)-total(before)), nil
}

func deleteRecords(ctx context.Context, cluster kafka.Cluster, below kadm.Offsets) error {
	client, err := cluster.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	deleted, err := kadm.NewClient(client).DeleteRecords(ctx, below)
	if err != nil {
		return err
	}
	var errs []error
	deleted.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("partition %d: %w", r.Partition, r.Err))
		}
	})
	return errors.Join(errs...)
}

// total is the number of records below these offsets, if nothing was ever deleted.
func total(offsets kadm.ListedOffsets) (sum int64) {
	offsets.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}
