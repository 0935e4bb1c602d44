package network_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
	"lkbench/internal/network"
)

// worsen drops everything for a second and then resets all connections, after progress has been made before and in between.
func worsen(n *network.Network, to string, progress <-chan struct{}) {
	<-progress
	n.Set(to, network.Conditions{Drop: true})
	time.Sleep(time.Second)
	n.Set(to, network.Conditions{})
	<-progress
	n.Set(to, network.Conditions{Reset: true})
	<-progress
	n.Set(to, network.Conditions{Partition: true})
	time.Sleep(100 * time.Millisecond)
	n.Set(to, network.Conditions{Reset: true}) // what waited in vain is lost, new ones work
}

// TestPgxLivesThroughIt counts in a table: every transaction that was committed is there, once.
func TestPgxLivesThroughIt(t *testing.T) {
	config, err := pgx.ParseConfig(infratest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	n := network.New()
	config.DialFunc = pgconn.DialFunc(n.Dialer(network.Postgres))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	connect := func() *pgx.Conn {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := connect()
	if _, err := conn.Exec(ctx, "create table counted (n int primary key)"); err != nil {
		t.Fatal(err)
	}
	progress, done := make(chan struct{}), make(chan struct{})
	go func() { worsen(n, network.Postgres, progress); close(done) }()
	lost, count := 0, 0
	for over := false; !over || count < 200; count++ {
		// Whether a lost commit took effect is not known: the same row again is not written twice.
		for {
			_, err := conn.Exec(ctx, "insert into counted values ($1) on conflict do nothing", count)
			if err == nil {
				break
			}
			if !conn.IsClosed() || ctx.Err() != nil {
				t.Fatalf("row %d: %v", count, err)
			}
			lost++
			conn = connect()
		}
		select {
		case progress <- struct{}{}:
		case <-done:
			over = true
		default:
		}
	}
	var rows, highest int
	if err := conn.QueryRow(ctx, "select count(*), max(n) from counted").Scan(&rows, &highest); err != nil {
		t.Fatal(err)
	}
	if rows != count || highest != count-1 {
		t.Errorf("%d rows up to %d, want %d", rows, highest, count)
	}
	if lost != 2 {
		t.Errorf("the connection was lost %d times, want by each reset and by nothing else", lost)
	}
	_ = conn.Close(ctx)
}

// TestFranzLivesThroughIt produces and consumes meanwhile: every record arrives, once and in order.
func TestFranzLivesThroughIt(t *testing.T) {
	n := network.New()
	cluster := infratest.Kafka(t, 1, "t")
	cluster.Dial = n.Dialer(network.Kafka)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	producer, err := cluster.NewClient(append(kafka.Options(kafka.Producer()), kgo.DefaultProduceTopic("t"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	consumer, err := cluster.NewClient(append(kafka.Options(kafka.Consumer()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(0)}}))...)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	progress, done := make(chan struct{}), make(chan struct{})
	go func() { worsen(n, network.Kafka, progress); close(done) }()
	for over, count := false, 0; !over || count < 50; count++ {
		if err := producer.ProduceSync(ctx, &kgo.Record{Value: fmt.Append(nil, count)}).FirstErr(); err != nil {
			t.Fatalf("record %d: %v", count, err)
		}
		for arrived := false; !arrived; {
			consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if arrived || string(r.Value) != fmt.Sprint(count) || r.Offset != int64(count) {
					t.Errorf("waiting for record %d: %s at offset %d", count, r.Value, r.Offset)
				}
				arrived = true
			})
			if ctx.Err() != nil {
				t.Fatalf("record %d has not arrived", count)
			}
		}
		select {
		case progress <- struct{}{}:
		case <-done:
			over = true
		default:
		}
	}
}
