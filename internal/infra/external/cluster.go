package external

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// trialTimeout bounds each step of the trial: a cluster that needs longer for one record is not ready for a run.
const trialTimeout = 30 * time.Second

// recordedTopicSettings are what decides about speed and safety of the run's topics.
var recordedTopicSettings = []string{
	"min.insync.replicas", "compression.type", "max.message.bytes", "retention.ms", "retention.bytes", "segment.bytes", "flush.messages", "flush.ms", "message.timestamp.type",
	"unclean.leader.election.enable",
}

// cluster is what was found out about a Kafka.
type cluster struct {
	metadata kadm.Metadata
	version  string
	replicas int // of the topic tried
	settings map[string]string
	cannot   []string
}

func (c cluster) label() string {
	if c.replicas == 1 {
		return "external; single copy; servers run elsewhere"
	}
	return fmt.Sprintf("external; %d copies; servers run elsewhere", c.replicas)
}

// examineKafka is examineKafka of this run, and refuses names that are taken.
func (r *run) examineKafka(ctx context.Context) (cluster, []string, error) {
	metadata, lacks, err := examineKafka(ctx, r.provider.Kafka, r.mark.Prefix, r.replication)
	c := cluster{metadata: metadata, settings: map[string]string{}}
	if err != nil || len(lacks) > 0 {
		return c, lacks, err
	}
	client, _, err := reachKafka(ctx, r.provider.Kafka)
	if err != nil {
		return c, nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	taken, err := topicsOf(ctx, admin, r.mark.Prefix)
	if err != nil {
		return c, nil, err
	}
	if len(taken) > 0 {
		return c, nil, fmt.Errorf("topics with the prefix %s exist already (%v): they are not touched; start again, and other names are chosen", r.mark.Prefix, taken)
	}
	c.version = versionOf(ctx, admin)
	c.settings["cluster.id"] = metadata.Cluster
	c.settings["brokers"] = fmt.Sprint(len(metadata.Brokers))
	return c, nil, nil
}

// versionOf is what the brokers' protocol tells of their version; they do not say it themselves.
func versionOf(ctx context.Context, admin *kadm.Client) string {
	version := "Kafka (version unknown)"
	if versions, err := admin.ApiVersions(ctx); err == nil {
		for _, v := range versions.Sorted() {
			version = "Kafka " + v.VersionGuess() + " (by its protocol)"
		}
	}
	return version
}

// try makes a topic, writes and reads a record and removes the topic, as the run will: what rights do not tell, such as
// copies that lack or a broker that cannot be reached, shows here.
func (r *run) try(ctx context.Context) error {
	topic := r.mark.Prefix + checkTopic
	cluster := r.provider.Kafka
	if err := infra.CreateTopics(ctx, cluster, 1, r.replication, topic); err != nil {
		return err
	}
	client, err := cluster.NewClient(append(kafka.Options(kafka.Producer()), kgo.UnknownTopicRetries(-1),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		return err
	}
	defer client.Close()
	step := func(what string, do func(ctx context.Context) error) error {
		within, cancel := context.WithTimeoutCause(ctx, trialTimeout, fmt.Errorf("not done within %v", trialTimeout))
		defer cancel()
		err := do(within)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
			err = fmt.Errorf("%w: min.insync.replicas is more than the topic has copies in sync: choose more copies", err)
		case within.Err() != nil:
			err = errors.Join(err, context.Cause(within))
		}
		return fmt.Errorf("%s the topic %s, for a trial: %w", what, topic, err)
	}
	err = step("write to", func(ctx context.Context) error {
		return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("check"), Value: []byte("made by lkbench")}).FirstErr()
	})
	if err != nil {
		return err
	}
	err = step("read from", func(ctx context.Context) error {
		for {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil || fetches.NumRecords() > 0 {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	admin := kadm.NewClient(client)
	r.describe(ctx, admin, topic)
	return step("delete", func(ctx context.Context) error {
		_, err := removeTopics(ctx, admin, topic)
		return err
	})
}

// describe reads what this user may read of settings.
func (r *run) describe(ctx context.Context, admin *kadm.Client, topic string) {
	if topics, err := admin.ListTopics(ctx, topic); err == nil {
		r.kafka.replicas = topics[topic].Partitions.NumReplicas()
		r.kafka.settings["topic.replication.factor"] = fmt.Sprint(r.kafka.replicas)
	}
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err == nil {
		var found kadm.ResourceConfig
		if found, err = described.On(topic, nil); err == nil {
			err = found.Err
		}
		for _, setting := range found.Configs {
			for _, name := range recordedTopicSettings {
				if setting.Key == name && !setting.Sensitive {
					r.kafka.settings["topic."+name] = setting.MaybeValue()
				}
			}
		}
	}
	if err != nil {
		r.kafka.cannot = append(r.kafka.cannot, "read the settings of topics: "+err.Error())
	}
	brokers, err := infra.ReadBrokerSettings(ctx, r.provider.Kafka)
	if err != nil {
		r.kafka.cannot = append(r.kafka.cannot, "read the settings of the brokers: "+err.Error())
	}
	for name, value := range brokers {
		r.kafka.settings[name] = value
	}
}

// readSettings asks PostgreSQL.
func (r *run) readSettings(ctx context.Context) (err error) {
	r.database.Settings, err = infra.ReadDatabaseSettings(ctx, r.postgres)
	return err
}
