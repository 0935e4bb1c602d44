package archtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/network"
)

// Nothing listens there.
const noKafka, noPostgres = "127.0.0.1:1", "127.0.0.1:2"

// Connections fails the test if a component opens a connection past the network it is given: the addresses are of nowhere, and
// only the network knows the way. The components run in this process until each has done all of its work.
func Connections(t *testing.T, arch architectures.Architecture) {
	const partitions, events = 3, 300
	env := architectures.Environment{
		Kafka: infratest.Kafka(t, partitions, "transactions", "dead"), Topic: "transactions", DeadLetters: "dead", Partitions: partitions,
		Postgres: infratest.Postgres(t), Rules: bank.DefaultRules(),
		Settings: architectures.Settings{CommitInterval: time.Millisecond, BatchEvery: 10 * time.Millisecond},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	system, err := arch.Deploy(ctx, env)
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	send(ctx, t, env, events)

	lost := lose(t, env)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	run := func(c architectures.Component) {
		running.Go(func() {
			if err := c.Run(ctx, lost); err != nil {
				t.Logf("%s ended: %v", c.Name, err) // to be replaced is no failure; whoever fails does not finish
			}
		})
	}
	var batch, onDemand []architectures.Component
	for _, c := range arch.Components() {
		switch {
		case c.OnDemand:
			onDemand = append(onDemand, c)
			continue
		case !c.Consumes:
			batch = append(batch, c)
		}
		run(c)
	}
	until(ctx, t, "all events are processed", func() (bool, error) {
		next := map[string]int64{}
		progress, err := system.Progress(ctx)
		for _, p := range progress.Positions {
			next[p.Component] += p.Next
		}
		done := len(next) > 0
		for _, n := range next {
			done = done && n == events
		}
		return done, err
	})
	if len(batch) > 0 {
		until(ctx, t, "a generation of all events is published", func() (bool, error) {
			generations, err := system.Batches(ctx)
			return len(generations) > 0 && generations[len(generations)-1].Rows > 0, err
		})
	}
	if len(onDemand) == 0 {
		return
	}
	history := system.(architectures.Reprocessor)
	if err := history.Reprocess(ctx, env.Rules, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for _, c := range onDemand {
		run(c)
	}
	until(ctx, t, "history is processed again, and the former answers are gone", func() (bool, error) {
		r, err := history.Reprocessing(ctx)
		return r != nil && r.DoneAt != nil, err
	})
}

// send puts events into the topic, of some customers and in all partitions.
func send(ctx context.Context, t *testing.T, env architectures.Environment, events int) {
	t.Helper()
	client, err := env.Kafka.NewClient(kgo.DefaultProduceTopic(env.Topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := make([]*kgo.Record, events)
	for n := range records {
		value := fmt.Sprintf(`{"TransactionID":"T%d","CustomerID":"C%d","TransactionAmountINR":%d,"EventTime":"2026-01-01T00:00:00Z"}`, n, n%10, n)
		records[n] = &kgo.Record{Key: fmt.Appendf(nil, "C%d", n%10), Value: []byte(value)}
	}
	records[0].Value = []byte("malformed") // a dead letter is sent over a connection, too
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// lose gives an environment whose addresses are of nowhere, with a network that knows the real ones.
func lose(t *testing.T, env architectures.Environment) architectures.Environment {
	t.Helper()
	database, err := url.Parse(env.Postgres)
	if err != nil {
		t.Fatal("the connection string cannot be parsed")
	}
	ways := map[string]string{noKafka: env.Kafka.Brokers[0], noPostgres: database.Host} // a broker tells its own address then
	database.Host = noPostgres
	env.Postgres, env.Kafka.Brokers = database.String(), []string{noKafka}
	env.Network = network.Over(func(ctx context.Context, network, address string) (net.Conn, error) {
		if way, ok := ways[address]; ok {
			address = way
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	return env
}

// until asks until the answer is yes.
func until(ctx context.Context, t *testing.T, what string, ask func() (bool, error)) {
	t.Helper()
	for {
		done, err := ask()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s: %v", what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
