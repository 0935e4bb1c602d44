package loadgen

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/scenarios"

	"lkbench/internal/kafka"
)

const testTopic = "transactions"

// murmur2 is Kafka's hash of keys, written here from its description, so that the partitioner is held against something.
func murmur2(key []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		h = h*m ^ (k^k>>24)*m
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// What is sent to a broker stands in the topic: every event, with its header, key, bytes and partition, at the offset that the
// ledger says.
func TestKafkaSender(t *testing.T) {
	const partitions = 4
	brokers := infratest.Kafka(t, partitions, testTopic)
	sender, err := NewKafkaSender(brokers, testTopic)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := sender.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	s := catalogued(t, "odd")
	s.Warmup, s.Load = 0, []scenarios.Step{{For: scenarios.Duration(time.Second), Rate: scenarios.Rate{PerS: 50_000}}}
	g, path := newGenerator(t, s, sender, NewClock(time.Now()), 256<<20)
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	sender.Close()
	if err := g.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	load := g.Stats().Load
	if load.Sent != 50_000 || load.Acked != 50_000 || ledger.Len() != 50_000 || load.InFlightLimited {
		t.Fatalf("%d in the ledger; %+v", ledger.Len(), load)
	}

	reader, err := brokers.NewClient(kgo.ConsumeTopics(testTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	seen := make([]bool, ledger.Len())
	for count := 0; count < len(seen); {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			count++
			if len(r.Headers) != 1 || r.Headers[0].Key != HeaderN || len(r.Headers[0].Value) != 8 {
				t.Fatalf("headers %v", r.Headers)
			}
			n := binary.BigEndian.Uint64(r.Headers[0].Value)
			if n >= ledger.Len() || seen[n] {
				t.Fatalf("event %d, a second time or never sent", n)
			}
			seen[n] = true
			want := g.Source.Event(n, nil)
			if !bytes.Equal(r.Key, want.Key) || !bytes.Equal(r.Value, want.Value) || r.Value == nil {
				t.Fatalf("event %d is %q: %q, sent was %q: %q", n, r.Key, r.Value, want.Key, want.Value)
			}
			if p := int32(murmur2(r.Key) & 0x7fffffff % partitions); r.Partition != p {
				t.Fatalf("key %s is in partition %d, Kafka's default is %d", r.Key, r.Partition, p)
			}
			if e := ledger.Entry(n); e.Status != Acknowledged || e.Partition != r.Partition || e.Offset != r.Offset {
				t.Fatalf("event %d is at %d/%d, the ledger has %+v", n, r.Partition, r.Offset, e)
			}
		})
	}
}

// lastSender calls then after it has sent the last event.
type lastSender struct {
	*KafkaSender
	last uint64
	then func()
}

func (s lastSender) Send(n uint64, key, value []byte, done func(int32, int64, error)) {
	s.KafkaSender.Send(n, key, value, done)
	if n == s.last {
		s.then()
	}
}

// Without a broker the outcome stays unknown, and every outcome is known when Close returns.
func TestKafkaSenderWithoutBroker(t *testing.T) {
	refuse := kgo.Dialer(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") })
	sender, err := NewKafkaSender(kafka.Cluster{Brokers: []string{"127.0.0.1:1"}}, testTopic, refuse)
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := sender.Ready(soon); err == nil {
		t.Error("ready without a broker")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, path := newGenerator(t, ordinary(20), lastSender{sender, 19, cancel}, NewClock(time.Now()), 1<<20)
	if err := g.Run(ctx); err == nil {
		t.Error("no error though nothing could be acknowledged")
	}
	sender.Close()
	if err := g.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	if p := g.Progress(); p.Sent != 20 || p.Indeterminate != 20 || p.Acked != 0 || p.InFlightBytes != 0 {
		t.Errorf("%+v", p)
	}
	for n := range ledger.Len() {
		if e := ledger.Entry(n); e.Status != Indeterminate {
			t.Errorf("event %d: %+v", n, e)
		}
	}
}

// deafConn lets nothing of what the broker says through any more, once told to.
type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

func (c deafConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.deaf.Load() {
			return n, err
		}
	}
}

// A broker that took the records but never answers leaves them indeterminate, and Close does not return before that is known.
func TestKafkaSenderWithoutAnswers(t *testing.T) {
	var deaf atomic.Bool
	sender, err := NewKafkaSender(infratest.Kafka(t, 1, testTopic), testTopic, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return deafConn{conn, &deaf}, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	var answered, unknown atomic.Int64
	outcome := func(_ int32, _ int64, err error) {
		if err != nil {
			unknown.Add(1)
		} else {
			answered.Add(1)
		}
	}
	sender.Send(0, []byte("key"), []byte("value"), outcome)
	if err := sender.Flush(context.Background()); err != nil || answered.Load() != 1 {
		t.Fatalf("%v, %d answered", err, answered.Load())
	}
	deaf.Store(true)
	for n := range uint64(100) {
		sender.Send(1+n, []byte("key"), []byte("value"), outcome)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := sender.Flush(ctx); err == nil {
		t.Error("flushed without answers")
	}
	sender.closeWithin(50 * time.Millisecond)
	if answered.Load() != 1 || unknown.Load() != 100 {
		t.Errorf("%d answered and %d unknown of 101", answered.Load(), unknown.Load())
	}
}

// An oversized value fits a broker with its usual settings, whatever its key; what is a kilobyte larger does not.
func TestKafkaSenderTakesOversizedValues(t *testing.T) {
	sender, err := NewKafkaSender(infratest.Kafka(t, 1, testTopic), testTopic)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for size, fits := range map[int]bool{oversizedValue: true, oversizedValue + 1<<10: false} {
		var outcome error
		sender.Send(7, make([]byte, bank.MaxText), make([]byte, size), func(_ int32, _ int64, err error) { outcome = err })
		if err := sender.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if (outcome == nil) != fits {
			t.Errorf("a value of %d bytes: %v", size, outcome)
		}
	}
}
