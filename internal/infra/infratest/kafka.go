package infratest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// Kafka starts an in-process broker with these topics and gives its address. It is closed when the test ends.
func Kafka(t testing.TB, partitions int32, topics ...string) kafka.Cluster {
	t.Helper()
	options := append(infra.BrokerOptions(t.TempDir(), 0), kfake.SeedTopics(partitions, topics...))
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatalf("start an in-process broker: %v", err)
	}
	t.Cleanup(cluster.Close)
	return kafka.Cluster{Brokers: cluster.ListenAddrs()}
}
