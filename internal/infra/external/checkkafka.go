package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"lkbench/internal/kafka"
)

// checkTopic is the name, after the run's prefix, of the topic that rights are tried with.
const checkTopic = "check"

// byName are protocol versions in which topics are named in requests to produce and to fetch. Newer ones have ids, which a
// topic that does not exist yet has not.
func byName() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Produce), 12)
	v.SetMaxKeyVersion(int16(kmsg.Fetch), 12)
	return v
}

// right is something that a user must be allowed to do with the run's topics.
type right struct {
	operation string // as Kafka's kafka-acls calls it
	// try asks for it on a topic that does not exist and gives the error code of the answer. Brokers look at the right first,
	// and find only then that there is no such topic.
	try func(ctx context.Context, broker *kgo.Broker, topic string) (int16, error)
}

// rights are those that can be asked for without anything being made.
func rights() []right {
	return []right{
		{"Describe", tryDescribe}, {"Write", tryWrite}, {"Read", tryRead}, {"Delete", tryDelete},
	}
}

// examineKafka looks what this user may do with topics of the prefix, before anything is made. What lacks is in
// lacks, a sentence each.
func examineKafka(ctx context.Context, cluster kafka.Cluster, prefix string, replication int16) (kadm.Metadata, []string, error) {
	client, metadata, err := reachKafka(ctx, cluster, kgo.MaxVersions(byName()))
	if err != nil {
		return metadata, nil, err
	}
	defer client.Close()
	if len(metadata.Brokers) == 0 {
		return metadata, nil, fmt.Errorf("the Kafka at %v names no brokers", cluster)
	}
	lacks := unreachable(ctx, client, cluster, metadata)
	if len(lacks) > 0 {
		return metadata, lacks, nil // whatever is asked could fail for that
	}
	who := principal(cluster)
	topic := prefix + checkTopic
	refused, err := tryCreate(ctx, client, topic, replication)
	if err != nil {
		return metadata, nil, fmt.Errorf("look in Kafka whether topics may be created: %w", err)
	}
	family := family(prefix)
	allow := func(operation string) string {
		return fmt.Sprintf("kafka-acls --add --allow-principal 'User:%s' --operation %s --topic '%s' --resource-pattern-type prefixed", who, operation, family)
	}
	switch {
	case refused == nil:
	case errors.Is(refused, kerr.TopicAuthorizationFailed), errors.Is(refused, kerr.ClusterAuthorizationFailed):
		lacks = append(lacks, fmt.Sprintf("Kafka: %s lacks Create on topics that begin with %s: %s", who, family, allow("Create")))
	case errors.Is(refused, kerr.InvalidReplicationFactor), errors.Is(refused, kerr.PolicyViolation):
		lacks = append(lacks, fmt.Sprintf("Kafka: topics with %s are not accepted: %v; choose another number of copies", copies(replication), refused))
	default:
		lacks = append(lacks, fmt.Sprintf("Kafka: topics cannot be created: %v", refused))
	}
	broker := client.Broker(int(metadata.Brokers[0].NodeID))
	for _, r := range rights() {
		code, err := r.try(ctx, broker, topic)
		if err != nil && strings.Contains(err.Error(), "broker is too old") {
			continue // a service that knows only a part of the protocol; the trial will tell
		}
		if err != nil {
			return metadata, nil, fmt.Errorf("look in Kafka for the right %s: %w", r.operation, err)
		}
		if denied := kerr.ErrorForCode(code); errors.Is(denied, kerr.TopicAuthorizationFailed) || errors.Is(denied, kerr.ClusterAuthorizationFailed) {
			lacks = append(lacks, fmt.Sprintf("Kafka: %s lacks %s on topics that begin with %s: %s", who, r.operation, family, allow(r.operation)))
		}
	}
	return metadata, lacks, nil
}

// principal is who a client is to the brokers, if they map no names.
func principal(cluster kafka.Cluster) string {
	if cluster.SASL != nil {
		return cluster.SASL.User
	}
	if cluster.TLS != nil && cluster.TLS.Certificate != "" {
		if pair, err := tls.LoadX509KeyPair(cluster.TLS.Certificate, cluster.TLS.Key); err == nil {
			return pair.Leaf.Subject.String()
		}
	}
	return "ANONYMOUS"
}

// family is what a rule for all runs names: the prefix without the run's token.
func family(prefix string) string {
	return prefix[:strings.LastIndex(strings.TrimSuffix(prefix, "_"), "_")+1]
}

func copies(replication int16) string {
	switch replication {
	case -1:
		return "the brokers' default number of copies"
	case 1:
		return "one copy"
	}
	return fmt.Sprintf("%d copies", replication)
}

// unreachable asks every broker under the address that the cluster itself gives for it, which is where clients go.
func unreachable(ctx context.Context, client *kgo.Client, cluster kafka.Cluster, metadata kadm.Metadata) []string {
	var lacks []string
	for _, b := range metadata.Brokers {
		within, cancel := context.WithTimeout(ctx, reachTimeout)
		_, err := client.Broker(int(b.NodeID)).Request(within, kmsg.NewPtrApiVersionsRequest())
		cancel()
		if err == nil {
			continue
		}
		at := cluster
		at.Brokers = []string{fmt.Sprintf("%s:%d", b.Host, b.Port)}
		lacks = append(lacks, fmt.Sprintf("Kafka: broker %d is to be reached at %v, as the cluster says (advertised.listeners), and is not: %v", b.NodeID, at, explainKafka(ctx, err, at)))
	}
	return lacks
}

// tryCreate has the creation of a topic looked at without making it. refused says why it would not be made.
func tryCreate(ctx context.Context, client *kgo.Client, topic string, replication int16) (refused, err error) {
	answers, err := kadm.NewClient(client).ValidateCreateTopics(ctx, 1, replication, nil, topic)
	if err != nil {
		return nil, err
	}
	answer, err := answers.On(topic, nil)
	if err != nil {
		return nil, err
	}
	if answer.Err != nil && answer.ErrMessage != "" {
		return fmt.Errorf("%w: %s", answer.Err, answer.ErrMessage), nil
	}
	return answer.Err, nil
}

func tryDescribe(ctx context.Context, broker *kgo.Broker, topic string) (int16, error) {
	request := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	request.Topics = append(request.Topics, t)
	response, err := broker.Request(ctx, request)
	if err != nil {
		return 0, err
	}
	for _, t := range response.(*kmsg.MetadataResponse).Topics {
		return t.ErrorCode, nil
	}
	return 0, errNoAnswer
}

func tryWrite(ctx context.Context, broker *kgo.Broker, topic string) (int16, error) {
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 5000
	p := kmsg.NewProduceRequestTopicPartition()
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	response, err := broker.Request(ctx, request)
	if err != nil {
		return 0, err
	}
	for _, t := range response.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			return p.ErrorCode, nil
		}
	}
	return 0, errNoAnswer
}

func tryRead(ctx context.Context, broker *kgo.Broker, topic string) (int16, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes = 1 << 10
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 1 << 10
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	response, err := broker.Request(ctx, request)
	if err != nil {
		return 0, err
	}
	fetched := response.(*kmsg.FetchResponse)
	for _, t := range fetched.Topics {
		for _, p := range t.Partitions {
			return p.ErrorCode, nil
		}
	}
	return fetched.ErrorCode, nil
}

// tryDelete asks for records to be deleted, which needs the same right as to delete the topic. Of a topic that does not
// exist brokers say only that, whoever asks for its deletion.
func tryDelete(ctx context.Context, broker *kgo.Broker, topic string) (int16, error) {
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 5000
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	response, err := broker.Request(ctx, request)
	if err != nil {
		return 0, err
	}
	for _, t := range response.(*kmsg.DeleteRecordsResponse).Topics {
		for _, p := range t.Partitions {
			return p.ErrorCode, nil
		}
	}
	return 0, errNoAnswer
}

var errNoAnswer = errors.New("the broker's answer does not name the topic")
