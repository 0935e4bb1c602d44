package loadgen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
)

// HeaderN is the header in which every record carries its number n, as 8 big-endian bytes.
const HeaderN = "n"

// closeTimeout is how long an answer from the broker is awaited when everything is given up.
const closeTimeout = 5 * time.Second

// KafkaSender is a Sender that produces to a topic.
type KafkaSender struct {
	client  *kgo.Client
	records sync.Pool
	open    sync.WaitGroup // records without an outcome
}

// record is a kgo.Record with all that belongs to it, used again after its acknowledgement.
type record struct {
	kgo.Record
	headers [1]kgo.RecordHeader
	n       [8]byte
	done    func(partition int32, offset int64, err error)
	promise func(*kgo.Record, error) // finish, bound once
	sender  *KafkaSender
}

var errNoOffset = errors.New("acknowledged without an offset")

// NewKafkaSender makes the producer, with the settings of kafka.Producer. Further options, such as a dialer, are applied last.
func NewKafkaSender(cluster kafka.Cluster, topic string, options ...kgo.Opt) (*KafkaSender, error) {
	settings := append(kafka.Options(kafka.Producer()), kgo.ClientID("lkbench-loadgen"), kgo.DefaultProduceTopic(topic))
	client, err := cluster.NewClient(append(settings, options...)...)
	if err != nil {
		return nil, fmt.Errorf("create the producer: %w", err)
	}
	s := &KafkaSender{client: client}
	s.records.New = func() any {
		r := &record{sender: s}
		r.headers[0] = kgo.RecordHeader{Key: HeaderN, Value: r.n[:]}
		r.Headers, r.promise = r.headers[:], r.finish
		return r
	}
	return s, nil
}

// Ready waits until the brokers answer, so that the first event does not pay for the connection.
func (s *KafkaSender) Ready(ctx context.Context) error {
	if err := s.client.Ping(ctx); err != nil {
		return fmt.Errorf("no Kafka broker answers: %w", err)
	}
	return nil
}

// Send implements Sender.
func (s *KafkaSender) Send(n uint64, key, value []byte, done func(partition int32, offset int64, err error)) {
	r := s.records.Get().(*record)
	binary.BigEndian.PutUint64(r.n[:], n)
	// kgo sets the other fields anew, but keeps a time that it finds.
	r.Key, r.Value, r.Timestamp, r.done = key, value, time.Time{}, done
	s.open.Add(1)
	s.client.Produce(context.Background(), &r.Record, r.promise)
}

func (r *record) finish(_ *kgo.Record, err error) {
	if err == nil && r.Offset < 0 { // the broker had it already, from an earlier try, and does not say where
		err = errNoOffset
	}
	s := r.sender
	r.done(r.Partition, r.Offset, err)
	s.open.Done()
	if err == nil { // after an error kgo may still hold it
		r.Key, r.Value = nil, nil // which may be a mebibyte
		s.records.Put(r)
	}
}

// Flush implements Sender.
func (s *KafkaSender) Flush(ctx context.Context) error { return s.client.Flush(ctx) }

// Close gives up what is in flight and ends the connections. When it returns, all outcomes are known. It is called once, after
// the last Send.
func (s *KafkaSender) Close() { s.closeWithin(closeTimeout) }

func (s *KafkaSender) closeWithin(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// If it fails because a broker does not answer in time, closing the client fails what is left.
	_ = s.client.AbortBufferedRecords(ctx)
	s.client.Close()
	s.open.Wait()
}
