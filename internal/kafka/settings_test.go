package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The record names the settings that are in force: each is read back from a client.
func TestRecordedSettingsAreInForce(t *testing.T) {
	options := append(Options(Producer()), Options(Consumer())...)
	options = append(options, kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"))
	client, err := Cluster{Brokers: []string{"127.0.0.1:1"}}.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	recorded := Recorded()
	for name, option := range map[string]any{
		"client.metadata.min.age.ms":                kgo.MetadataMinAge,
		"client.socket.connection.setup.timeout.ms": kgo.DialTimeout,
		"client.request.timeout.overhead.ms":        kgo.RequestTimeoutOverhead,
		"producer.linger.ms":                        kgo.ProducerLinger,
		"producer.delivery.timeout.ms":              kgo.RecordDeliveryTimeout,
		"producer.batch.max.bytes":                  kgo.ProducerBatchMaxBytes,
		"consumer.fetch.max.wait.ms":                kgo.FetchMaxWait,
		"consumer.fetch.min.bytes":                  kgo.FetchMinBytes,
		"consumer.fetch.max.bytes":                  kgo.FetchMaxBytes,
		"consumer.max.partition.fetch.bytes":        kgo.FetchMaxPartitionBytes,
	} {
		got := client.OptValue(option)
		if d, ok := got.(time.Duration); ok {
			got = d.Milliseconds()
		}
		if fmt.Sprint(got) != recorded[name] {
			t.Errorf("%s is %v, the record says %q", name, got, recorded[name])
		}
	}
	wait := client.OptValue(kgo.RetryBackoffFn).(func(int) time.Duration)
	for try := range 5 {
		if got := fmt.Sprint(wait(try).Milliseconds()); got != recorded["client.retry.backoff.ms"] {
			t.Errorf("before try %d it waits %s ms, the record says %s", try, got, recorded["client.retry.backoff.ms"])
		}
	}
	if client.OptValue(kgo.DisableIdempotentWrite) != false || recorded["producer.enable.idempotence"] != "true" {
		t.Error("the producer is not idempotent")
	}
	if client.OptValue(kgo.RequiredAcks) != kgo.AllISRAcks() || recorded["producer.acks"] != "all" {
		t.Error("the producer does not wait for all in-sync replicas")
	}
	for name, value := range recorded {
		if value == "" {
			t.Errorf("%s has no value", name)
		}
	}
}

// Every setting says why it is so.
func TestEverySettingHasAReason(t *testing.T) {
	for _, settings := range [][]Setting{Common(), Producer(), Consumer()} {
		for _, s := range settings {
			if s.Name == "" || s.Value == "" || len(s.Why) < 20 {
				t.Errorf("%q = %q: %q", s.Name, s.Value, s.Why)
			}
		}
	}
}
