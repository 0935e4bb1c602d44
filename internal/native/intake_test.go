package native

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/architectures"
	"lkbench/internal/bank"
)

// record is a well-formed record of event number n at offset n, or a malformed one.
func record(partition int32, n int64, id string) *kgo.Record {
	at := time.Date(2026, 1, 1, 0, 0, int(n), 0, time.UTC).Format(time.RFC3339)
	value := fmt.Sprintf(`{"TransactionID":%q,"CustomerID":"C1","TransactionAmountINR":10.5,"EventTime":%q}`, id, at)
	if id == "" {
		value = "not a transaction"
	}
	return &kgo.Record{Partition: partition, Offset: n, Key: []byte("C1"), Value: []byte(value)}
}

func config(detect bool) Config {
	rules := bank.DefaultRules()
	return Config{
		Component: "stream", Detect: detect, DeadLetters: true,
		Environment: architectures.Environment{
			Rules: rules, Partitions: 2, Settings: architectures.Settings{CommitInterval: 10 * time.Millisecond},
		},
	}
}

func TestIntake(t *testing.T) {
	in := newIntake(config(true), usual, []row{{newest: noTime}, {next: 5, newest: noTime, late: 7, duplicates: 8, deadLetters: 9}})
	if in.waiting() {
		t.Error("nothing was read, yet there is something to commit")
	}
	for n, id := range []string{"a", "b", "a", "", "c"} {
		in.take(record(0, int64(n), id))
	}
	in.take(record(1, 5, ""))
	b := in.handOver(&Batch{})
	if got := fmt.Sprintf("%s %s %s", b.Events[0].ID, b.Events[1].ID, b.Events[2].ID); len(b.Events) != 3 || got != "a b c" {
		t.Errorf("%d events, %s; want a b c", len(b.Events), got)
	}
	if a, b, c := b.Events[0].Count, b.Events[1].Count, b.Events[2].Count; a != 1 || b != 2 || c != 3 {
		t.Errorf("counts %d, %d, %d; want 1, 2, 3", a, b, c)
	}
	newest := bank.Micros(time.Date(2026, 1, 1, 0, 0, 4, 0, time.UTC).UnixMicro())
	want := []position{
		{partition: 0, believed: 0, row: row{next: 5, newest: newest, rebuild: 0, duplicates: 1, deadLetters: 1}},
		{partition: 1, believed: 5, row: row{next: 6, newest: noTime, rebuild: 6, late: 7, duplicates: 8, deadLetters: 10}},
	}
	if fmt.Sprint(b.positions) != fmt.Sprint(want) {
		t.Errorf("positions %v, want %v", b.positions, want)
	}
	if len(b.letters) != 2 || b.letters[0].offset != 3 || b.letters[1].partition != 1 || b.letters[0].reason == "" {
		t.Errorf("dead letters %v", b.letters)
	}
	if in.waiting() {
		t.Error("all was handed over, yet there is something to commit")
	}
	in.take(record(1, 6, "d"))
	if b := in.handOver(b); len(b.positions) != 1 || b.positions[0].believed != 6 || b.positions[0].next != 7 || len(b.letters) != 0 {
		t.Errorf("second batch: positions %v, dead letters %v", b.positions, b.letters)
	}
}

// TestIntakeRebuilds reads committed records again: they change the state and nothing else.
func TestIntakeRebuilds(t *testing.T) {
	newest := bank.Micros(time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC).UnixMicro())
	rows := []row{{next: 3, newest: newest, rebuild: 1, duplicates: 4, deadLetters: 5}}
	in := newIntake(config(true), usual, rows)
	if from := in.start(); from[0] != 1 {
		t.Fatalf("reads from %d, want 1", from[0])
	}
	in.take(record(0, 1, "b"))
	in.take(record(0, 2, ""))
	if in.waiting() || len(in.batch.Events) != 0 || len(in.batch.letters) != 0 {
		t.Error("a committed record came into the batch")
	}
	in.take(record(0, 3, "b"))
	in.take(record(0, 4, "c"))
	b := in.handOver(&Batch{})
	if len(b.Events) != 1 || string(b.Events[0].ID) != "c" || b.positions[0].duplicates != 5 || b.positions[0].deadLetters != 5 {
		t.Errorf("events %d, positions %v; want c alone, 5 duplicates, 5 dead letters", len(b.Events), b.positions)
	}
}

// TestIntakeIsBounded takes what lies below the bounds, be they in a gap of the log, and goes on from there.
func TestIntakeIsBounded(t *testing.T) {
	in := newIntake(config(true), usual, []row{{newest: noTime}, {newest: noTime}})
	in.silent = true
	in.bound([]int64{3, 2})
	if in.bounded() {
		t.Error("nothing was taken, yet the bounds are reached")
	}
	take := func(partition int32, from, to int64) {
		for n := from; n < to; n++ {
			in.take(record(partition, n, fmt.Sprint("T", partition, n)))
		}
	}
	take(0, 0, 5)
	in.take(record(1, 0, ""))
	in.take(record(1, 7, "far")) // nothing between
	if in.bounded() {
		t.Error("not handed over, yet the bounds are reached")
	}
	b := in.handOver(&Batch{})
	if !in.bounded() || len(b.Events) != 3 || len(b.letters) != 0 || b.positions[0].next != 3 || b.positions[1].next != 2 || b.positions[1].deadLetters != 1 {
		t.Errorf("bounded %v, %d events, %d dead letters, positions %v", in.bounded(), len(b.Events), len(b.letters), b.positions)
	}
	if from := in.start(); from[0] != 3 || from[1] != 1 {
		t.Errorf("goes on from %v, want 3 and 1", from)
	}

	in.bound([]int64{5, 4})
	in.cut(1, 6) // nothing is left below the bound
	take(0, 3, 4)
	in.cut(0, 4)
	take(0, 4, 6)
	b = in.handOver(b)
	if !in.bounded() || len(b.Events) != 2 || b.positions[1].next != 4 {
		t.Errorf("bounded %v, %d events, positions %v", in.bounded(), len(b.Events), b.positions)
	}

	in.silent = false
	in.bound(nil)
	in.take(record(0, 5, ""))
	in.take(record(1, 7, "far"))
	b = in.handOver(b)
	if in.bounded() || len(b.Events) != 1 || len(b.letters) != 1 || b.positions[0].next != 6 || b.positions[1].next != 8 {
		t.Errorf("bounded %v, %d events, %d dead letters, positions %v", in.bounded(), len(b.Events), len(b.letters), b.positions)
	}
}

// TestIntakeWithoutDetection accepts all that is well-formed.
func TestIntakeWithoutDetection(t *testing.T) {
	c := config(false)
	c.DeadLetters = false
	rows := []row{{next: 2, rebuild: 0, newest: noTime}}
	in := newIntake(c, usual, rows)
	if from := in.start(); from[0] != 2 {
		t.Fatalf("reads from %d, want 2", from[0])
	}
	for n, id := range []string{"a", "a", ""} {
		in.take(record(0, int64(2+n), id))
	}
	b := in.handOver(&Batch{})
	if len(b.Events) != 2 || len(b.letters) != 0 || b.positions[0].next != 5 || b.positions[0].deadLetters != 0 {
		t.Errorf("%d events, %d dead letters, positions %v", len(b.Events), len(b.letters), b.positions)
	}
}

// TestFeed follows the commits of a component on a fake clock.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		polled, batches, done := make(chan kgo.Fetches), make(chan *Batch, onTheirWay), make(chan *Batch)
		ended := make(chan error)
		go func() {
			ended <- feed(ctx, newIntake(config(true), usual, []row{{newest: noTime}, {newest: noTime}}), polled, batches, done)
		}()
		begin, n := time.Now(), int64(0)
		arrive := func() {
			r := record(0, n, fmt.Sprint("T", n))
			r.Topic = "transactions"
			n++
			polled <- kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "transactions", Partitions: []kgo.FetchPartition{{Records: []*kgo.Record{r}}}}}}}
		}
		expect := func(at time.Duration, next int64) *Batch {
			t.Helper()
			b := <-batches
			if got := time.Since(begin); got != at || b.positions[0].next != next {
				t.Fatalf("commit up to %d at %v, want up to %d at %v", b.positions[0].next, got, next, at)
			}
			return b
		}
		none := func() {
			t.Helper()
			synctest.Wait()
			select {
			case <-batches:
				t.Fatalf("a commit at %v", time.Since(begin))
			default:
			}
		}
		time.Sleep(900 * time.Millisecond)
		arrive()
		b := expect(900*time.Millisecond, 1) // idle: at once
		arrive()
		time.Sleep(4 * time.Millisecond)
		done <- b
		arrive()
		none()
		b = expect(910*time.Millisecond, 3) // the interval after the last start
		arrive()
		time.Sleep(50 * time.Millisecond)
		none() // not while one runs
		done <- b
		b = expect(960*time.Millisecond, 4) // the last one took longer than the interval
		done <- b
		time.Sleep(lookEvery - time.Millisecond)
		none() // nothing to commit
		for range 2 {
			if b = <-batches; len(b.positions) != 0 || len(b.Events) != 0 {
				t.Fatalf("nothing was read, yet positions %v, %d events", b.positions, len(b.Events))
			}
			done <- b // it has looked
		}
		if got := time.Since(begin); got != 960*time.Millisecond+2*lookEvery {
			t.Fatalf("the second look is at %v", got)
		}
		arrive()
		expect(960*time.Millisecond+2*lookEvery, 5)
		stop()
		if err := <-ended; !errors.Is(err, errEnded) {
			t.Fatal(err)
		}
	})
}

// small bounds make a backlog of a few records.
var small = bounds{events: 20, bytes: 1 << 20, poll: 7}

// TestFeedIsBounded: while a commit hangs, a full batch is handed over to be folded and another one is filled, no more.
func TestFeedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		polled, batches, done := make(chan kgo.Fetches), make(chan *Batch, onTheirWay), make(chan *Batch)
		ended := make(chan error)
		go func() {
			ended <- feed(ctx, newIntake(config(false), small, []row{{newest: noTime}, {newest: noTime}}), polled, batches, done)
		}()
		offset, value := int64(0), record(0, 0, "a").Value
		next := func() kgo.Fetches {
			records := make([]*kgo.Record, small.poll)
			for i := range records {
				records[i] = &kgo.Record{Offset: offset, Value: value}
				offset++
			}
			return kgo.Fetches{{Topics: []kgo.FetchTopic{{Partitions: []kgo.FetchPartition{{Records: records}}}}}}
		}
		polled <- next()
		b := <-batches
		taken, fetches := 0, next()
		for full := false; !full; {
			synctest.Wait()
			select {
			case polled <- fetches:
				taken += small.poll
				fetches = next()
			default:
				full = true
			}
		}
		if taken < 2*small.events || taken > 2*(small.events+small.poll) {
			t.Errorf("%d events taken while a commit hangs, bound twice %d", taken, small.events)
		}
		ahead := <-batches
		done <- b
		b = <-batches
		if len(ahead.Events) != len(b.Events) || len(ahead.Events)+len(b.Events) != taken {
			t.Errorf("%d and %d events in the batches, want %d", len(ahead.Events), len(b.Events), taken)
		}
		stop()
		<-ended
	})
}
