package infra

import (
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
)

// BenchmarkRecordSeen is how long one record takes from the producer to a waiting consumer: what the broker adds to every
// latency that is measured through it.
func BenchmarkRecordSeen(b *testing.B) {
	w, err := NewWorkspace(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	broker, err := startBroker(b.Context(), Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.unit.discard()
	if err := CreateTopics(b.Context(), kafka.Cluster{Brokers: []string{broker.Address}}, 4, 1, "t"); err != nil {
		b.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerLinger(0))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	value := make([]byte, 250)
	for b.Loop() {
		client.Produce(b.Context(), &kgo.Record{Value: value}, nil)
		for seen := 0; seen == 0; {
			seen = client.PollFetches(b.Context()).NumRecords()
		}
	}
}
