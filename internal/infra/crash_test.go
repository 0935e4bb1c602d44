package infra

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

const crashes = 5

// crash kills a server and starts it again, several times, each time once the load has got further.
func crash(t *testing.T, s *Server, acknowledged *atomic.Int64) {
	t.Helper()
	for range crashes {
		from := acknowledged.Load()
		for deadline := time.Now().Add(time.Minute); acknowledged.Load() < from+400; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the load does not get on: %d acknowledged", acknowledged.Load())
			}
		}
		address, pid := s.Address, s.PIDs()[0]
		if err := s.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Address != address || s.PIDs()[0] == pid {
			t.Errorf("after the restart address and process are %s and %d, before they were %s and %d", s.Address, s.PIDs()[0], address, pid)
		}
	}
}

type placed struct {
	partition int32
	offset    int64
}

func TestBrokerKeepsWhatItAcknowledged(t *testing.T) {
	i, _ := startInstance(t)
	if err := CreateTopics(t.Context(), i.Kafka, 4, 1, "load"); err != nil {
		t.Fatal(err)
	}
	client, err := i.Kafka.NewClient(kgo.DefaultProduceTopic("load"), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var mu sync.Mutex
	acked := map[placed]string{}
	var count atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var producer sync.WaitGroup
	producer.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			value := fmt.Sprintf("record %d", n)
			client.Produce(context.Background(), &kgo.Record{Key: fmt.Append(nil, n%1000), Value: []byte(value)}, func(r *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
					return
				}
				mu.Lock()
				acked[placed{r.Partition, r.Offset}] = value
				mu.Unlock()
				count.Add(1)
			})
			if n%20 == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	crash(t, i.Brokers[0], &count)
	stop()
	producer.Wait()
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	consumer, err := i.Kafka.NewClient(kgo.ConsumeTopics("load"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	seen := map[string]int{}
	for deadline := time.Now().Add(time.Minute); len(acked) > 0 && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at := placed{r.Partition, r.Offset}
			if want, ok := acked[at]; ok && want != string(r.Value) {
				t.Errorf("at %+v stands %q, acknowledged was %q", at, r.Value, want)
			}
			delete(acked, at)
			seen[string(r.Value)]++
		})
		cancel()
	}
	for at, value := range acked {
		t.Errorf("lost: %q, acknowledged at %+v", value, at)
	}
	for value, times := range seen {
		if times > 1 {
			t.Errorf("%q stands %d times in the log of an idempotent producer", value, times)
		}
	}
	t.Logf("%d records acknowledged over %d crashes", count.Load(), crashes)
}

func TestDatabaseKeepsWhatItCommitted(t *testing.T) {
	i, _ := startInstance(t)
	setup, err := pgx.Connect(t.Context(), i.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Exec(t.Context(), "CREATE TABLE load (id bigint PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	setup.Close(t.Context())
	var count, next atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	committed := make([][]int64, 4)
	for w := range committed {
		writers.Go(func() {
			for ctx.Err() == nil {
				conn, err := pgx.Connect(ctx, i.Postgres)
				if err != nil { // down at present
					time.Sleep(5 * time.Millisecond)
					continue
				}
				for ctx.Err() == nil {
					id := next.Add(1)
					if _, err := conn.Exec(context.Background(), "INSERT INTO load VALUES ($1)", id); err != nil {
						break
					}
					committed[w] = append(committed[w], id)
					count.Add(1)
				}
				conn.Close(context.Background())
			}
		})
	}
	crash(t, i.Database, &count)
	stop()
	writers.Wait()
	conn, err := pgx.Connect(t.Context(), i.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT id FROM load")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	there := map[int64]bool{}
	for _, id := range stored {
		there[id] = true
	}
	for _, ids := range committed {
		for _, id := range ids {
			if !there[id] {
				t.Errorf("lost: row %d, whose insert was acknowledged", id)
			}
		}
	}
	t.Logf("%d inserts acknowledged over %d crashes", count.Load(), crashes)
}
