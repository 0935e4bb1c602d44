package infra

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"lkbench/internal/kafka"
)

// A topic that is there already is told with what it is like and what to do, and stays as it is.
func TestCreateTopics(t *testing.T) {
	fake, err := kfake.NewCluster(append(BrokerOptions(t.TempDir(), 0), kfake.SeedTopics(3, "theirs"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	cluster := kafka.Cluster{Brokers: fake.ListenAddrs()}
	err = CreateTopics(t.Context(), cluster, 8, 1, "theirs")
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"topic theirs exists already, with 3 partitions (expected to make it, with 8) and 1 copies",
		"kafka-topics --delete --topic theirs", "choose another prefix"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err := CreateTopics(t.Context(), cluster, 2, 9, "many"); !errors.Is(err, kerr.InvalidReplicationFactor) || !strings.Contains(err.Error(), "topic many") {
		t.Errorf("nine copies on one broker: %v", err)
	}
	if err := CreateTopics(t.Context(), cluster, 2, -1, "ours"); err != nil {
		t.Fatal(err)
	}
	client, err := cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil || len(topics["theirs"].Partitions) != 3 || len(topics["ours"].Partitions) != 2 || topics.Has("many") {
		t.Errorf("topics %v, %v", topics.Names(), err)
	}
}

// Topics that get no leaders are waited for, and named when that ends.
func TestTopicsWithoutLeaders(t *testing.T) {
	fake, err := kfake.NewCluster(append(BrokerOptions(t.TempDir(), 0), kfake.SeedTopics(1, "there"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	client, err := kafka.Cluster{Brokers: fake.ListenAddrs()}.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	err = awaitLeaders(ctx, kadm.NewClient(client), 1, []string{"there", "missing"})
	if err == nil || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v", err)
	}
	if haveLeaders(kadm.TopicDetails{}, 1, []string{"missing"}) {
		t.Error("a topic that nobody knows has leaders")
	}
}
