package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// leaderWithin is how long a partition may have no leader: longer than a broker's restart or the move of a leader.
const leaderWithin = 30 * time.Second

// Offsets asks where the partitions of a topic begin and end. While a broker is down or a partition has no leader, as just
// after a crash, it asks again, for half a minute or until ctx ends.
func Offsets(ctx context.Context, cluster Cluster, topic string) (starts, ends kadm.ListedOffsets, err error) {
	client, err := cluster.NewClient()
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for deadline := time.Now().Add(leaderWithin); ; {
		starts, err = listed(admin.ListStartOffsets(ctx, topic))
		if err == nil {
			ends, err = listed(admin.ListEndOffsets(ctx, topic))
		}
		if err == nil {
			return starts, ends, nil
		}
		if !passes(err) || time.Now().After(deadline) {
			return nil, nil, fmt.Errorf("ask for the offsets of topic %s: %w", topic, err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("ask for the offsets of topic %s: %w (%w)", topic, context.Cause(ctx), err)
		case <-time.After(backoff):
		}
	}
}

func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = offsets.Error()
	}
	return offsets, err
}

// passes says whether an error may be gone a moment later. A topic that is not there is not waited for.
func passes(err error) bool {
	var shards *kadm.ShardErrors
	if errors.As(err, &shards) {
		for _, s := range shards.Errs {
			if !passes(s.Err) {
				return false
			}
		}
		return len(shards.Errs) > 0
	}
	return kgo.IsRetryableBrokerErr(err) || kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition)
}
