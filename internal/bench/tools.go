package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
	"lkbench/scenarios"
)

// producing are the settings with which Kafka's own producer tool is run: as it comes, and with the best that were found on
// two cores (larger batches, and room to gather them). The faster one counts.
var producing = []struct {
	name     string
	settings []string
}{
	{"kafka-producer-perf-test, its defaults", nil},
	{"kafka-producer-perf-test, large batches", []string{"batch.size=1000000", "linger.ms=5", "buffer.memory=134217728"}},
}

// consuming are the same for its consumer tool, with larger fetches.
var consuming = []struct {
	name     string
	settings []string
}{
	{"kafka-consumer-perf-test, its defaults", nil},
	{"kafka-consumer-perf-test, large fetches", []string{
		"max.poll.records=10000", "max.partition.fetch.bytes=4194304", "fetch.max.bytes=67108864", "fetch.min.bytes=1000000",
	}},
}

// tools measures our producer and consumer beside those that come with Kafka: the same broker, records, acknowledgement
// and partitions. The tools' own figures count; the start of their Java, and of the consumer's group, is not in them.
func (b *Bench) tools(ctx context.Context) error {
	s, err := constant(1000, time.Second)
	if err != nil {
		return err
	}
	// Ten nanoseconds between two events: all are due at once.
	s.Warmup, s.Load = 0, []scenarios.Step{{For: scenarios.Duration(b.Size.Tools * 10), Rate: scenarios.Rate{PerS: 100e6}}}
	if err := b.toolsProduce(ctx, s); err != nil {
		return err
	}
	return b.toolsConsume(ctx, s)
}

func (b *Bench) toolsProduce(ctx context.Context, s *scenarios.Scenario) error {
	payloads := filepath.Join(b.Dir, "payloads")
	defer os.Remove(payloads)
	if err := writePayloads(payloads, s); err != nil {
		return err
	}
	theirs := make([]series, len(producing))
	var bare, ours series
	for range b.Size.Repeat {
		for i, p := range producing {
			rate, err := b.producerTool(ctx, payloads, p.settings)
			if err != nil {
				return err
			}
			theirs[i] = append(theirs[i], rate)
			b.Log("%s: %s records/s", p.name, number(rate))
		}
		rate, err := b.bareProducer(ctx, infra.Local{}, s)
		if err != nil {
			return err
		}
		bare = append(bare, rate)
		g, took, err := b.generate(ctx, infra.Local{}, s, inFlight)
		if err != nil {
			return err
		}
		ours = append(ours, float64(g.Load.Acked)/took.Seconds())
		b.Log("bare franz-go producer: %s records/s; generator: %s records/s", number(rate), number(ours[len(ours)-1]))
	}
	best := fastest(theirs)
	var rows [][]string
	for i, p := range producing {
		rows = append(rows, []string{p.name, theirs[i].text(number), theirs[i].over(best).text(percent)})
	}
	return table(b.Out, []string{fmt.Sprintf("%s records, acks=all, %d partitions", number(float64(b.Size.Tools)), partitions), "records/s", "of its best"}, append(rows,
		[]string{"bare franz-go producer with lkbench's settings", bare.text(number), bare.over(best).text(percent)},
		[]string{"lkbench's generator: makes, times, notes and sends every event", ours.text(number), ours.over(best).text(percent)},
	))
}

func (b *Bench) toolsConsume(ctx context.Context, s *scenarios.Scenario) error {
	theirs := make([]series, len(consuming))
	var bare, decoding series
	err := b.servers(ctx, infra.Local{}, func(instance *infra.Instance) error {
		if err := b.fill(ctx, instance, s); err != nil {
			return err
		}
		for range b.Size.Repeat {
			for i, c := range consuming {
				rate, err := b.consumerTool(ctx, instance.Kafka, c.settings)
				if err != nil {
					return err
				}
				theirs[i] = append(theirs[i], rate)
				b.Log("%s: %s records/s", c.name, number(rate))
			}
			for _, c := range []struct {
				to     *series
				decode bool
			}{{&bare, false}, {&decoding, true}} {
				rate, err := b.consume(ctx, instance.Kafka, b.Size.Tools, c.decode)
				if err != nil {
					return err
				}
				*c.to = append(*c.to, rate)
			}
			b.Log("franz-go consumer: %s records/s, decoding %s", number(bare[len(bare)-1]), number(decoding[len(decoding)-1]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	best := fastest(theirs)
	var rows [][]string
	for i, c := range consuming {
		rows = append(rows, []string{c.name, theirs[i].text(number), theirs[i].over(best).text(percent)})
	}
	return table(b.Out, []string{"consume the same records", "records/s", "of its best"}, append(rows,
		[]string{"franz-go consumer with lkbench's settings", bare.text(number), bare.over(best).text(percent)},
		[]string{"the same, decoding every record", decoding.text(number), decoding.over(best).text(percent)},
	))
}

// fastest is the series with the highest median: the tool at its best.
func fastest(all []series) series {
	return slices.MaxFunc(all, func(a, b series) int { return cmp.Compare(a.median(), b.median()) })
}

// fill sends the events of a scenario to a fresh topic.
func (b *Bench) fill(ctx context.Context, instance *infra.Instance, s *scenarios.Scenario) error {
	_, source, err := stream(s)
	if err != nil {
		return err
	}
	if err := infra.CreateTopics(ctx, instance.Kafka, partitions, instance.Replication, topic); err != nil {
		return err
	}
	client, err := producer(instance.Kafka, kgo.MaxBufferedBytes(inFlight))
	if err != nil {
		return err
	}
	defer client.Close()
	return produce(ctx, client, b.Size.Tools, func(n int) *kgo.Record {
		e := source.Event(uint64(n), nil)
		return &kgo.Record{Key: e.Key, Value: e.Value}
	})
}

// writePayloads writes events of a scenario, one a line, of which the tool takes one at random for each record.
func writePayloads(path string, s *scenarios.Scenario) error {
	schedule, source, err := stream(s)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	for n := range min(int(schedule.Len()), different) {
		value := source.Event(uint64(n), nil).Value
		if !bytes.ContainsRune(value, '\n') { // a malformed record may hold one
			lines.Write(value)
			lines.WriteByte('\n')
		}
	}
	return os.WriteFile(path, lines.Bytes(), 0o644)
}

// producerTool runs kafka-producer-perf-test against a fresh broker and gives its rate after a warm-up of a quarter of the
// records, which spares it the slow first moments of a Java program.
func (b *Bench) producerTool(ctx context.Context, payloads string, settings []string) (rate float64, err error) {
	err = b.servers(ctx, infra.Local{}, func(instance *infra.Instance) error {
		if err := infra.CreateTopics(ctx, instance.Kafka, partitions, instance.Replication, topic); err != nil {
			return err
		}
		args := append([]string{
			"--bootstrap-server", instance.Kafka.String(), "--topic", topic, "--throughput", "-1", "--payload-file", payloads,
			"--num-records", strconv.Itoa(b.Size.Tools * 5 / 4), "--warmup-records", strconv.Itoa(b.Size.Tools / 4),
			"--command-property", "acks=all",
		}, settings...)
		text, err := javaTool(ctx, "org.apache.kafka.tools.ProducerPerformance", args...)
		if err != nil {
			return err
		}
		rate, err = producerRate(text)
		return err
	})
	return rate, err
}

var sentRate = regexp.MustCompile(`records sent, ([0-9.]+) records/sec`)

// producerRate is the last rate the tool prints: of the records after the warm-up.
func producerRate(text string) (float64, error) {
	found := sentRate.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("kafka-producer-perf-test printed no rate: %s", text)
	}
	return strconv.ParseFloat(found[len(found)-1][1], 64)
}

// consumerTool runs kafka-consumer-perf-test and gives its rate of fetching, without the time in which its group forms.
func (b *Bench) consumerTool(ctx context.Context, cluster kafka.Cluster, settings []string) (float64, error) {
	args := []string{
		"--bootstrap-server", cluster.String(), "--topic", topic, "--num-records", strconv.Itoa(b.Size.Tools), "--hide-header", "--timeout", "60000",
	}
	for _, s := range settings {
		args = append(args, "--command-property", s)
	}
	text, err := javaTool(ctx, "org.apache.kafka.tools.ConsumerPerformance", args...)
	if err != nil {
		return 0, err
	}
	return consumerRate(text)
}

// consumerRate is the tenth column, fetch.nMsg.sec, of the tool's last line.
func consumerRate(text string) (float64, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	columns := strings.Split(lines[len(lines)-1], ",")
	if len(columns) != 10 {
		return 0, fmt.Errorf("kafka-consumer-perf-test printed %q, expected ten columns", text)
	}
	return strconv.ParseFloat(strings.TrimSpace(columns[9]), 64)
}

// javaTool runs a main class of the Kafka distribution, of the very jars that the broker runs from.
func javaTool(ctx context.Context, class string, args ...string) (string, error) {
	java, err := infra.FindJava(ctx)
	if err != nil {
		return "", err
	}
	_, jars, cached, err := infra.KafkaCached()
	if err != nil || !cached {
		return "", errors.Join(errors.New("the jars of Kafka are not in the cache, though its broker has just run"), err)
	}
	cmd := exec.CommandContext(ctx, java.Path, append([]string{"-cp", filepath.Join(jars, "*"), class}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", class, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
