package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
)

// answers says so if nobody accepts connections on a server's address.
func answers(ctx context.Context, s *infra.Server) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("the %s does not answer on its address: %w", s.Role, err)
	}
	return conn.Close()
}

// crash kills servers in turn and starts each again, every time after the load has got further.
func (r *running) crash(ctx context.Context, servers []*infra.Server, acknowledged *atomic.Int64) error {
	crashes := r.Crashes
	if crashes == 0 {
		crashes = 3
	}
	var errs []error
	for n := range crashes {
		from := acknowledged.Load()
		err := eventually(ctx, "the load gets on", func() error {
			if now := acknowledged.Load(); now < from+400 {
				return fmt.Errorf("%d acknowledged since the last crash", now-from)
			}
			return nil
		})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		s := servers[n%len(servers)]
		processes := treeOf(s)
		if err := s.Kill(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, ended(ctx, s, processes))
		if err := again(ctx, s, processes); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// placed is where a record stands.
type placed struct {
	partition int32
	offset    int64
}

// brokerCrashes kills the brokers under the load of an idempotent producer with acks=all: what was acknowledged stands
// where the broker said, and nothing stands there twice.
func brokerCrashes(ctx context.Context, r *running) error {
	if len(r.Brokers) == 0 {
		return r.without("crashes of Kafka")
	}
	topic := r.Prefix + "conform.crashes"
	if err := r.newTopic(ctx, topic); err != nil {
		return err
	}
	if err := r.copies(ctx, topic); err != nil {
		return err
	}
	// No time limit on deliveries: after one the log may rightly hold a record that was given up.
	client, err := r.Kafka.NewClient(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer client.Close()
	var mu sync.Mutex
	acked := map[placed]string{}
	var failed error
	var count atomic.Int64
	producing, stop := context.WithCancel(ctx)
	var producer sync.WaitGroup
	producer.Go(func() {
		for n := 0; producing.Err() == nil; n++ {
			value := fmt.Sprintf("record %d", n)
			client.Produce(ctx, &kgo.Record{Key: fmt.Append(nil, n%1000), Value: []byte(value)}, func(record *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = fmt.Errorf("produce: %w", err)
					return
				}
				acked[placed{record.Partition, record.Offset}] = value
				count.Add(1)
			})
			if n%5 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	err = r.crash(ctx, r.Brokers, &count)
	stop()
	producer.Wait()
	if err := errors.Join(err, client.Flush(ctx), failed); err != nil {
		return err
	}
	r.say("%d records acknowledged", count.Load())
	log, err := r.readLog(ctx, topic)
	if err != nil {
		return err
	}
	if err := r.copies(ctx, topic); err != nil { // who was killed has caught up
		return err
	}
	return compareLog(acked, log)
}

// compareLog says which acknowledged records are not where they should be, and which stand in the log twice.
func compareLog(acked map[placed]string, log []*kgo.Record) error {
	missing := map[placed]string{}
	for at, value := range acked {
		missing[at] = value
	}
	times := map[string]int{}
	changed, twice := 0, 0
	var example string
	for _, record := range log {
		at := placed{record.Partition, record.Offset}
		if want, known := acked[at]; known && want != string(record.Value) {
			changed++
			example = fmt.Sprintf("at %+v stands %q, acknowledged was %q", at, record.Value, want)
		}
		delete(missing, at)
		times[string(record.Value)]++
		if times[string(record.Value)] == 2 {
			twice++
			example = fmt.Sprintf("%q stands twice", record.Value)
		}
	}
	for at, value := range missing {
		example = fmt.Sprintf("%q, acknowledged at %+v, is not there", value, at)
	}
	if len(missing)+changed+twice == 0 {
		return nil
	}
	return fmt.Errorf("of %d acknowledged records %d are lost and %d have others in their place; %d stand in the log twice: %s",
		len(acked), len(missing), changed, twice, example)
}
