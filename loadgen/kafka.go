package loadgen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderN is the header in which every record carries its number n, as 8 big-endian bytes.
const HeaderN = "n"

// The settings of the producer. Acknowledgement by all in-sync replicas and idempotence are kgo's defaults.
const (
	linger = time.Millisecond // collects what falls due within four ticks of the generator; a longer one would show in every latency
	// Well below the bound on a load's drain, well above a broker's restart; whatever is unknown then is indeterminate.
	deliveryTimeout = 30 * time.Second
	// After a broker's error: kgo waits 2.5 s before it asks for metadata again, which would turn every hiccup into an outage.
	backoff       = 100 * time.Millisecond
	batchMaxBytes = 1000012 // Kafka's default for the largest batch that a broker takes
	// How long an answer from the broker is awaited when everything is given up.
	closeTimeout = 5 * time.Second
)

// ProducerSettings are the producer's settings, for the record.
func ProducerSettings() map[string]string {
	return map[string]string{
		"producer.acks": "all", "producer.idempotence": "true", "producer.partitioner": "murmur2 of the key",
		"producer.linger": linger.String(), "producer.compression": "none", "producer.delivery_timeout": deliveryTimeout.String(),
		"producer.retry_backoff": backoff.String(), "producer.batch_max_bytes": strconv.Itoa(batchMaxBytes),
	}
}

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

// NewKafkaSender connects to the brokers. Further options, such as a dialer, are applied last.
func NewKafkaSender(brokers []string, topic string, options ...kgo.Opt) (*KafkaSender, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("lkbench-loadgen"),
		kgo.DefaultProduceTopic(topic),
		// Kafka's own default for keyed records, so that any client finds a customer's partition.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(batchMaxBytes),
		// The network is the loopback or a fast one, and the processor time belongs to the system under test.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// Never the bound: the generator's own, on bytes, is reached before.
		kgo.MaxBufferedRecords(math.MaxInt32),
		kgo.RecordDeliveryTimeout(deliveryTimeout),
		kgo.MetadataMinAge(backoff),
		kgo.RetryBackoffFn(func(int) time.Duration { return backoff }),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("create the producer for %v: %w", brokers, err)
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
