package images_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is an id as upstream's are: 16 bytes in base64.
const cluster = "AAAAAAAAAAAAAAAAAAAAEg"

// kafkaOptions are one node's settings, as a provider gives them.
func kafkaOptions(port int) []string {
	var options []string
	for _, setting := range []string{
		"CLUSTER_ID=" + cluster,
		"KAFKA_NODE_ID=7",
		"KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093",
		fmt.Sprintf("KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:%d", port),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS=7@localhost:9093",
		"KAFKA_LOG_DIRS=/var/lib/kafka/data",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
		"KAFKA_MESSAGE_MAX_BYTES=7654321",
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE=false",
		"KAFKA_HEAP_OPTS=-Xmx300m -Xms200m",
	} {
		options = append(options, "--env", setting)
	}
	return append(options, "--publish", fmt.Sprintf("127.0.0.1:%d:9092", port))
}

func TestKafka(t *testing.T) {
	need(t, kafkaImage)
	version := kafkaImage[strings.LastIndex(kafkaImage, ":")+1:]
	c, port := runOnPort(t, kafkaImage, kafkaOptions)
	client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", port)), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ConsumeTopics("snappy", "lz4", "zstd", "gzip"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c.await("the broker answers", client.Ping)

	if log := c.log(); !strings.Contains(log, "Kafka version: "+version) {
		t.Errorf("expected the broker of %s to say that it is Kafka %s:\n%s", kafkaImage, version, log)
	}
	admin := kadm.NewClient(client)
	t.Run("the variables reach the broker", func(t *testing.T) {
		metadata, err := admin.BrokerMetadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if metadata.Cluster != cluster || len(metadata.Brokers) != 1 || metadata.Brokers[0].NodeID != 7 || metadata.Brokers[0].Port != int32(port) {
			t.Errorf("expected node 7 of cluster %s on port %d, got %+v", cluster, port, metadata)
		}
		configs, err := admin.DescribeBrokerConfigs(t.Context(), 7)
		if err != nil || len(configs) != 1 {
			t.Fatal(configs, err)
		}
		got := map[string]string{}
		for _, config := range configs[0].Configs {
			got[config.Key] = config.MaybeValue()
		}
		for key, want := range map[string]string{"message.max.bytes": "7654321", "auto.create.topics.enable": "false", "log.dirs": "/var/lib/kafka/data"} {
			if got[key] != want {
				t.Errorf("%s: expected %s, got %s", key, want, got[key])
			}
		}
		if line := c.exec("tr '\\0' ' ' </proc/1/cmdline"); !strings.Contains(line, "-Xmx300m -Xms200m") {
			t.Errorf("KAFKA_HEAP_OPTS does not reach Java: %s", line)
		}
	})
	t.Run("user, process and tools", func(t *testing.T) {
		if id := c.exec("id -u; id -un; cat /proc/1/comm"); id != "1000\nappuser\njava" {
			t.Errorf("expected user 1000, appuser, and Java as the first process, got %q", id)
		}
		size, err := strconv.Atoi(strings.Fields(c.exec("du -sk /var/lib/kafka/data"))[0])
		if err != nil || size <= 0 {
			t.Errorf("size of the data in KiB: %d, %v", size, err)
		}
	})

	// The broker compresses by itself, in each way: that needs native code, with its libraries.
	for _, codec := range []string{"snappy", "lz4", "zstd", "gzip"} {
		if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"compression.type": &codec}, codec); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: codec, Value: []byte(codec)}).FirstErr(); err != nil {
			t.Fatalf("%s: %v\n%s", codec, err, c.log())
		}
	}
	c.do("kill")
	c.do("start")
	read := map[string]string{}
	c.await("what was acknowledged is there after a SIGKILL", func(ctx context.Context) error {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { read[r.Topic] = string(r.Value) })
		if len(read) < 4 {
			return fmt.Errorf("expected a record of each of four topics, got %v", read)
		}
		return nil
	})
	c.do("stop", "--time", "120")
	if code := property(t, c.id, "{{.State.ExitCode}}"); code != "143" {
		t.Errorf("docker stop: expected the broker to end in order, by SIGTERM (143), got %s\n%s", code, c.log())
	}
}

// TestKafkaAlone runs the image as a newcomer does, and with a setting that cannot be.
func TestKafkaAlone(t *testing.T) {
	need(t, kafkaImage)
	c, err := run(t, nil, kafkaImage)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := run(t, []string{"--env", "KAFKA_NODE_ID=first"}, kafkaImage)
	if err != nil {
		t.Fatal(err)
	}
	c.await("started", func(context.Context) error {
		if !strings.Contains(c.log(), "Kafka Server started") {
			return errors.New("not said yet")
		}
		return nil
	})
	if code := wrong.do("wait"); code == "0" || !strings.Contains(wrong.log(), "Invalid value first") {
		t.Errorf("KAFKA_NODE_ID=first: expected a failure naming the value, got exit code %s and\n%s", code, wrong.log())
	}
}

// TestKafkaUsesItsArchive looks whether Java takes the broker's classes from the archive: it says nothing if it does not, for
// instance because the class path is another one, and starts slowly.
func TestKafkaUsesItsArchive(t *testing.T) {
	need(t, kafkaImage)
	if !builtHere(t, kafkaImage) {
		t.Skipf("%s was not built here", kafkaImage)
	}
	from := func(archive string) bool {
		c, err := run(t, []string{"--env", "CDS=-XX:SharedArchiveFile=" + archive, "--env", "KAFKA_OPTS=-Xlog:class+load"}, kafkaImage,
			"/opt/kafka/bin/kafka-run-class.sh", "kafka.Kafka")
		if err != nil {
			t.Fatal(err)
		}
		c.do("wait")
		return strings.Contains(c.log(), "kafka.Kafka source: shared objects file (top)")
	}
	if !from("/opt/kafka/kafka.jsa") {
		t.Error("expected the class kafka.Kafka to come from /opt/kafka/kafka.jsa")
	}
	if from("/opt/kafka/none.jsa") {
		t.Error("without an archive the class cannot come from one: this test sees nothing")
	}
}
