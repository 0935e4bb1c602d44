package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
)

// TestRun runs a component against Kafka and PostgreSQL, cuts its connections while it works, and counts what came out:
// with records that trickle in, and with a backlog of many batches.
func TestRun(t *testing.T) {
	t.Run("trickle", func(t *testing.T) { testRun(t, usual, false) })
	t.Run("backlog", func(t *testing.T) { testRun(t, small, true) })
}

func testRun(t *testing.T, bounds bounds, backlog bool) {
	address, conn := database(t)
	brokers := infratest.Kafka(t, 2, "in", "dead")
	var lost atomic.Int64
	sink := &written{fail: func(call int, tx pgx.Tx) error {
		if call%3 != 1 || lost.Load() > 5 {
			return nil
		}
		lost.Add(1)
		return tx.Conn().PgConn().Conn().Close() // below pgx, as a server that dies
	}}
	c := config(true)
	c.Sink, c.Fold, c.Environment.Postgres, c.Environment.Kafka = sink, true, address, brokers
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	client, err := brokers.NewClient(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	const each = 400
	process := func(begin int64) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		start := func() { ended <- run(ctx, c, bounds) }
		if !backlog {
			go start()
		}
		for n := begin; n < begin+each; n++ {
			for p := range int32(2) {
				id := fmt.Sprint("T", p, " ", n)
				if n%50 == 7 {
					id = ""
				}
				r := record(p, n, id)
				r.Topic, r.Offset = "in", 0
				if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if backlog {
			go start()
		}
		for one[int64](t, conn, `select coalesce(min(next_offset), 0) from offsets`) < begin+each {
			select {
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		stop()
		if err := <-ended; !errors.Is(err, errEnded) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	process(0)
	process(each)
	if lost.Load() == 0 {
		t.Error("no connection was cut")
	}
	const letters = 2 * 2 * each / 50
	if n := one[int](t, conn, `select count(*) from written`); n != 4*each-letters {
		t.Errorf("%d events written, want %d", n, 4*each-letters)
	}
	if n := one[int](t, conn, `select count(distinct (partition, "offset")) from written`); n != 4*each-letters {
		t.Errorf("%d different events written, want %d", n, 4*each-letters)
	}
	if n := one[int](t, conn, `select sum(dead_letters) from offsets`); n != letters {
		t.Errorf("%d dead letters counted, want %d", n, letters)
	}
	reader, err := brokers.NewClient(kgo.ConsumeTopics("dead"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found := map[string]bool{}
	for len(found) < letters {
		reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			if h := r.Headers; len(h) != 3 || string(h[0].Value) != fmt.Sprint(r.Partition) || len(h[2].Value) == 0 || string(r.Value) != "not a transaction" {
				t.Errorf("dead letter %v %q", h, r.Value)
			}
			found[string(r.Headers[0].Value)+" "+string(r.Headers[1].Value)] = true
		})
	}
}

func TestRunEndsWithoutItsRecords(t *testing.T) {
	address, conn := database(t)
	brokers := infratest.Kafka(t, 2, "in", "dead")
	c := config(true)
	c.Sink, c.Environment.Postgres, c.Environment.Kafka = &written{}, address, brokers
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	committer, _ := opened(t, address, &written{})
	committer.close()
	if _, err := conn.Exec(t.Context(), `update offsets set next_offset = 100, rebuild_offset = 100`); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "read topic in") {
		t.Errorf("offsets beyond the log: %v", err)
	}
}

// TestRunGoesOnAfterTheLogWasCut deletes records that were not read yet: in one partition some, in the other all. Some that
// the state would be rebuilt from go as well.
func TestRunGoesOnAfterTheLogWasCut(t *testing.T) {
	address, conn := database(t)
	brokers := infratest.Kafka(t, 2, "in", "dead")
	c := config(true)
	c.Sink, c.Environment.Postgres, c.Environment.Kafka = &written{}, address, brokers
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	client, err := brokers.NewClient(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func(p int32, n int) {
		for i := range n {
			r := record(p, int64(i), fmt.Sprint("T", p, one[int](t, conn, `select nextval('ids')`)))
			r.Topic, r.Offset = "in", 0
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	process := func(next string) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, c) }()
		for one[string](t, conn, `select coalesce(string_agg(next_offset::text, ' ' order by partition), '') from offsets`) != next {
			select {
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), `create sequence ids`); err != nil {
		t.Fatal(err)
	}
	send(0, 20)
	send(1, 10)
	process("20 10")
	send(0, 20)
	send(1, 10)
	cut := kadm.Offsets{}
	cut.AddOffset("in", 0, 30, -1)
	cut.AddOffset("in", 1, 20, -1)
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	process("40 20")
	if n := one[int](t, conn, `select count(*) from written`); n != 40 {
		t.Errorf("%d events written, want 30 before the cut and 10 after it", n)
	}
}

// TestRunNoticesItsSuccessor: a component with nothing to commit ends too when another has taken over.
func TestRunNoticesItsSuccessor(t *testing.T) {
	address, conn := database(t)
	c := config(true)
	c.Sink, c.Environment.Postgres, c.Environment.Kafka = &written{}, address, infratest.Kafka(t, 2, "in", "dead")
	c.Environment.Topic, c.Environment.DeadLetters = "in", "dead"
	ended := make(chan error, 1)
	go func() { ended <- Run(t.Context(), c) }()
	for one[int](t, conn, `select count(*) from offsets`) == 0 {
		time.Sleep(time.Millisecond)
	}
	opened(t, address, &written{})
	if err := <-ended; !errors.Is(err, ErrReplaced) {
		t.Errorf("ended with %v", err)
	}
}

// TestLongestLetter: what is cut to the longest letter passes producer and broker. (One that did not held the scenario poison up.)
func TestLongestLetter(t *testing.T) {
	var c Config
	c.Environment.Kafka = infratest.Kafka(t, 2, "in", "dead")
	c.Environment.Topic = "in"
	client, err := newClient(c, []int64{0, 0})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	noise := make([]byte, 2*maxLetter) // compression must not make it short
	rand.NewChaCha8([32]byte{}).Read(noise)
	long := letter{key: []byte("k"), value: noise, reason: strings.Repeat("a long reason ", 100)}
	if err := produce(t.Context(), client, "dead", []letter{long, long, {value: []byte("{")}}); err != nil {
		t.Error(err)
	}
}

func TestLetter(t *testing.T) {
	l := letter{partition: 3, offset: 12, key: bytes.Repeat([]byte("k"), 10), value: bytes.Repeat([]byte("v"), 2_000_000), reason: "not JSON"}
	r := l.record("dead")
	if r.Partition != 3 || len(r.Key)+len(r.Value) != maxLetter || !bytes.Equal(r.Key, l.key) {
		t.Errorf("partition %d, %d bytes of key, %d of value", r.Partition, len(r.Key), len(r.Value))
	}
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+" "+string(h.Value))
	}
	if want := []string{"source_partition 3", "source_offset 12", "reason not JSON", "truncated_from 2000010"}; !slices.Equal(headers, want) {
		t.Errorf("headers %q, want %q", headers, want)
	}
	l.key = l.value
	if r := l.record("dead"); len(r.Key) != maxLetter || len(r.Value) != 0 {
		t.Errorf("%d bytes of key, %d of value", len(r.Key), len(r.Value))
	}
}
