package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// movedWithin is how long the new leaders may take to be known.
const movedWithin = 30 * time.Second

// LeaderMove makes another broker the leader of every partition of the topic that has a copy in sync elsewhere, as when
// brokers are restarted one after the other. Nothing is undone: the new leaders are as good.
type LeaderMove struct{}

// Inject implements Fault. The effect is the request; it ends when all brokers name the new leaders.
func (LeaderMove) Inject(ctx context.Context, w *World) (Outcome, error) {
	out := none("kafka", "broker")
	client, err := w.Kafka.NewClient()
	if err != nil {
		return out, noEffect("%w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, movedWithin, fmt.Errorf("not within %v", movedWithin))
	defer cancel()
	before, err := partitions(ctx, client, w.Topic)
	if err != nil {
		return out, noEffect("%w", err)
	}
	orders := rotated(before)
	if len(orders) == 0 {
		return out, noEffect("no partition of topic %s has a copy in sync on another broker", w.Topic)
	}
	asked := w.Now()
	after, err := move(ctx, client, w.Topic, orders)
	out.End = w.Now()
	if err != nil {
		return out, noEffect("move the leaders of topic %s: %w", w.Topic, err)
	}
	var moves []string
	for _, p := range after.Sorted() {
		if _, moved := orders[p.Partition]; moved {
			moves = append(moves, fmt.Sprintf("%d: broker %d to %d", p.Partition, before[p.Partition].Leader, p.Leader))
		}
	}
	out.Effect = asked
	out.What = fmt.Sprintf("leaders of %d of %d partitions moved (%s)", len(moves), len(before), strings.Join(moves, ", "))
	return out, nil
}

// rotated gives the replicas of each partition in another order, the new leader first: the next one after the present leader
// that is in sync. Partitions without one are left out.
func rotated(partitions kadm.PartitionDetails) map[int32][]int32 {
	orders := map[int32][]int32{}
	for n, p := range partitions {
		at := slices.Index(p.Replicas, p.Leader)
		for i := 1; at >= 0 && i < len(p.Replicas); i++ {
			next := (at + i) % len(p.Replicas)
			if slices.Contains(p.ISR, p.Replicas[next]) {
				orders[n] = append(slices.Clone(p.Replicas[next:]), p.Replicas[:next]...)
				break
			}
		}
	}
	return orders
}

// move writes the orders, has the preferred leaders elected and waits until all brokers name them.
func move(ctx context.Context, client *kgo.Client, topic string, orders map[int32][]int32) (kadm.PartitionDetails, error) {
	admin := kadm.NewClient(client)
	assigned, err := admin.AlterPartitionAssignments(ctx, kadm.AlterPartitionAssignmentsReq{topic: orders})
	if err == nil {
		err = assigned.Error()
	}
	if err != nil {
		return nil, err
	}
	var wanted kadm.TopicsSet
	for n := range orders {
		wanted.Add(topic, n)
	}
	for {
		elected, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, wanted)
		if err != nil {
			return nil, err
		}
		for _, r := range elected[topic] {
			// The order may not have reached the broker that elects; who leads is looked at below.
			if r.Err != nil && !errors.Is(r.Err, kerr.ElectionNotNeeded) && !errors.Is(r.Err, kerr.PreferredLeaderNotAvailable) {
				return nil, fmt.Errorf("partition %d: %w", r.Partition, r.Err)
			}
		}
		now, err := partitions(ctx, client, topic)
		if err != nil {
			return nil, err
		}
		if leads(now, orders) {
			return now, nil
		}
		if err := hold(ctx, sqlLook); err != nil {
			return nil, err
		}
	}
}

func leads(now kadm.PartitionDetails, orders map[int32][]int32) bool {
	for n, order := range orders {
		if now[n].Leader != order[0] {
			return false
		}
	}
	return true
}

// partitions asks every broker who leads the partitions of a topic, until all say the same: each learns of a move by itself.
func partitions(ctx context.Context, client *kgo.Client, topic string) (kadm.PartitionDetails, error) {
	for {
		brokers, err := kadm.NewClient(client).ListBrokers(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the brokers: %w", err)
		}
		var views []kadm.PartitionDetails
		for _, id := range brokers.NodeIDs() {
			view, err := viewOf(ctx, client.Broker(int(id)), topic)
			if err != nil {
				return nil, fmt.Errorf("ask broker %d who leads topic %s: %w", id, topic, err)
			}
			views = append(views, view)
		}
		if agree(views) {
			return views[0], nil
		}
		if err := hold(ctx, sqlLook); err != nil {
			return nil, err
		}
	}
}

// viewOf is what one broker knows of a topic.
func viewOf(ctx context.Context, broker *kgo.Broker, topic string) (kadm.PartitionDetails, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	response, err := request.RequestWith(ctx, broker)
	if err != nil {
		return nil, err
	}
	found := kadm.PartitionDetails{}
	for _, t := range response.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, err
		}
		for _, p := range t.Partitions {
			found[p.Partition] = kadm.PartitionDetail{Topic: topic, Partition: p.Partition, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it has no partitions")
	}
	return found, nil
}

// agree says whether all views name the same leaders.
func agree(views []kadm.PartitionDetails) bool {
	for _, view := range views {
		for n, p := range view {
			if p.Leader != views[0][n].Leader {
				return false
			}
		}
	}
	return len(views) > 0
}
