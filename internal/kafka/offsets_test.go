package kafka

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Just after a crash a real broker answers that a partition has no leader: that passes.
func TestOffsetsWaitForALeader(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	cluster := Cluster{Brokers: broker.ListenAddrs()}
	client, err := cluster.NewClient(kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: 1}, &kgo.Record{Partition: 1}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var asked, refusals, refusal atomic.Int64
	refusal.Store(int64(kerr.LeaderNotAvailable.Code))
	broker.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if asked.Add(1) > refusals.Load() {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range request.(*kmsg.ListOffsetsRequest).Topics {
			one := kmsg.NewListOffsetsResponseTopic()
			one.Topic = topic.Topic
			for _, p := range topic.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition, partition.ErrorCode = p.Partition, int16(refusal.Load())
				one.Partitions = append(one.Partitions, partition)
			}
			answer.Topics = append(answer.Topics, one)
		}
		return answer, nil, true
	})
	refusals.Store(50) // more than the client itself tries
	starts, ends, err := Offsets(t.Context(), cluster, "t")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("t", 1)
	if start, ok := starts.Lookup("t", 1); !ok || start.Offset != 0 || end.Offset != 2 || asked.Load() < 51 {
		t.Errorf("from %+v to %+v after %d questions, want 0 and 2 after the refusals", starts, ends, asked.Load())
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, _, err := Offsets(ctx, cluster, "t"); err == nil {
		t.Error("no error after the end of the context")
	}
	refusal.Store(int64(kerr.TopicAuthorizationFailed.Code))
	refusals.Store(1 << 60)
	if _, _, err := Offsets(t.Context(), cluster, "t"); !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "topic t") {
		t.Errorf("without the right: got %v", err)
	}
}
