package fault

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

const topic = "transactions"

func produce(ctx context.Context, t *testing.T, cluster kafka.Cluster, records int) {
	t.Helper()
	client, err := cluster.NewClient(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	for range records {
		if err := client.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Error(err)
		}
	}
}

func TestTopicFull(t *testing.T) {
	cluster := infratest.Kafka(t, 2, topic)
	produce(t.Context(), t, cluster, 10)
	j := newJournal()
	stream := &container{journal: j, name: "stream"}
	w := j.world(stream)
	w.Kafka, w.Topic = cluster, topic
	w.Processed = func(context.Context) (int64, error) { return 6, nil }

	out, err := TopicFull{For: time.Millisecond}.Inject(shortOf(t, 300*time.Millisecond), w)
	if err == nil || out.Effect >= 0 || !strings.HasSuffix(j.String(), "stream resume") {
		t.Errorf("a log that does not grow: effect %v, %v; did %s", out.Effect, err, j)
	}
	starts, _, err := kafka.Offsets(t.Context(), cluster, topic)
	if err != nil || total(starts) != 0 {
		t.Fatalf("it was cut all the same: %v, %v", starts, err)
	}
	stream.onPause = func() { go produce(t.Context(), t, cluster, 5) }
	out, err = TopicFull{For: 300 * time.Millisecond}.Inject(t.Context(), w)
	if err != nil || out.Effect < 0 || !strings.Contains(out.What, "of the 15 records that were in the log no reader has durably processed 9") {
		t.Errorf("outcome %+v, %v", out, err)
	}
	starts, ends, err := kafka.Offsets(t.Context(), cluster, topic)
	if err != nil || total(starts) != 15 || total(ends) != 15 {
		t.Errorf("the log is from %v to %v, %v", starts, ends, err)
	}
}

// A broker that says that it has deleted and has not is not believed.
func TestTopicFullThatDeletesNothing(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	broker.ControlKey(int16(kmsg.DeleteRecords), func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		response := request.ResponseKind().(*kmsg.DeleteRecordsResponse)
		response.Topics = []kmsg.DeleteRecordsResponseTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsResponseTopicPartition{{LowWatermark: 3}}}}
		return response, nil, true
	})
	j := newJournal()
	stream := &container{journal: j, name: "stream"}
	w := j.world(stream)
	w.Kafka, w.Topic = kafka.Cluster{Brokers: broker.ListenAddrs()}, topic
	w.Processed = func(context.Context) (int64, error) { return 0, nil }
	stream.onPause = func() { go produce(t.Context(), t, w.Kafka, 3) }
	out, err := TopicFull{For: 100 * time.Millisecond}.Inject(t.Context(), w)
	if !errors.Is(err, ErrNoEffect) || out.Effect >= 0 || !strings.Contains(err.Error(), "begins at 0") {
		t.Errorf("effect %v, %v", out.Effect, err)
	}
	if !strings.HasSuffix(j.String(), "stream resume") {
		t.Errorf("did %s", j)
	}
}

// shortOf is a context that ends after a time.
func shortOf(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRotated(t *testing.T) {
	detail := func(leader int32, replicas, inSync []int32) kadm.PartitionDetail {
		return kadm.PartitionDetail{Leader: leader, Replicas: replicas, ISR: inSync}
	}
	got := rotated(kadm.PartitionDetails{
		0: detail(1, []int32{1, 2, 3}, []int32{1, 2, 3}),
		1: detail(3, []int32{1, 2, 3}, []int32{3, 2}),
		2: detail(1, []int32{1, 2, 3}, []int32{1}),
		3: detail(1, []int32{1}, []int32{1}),
		4: detail(-1, []int32{1, 2}, nil),
	})
	if len(got) != 2 || got[0][0] != 2 || got[1][0] != 2 || len(got[0]) != 3 || len(got[1]) != 3 {
		t.Errorf("orders %v: want broker 2 first in partitions 0 and 1, and no others", got)
	}
}

// A broker that has not heard of a move yet is waited for.
func TestAgree(t *testing.T) {
	view := func(leader int32) kadm.PartitionDetails {
		return kadm.PartitionDetails{0: {Leader: 1}, 1: {Leader: leader}}
	}
	if !agree([]kadm.PartitionDetails{view(2), view(2)}) || agree([]kadm.PartitionDetails{view(2), view(2), view(3)}) || agree(nil) {
		t.Error("brokers that agree do not, or such that do not agree do")
	}
}

func TestLeaderMove(t *testing.T) {
	infratest.NeedJava(t)
	infratest.NeedPostgres(t)
	instance := infratest.Local(t, infra.Local{Brokers: 3})
	if err := infra.CreateTopics(t.Context(), instance.Kafka, 4, instance.Replication, topic); err != nil {
		t.Fatal(err)
	}
	j := newJournal()
	w := j.world()
	w.Kafka, w.Topic = instance.Kafka, topic
	for range 2 {
		before := leaders(t, w)
		out, err := LeaderMove{}.Inject(t.Context(), w)
		if err != nil || out.Effect < 0 || !strings.Contains(out.What, "leaders of 4 of 4 partitions") {
			t.Fatalf("outcome %+v, %v", out, err)
		}
		for n, leader := range leaders(t, w) {
			if leader == before[n] {
				t.Errorf("partition %d is still led by broker %d", n, leader)
			}
		}
	}
	produce(t.Context(), t, instance.Kafka, 4)
}

func leaders(t *testing.T, w *World) map[int32]int32 {
	t.Helper()
	client, err := w.Kafka.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	found, err := partitions(t.Context(), client, w.Topic)
	if err != nil {
		t.Fatal(err)
	}
	of := map[int32]int32{}
	for n, p := range found {
		of[n] = p.Leader
	}
	return of
}

func TestLeaderMoveWithoutAnotherBroker(t *testing.T) {
	j := newJournal()
	w := j.world()
	w.Kafka, w.Topic = infratest.Kafka(t, 2, topic), topic
	if out, err := (LeaderMove{}).Inject(t.Context(), w); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("with one broker: effect %v, %v", out.Effect, err)
	}
	w.Topic = "nothing"
	if out, err := (LeaderMove{}).Inject(t.Context(), w); !errors.Is(err, ErrNoEffect) || out.Effect >= 0 {
		t.Errorf("of a topic that is not there: effect %v, %v", out.Effect, err)
	}
}
