package infra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"lkbench/internal/kafka"
)

// topicsReady bounds how long new topics may take until every partition has a leader.
const topicsReady = 30 * time.Second

// CreateTopics makes topics, and waits until every partition has a leader. replication is the number of copies, -1 for the
// brokers' default. A topic that is there already is an error that tells what it is like: it belongs to somebody else.
func CreateTopics(ctx context.Context, cluster kafka.Cluster, partitions int32, replication int16, names ...string) error {
	client, err := cluster.NewClient()
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	created, err := admin.CreateTopics(ctx, partitions, replication, nil, names...)
	if err != nil {
		return fmt.Errorf("create topics %v on %v: %w", names, cluster, err)
	}
	var errs []error
	for _, c := range created.Sorted() {
		if c.Err != nil {
			errs = append(errs, explainCreation(ctx, admin, c, partitions))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("create topics on %v: %w", cluster, err)
	}
	return awaitLeaders(ctx, admin, int(partitions), names)
}

// explainCreation says why a topic was not made, with the broker's own words where it has some.
func explainCreation(ctx context.Context, admin *kadm.Client, c kadm.CreateTopicResponse, partitions int32) error {
	if !errors.Is(c.Err, kerr.TopicAlreadyExists) {
		if c.ErrMessage != "" {
			return fmt.Errorf("topic %s: %w: %s", c.Topic, c.Err, c.ErrMessage)
		}
		return fmt.Errorf("topic %s: %w", c.Topic, c.Err)
	}
	found := "with partitions unknown"
	if topics, err := admin.ListTopics(ctx, c.Topic); err == nil && topics[c.Topic].Err == nil {
		has := topics[c.Topic].Partitions
		found = fmt.Sprintf("with %d partitions (expected to make it, with %d) and %d copies", len(has), partitions, has.NumReplicas())
	}
	return fmt.Errorf("topic %s exists already, %s; it belongs to somebody else and is not touched: delete it if it is yours "+
		"(kafka-topics --delete --topic %s), or choose another prefix: %w", c.Topic, found, c.Topic, c.Err)
}

// awaitLeaders waits until the brokers know of all partitions and who leads them; before, a client's first request for one
// would fail.
func awaitLeaders(ctx context.Context, admin *kadm.Client, partitions int, names []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, topicsReady, fmt.Errorf("not within %v", topicsReady))
	defer cancel()
	for {
		topics, err := admin.ListTopics(ctx, names...)
		if err == nil && haveLeaders(topics, partitions, names) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait until the partitions of the topics %v have leaders: %w", names, context.Cause(ctx)), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func haveLeaders(topics kadm.TopicDetails, partitions int, names []string) bool {
	for _, name := range names {
		topic := topics[name]
		if topic.Err != nil || len(topic.Partitions) != partitions {
			return false
		}
		for _, p := range topic.Partitions {
			if p.Err != nil || p.Leader < 0 {
				return false
			}
		}
	}
	return true
}
