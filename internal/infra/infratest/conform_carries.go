package infratest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// conformPartitions is how many partitions the topics of the examination have.
const conformPartitions = 4

// carries examines whether topics can be made and have their copies, a topic that is there already is not taken for one's
// own, records come out as they went in, and the database is empty and keeps tables.
func carries(ctx context.Context, r *running) error {
	topic := r.Prefix + "conform.first"
	if err := r.newTopic(ctx, topic); err != nil {
		return err
	}
	var errs []error
	again := infra.CreateTopics(ctx, r.Kafka, conformPartitions, r.Replication, topic)
	if again == nil || !strings.Contains(again.Error(), topic) {
		errs = append(errs, fmt.Errorf("making a topic again gives %v, want an error that names it", again))
	}
	if err := r.copies(ctx, topic); err != nil {
		errs = append(errs, err)
	}
	conn, err := pgx.Connect(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var tables int
	// What a provider notes for itself on the servers of others begins with lkbench.
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
		AND NOT ($1 AND starts_with(relname, 'lkbench'))`, r.Prefix != "").Scan(&tables); err != nil {
		return fmt.Errorf("count the tables of the first schema: %w", err)
	}
	if tables != 0 {
		errs = append(errs, fmt.Errorf("the database is not empty: %d tables in its first schema", tables))
	}
	return errors.Join(append(errs, r.roundTrip(ctx, "carries"))...)
}

func (r *running) newTopic(ctx context.Context, topic string) error {
	return infra.CreateTopics(ctx, r.Kafka, conformPartitions, r.Replication, topic)
}

// copies waits until all copies of a topic's partitions are in sync, as many as the instance says.
func (r *running) copies(ctx context.Context, topic string) error {
	client, err := r.Kafka.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	return eventually(ctx, "the copies of "+topic+" are in sync", func() error {
		topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		partitions := topics[topic].Partitions
		if len(partitions) != conformPartitions {
			return fmt.Errorf("%d partitions", len(partitions))
		}
		for _, p := range partitions {
			want := int(r.Replication)
			if want < 0 { // the brokers' default
				want = max(1, len(p.Replicas))
			}
			if len(p.Replicas) != want || len(p.ISR) != want {
				return fmt.Errorf("partition %d has the copies %v, in sync %v, want %d", p.Partition, p.Replicas, p.ISR, want)
			}
		}
		return nil
	})
}

// roundTrip sends records to a topic of its own and reads them, and writes and reads a table. What names both.
func (r *running) roundTrip(ctx context.Context, what string) error {
	topic := r.Prefix + "conform." + what
	if err := r.newTopic(ctx, topic); err != nil {
		return err
	}
	const n = 1000
	producer, err := r.Kafka.NewClient(append(kafka.Options(kafka.Producer()), kgo.DefaultProduceTopic(topic), kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		return err
	}
	defer producer.Close()
	records := make([]*kgo.Record, n)
	sent := map[string]string{}
	for i := range records {
		key, value := fmt.Sprint("key ", i%100), fmt.Sprint(what, " ", i)
		records[i], sent[value] = &kgo.Record{Key: []byte(key), Value: []byte(value)}, key
	}
	if err := producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce to %s: %w", topic, err)
	}
	log, err := r.readLog(ctx, topic)
	if err != nil {
		return err
	}
	for _, record := range log {
		if key, known := sent[string(record.Value)]; !known || key != string(record.Key) {
			return fmt.Errorf("in %s stands %q with the key %q, which nobody sent or twice", topic, record.Value, record.Key)
		}
		delete(sent, string(record.Value))
	}
	if len(sent) > 0 {
		return fmt.Errorf("of %d records sent to %s %d are not in it", n, topic, len(sent))
	}
	return r.rowTrip(ctx, "conform_"+what)
}

func (r *running) rowTrip(ctx context.Context, table string) error {
	conn, err := pgx.Connect(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE TABLE "+table+" AS SELECT generate_series(1, 1000) AS id"); err != nil {
		return err
	}
	var sum int64
	if err := conn.QueryRow(ctx, "SELECT sum(id) FROM "+table).Scan(&sum); err != nil {
		return err
	}
	if sum != 500500 {
		return fmt.Errorf("the table %s holds other rows than were written: sum %d", table, sum)
	}
	return nil
}

// readLog reads a topic from its beginning to its present end.
func (r *running) readLog(ctx context.Context, topic string) ([]*kgo.Record, error) {
	consumer, err := r.Kafka.NewClient(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var ends kadm.ListedOffsets
	err = eventually(ctx, "the end of "+topic+" is told", func() error { // not before it has a leader
		if ends, err = kadm.NewClient(consumer).ListEndOffsets(ctx, topic); err != nil {
			return err
		}
		return ends.Error()
	})
	if err != nil {
		return nil, err
	}
	missing := int64(0)
	ends.Each(func(o kadm.ListedOffset) { missing += o.Offset })
	var log []*kgo.Record
	for int64(len(log)) < missing {
		fetches := consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %s: %d of %d records came: %w", topic, len(log), missing, context.Cause(ctx))
		}
		fetches.EachRecord(func(record *kgo.Record) { log = append(log, record) })
	}
	return log, nil
}

// eventually waits until there is no error any more.
func eventually(ctx context.Context, what string, check func() error) error {
	var last error // before the time was over, which is why the look that it interrupts fails
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waited until %s: %w (%w)", what, context.Cause(ctx), cmp.Or(last, err))
		}
		last = err
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
