package kafka

import (
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Setting is one setting of a client and why it is so.
type Setting struct {
	Name  string // as Kafka's own clients call it where they have it
	Value string
	Why   string

	option kgo.Opt // nil where the value is kgo's default
}

const (
	// Well below a scenario's longest drain, well above a broker's restart or the move of a leader.
	deliveryTimeout = 30 * time.Second
	backoff         = 100 * time.Millisecond
	linger          = 5 * time.Millisecond
	fetchWait       = 250 * time.Millisecond
	batchMaxBytes   = 1 << 20
	partitionBytes  = 4 << 20
	fetchBytes      = 16 << 20
	inFlight        = 5
	requestOverhead = 10 * time.Second
	dialTimeout     = 2 * time.Second
)

// Common are the settings of every client.
func Common() []Setting {
	return []Setting{
		{"retry.backoff.ms", ms(backoff), "kgo waits from 250 ms to 2.5 s, which would turn a broker's hiccup into an outage",
			kgo.RetryBackoffFn(func(int) time.Duration { return backoff })},
		{"metadata.min.age.ms", ms(backoff), "a new leader must be found as fast as a request is tried again; kgo's 5 s hides it",
			kgo.MetadataMinAge(backoff)},
		{"socket.connection.setup.timeout.ms", ms(dialTimeout), "a host that is gone answers nothing; the next address is tried soon",
			kgo.DialTimeout(dialTimeout)},
		{"request.timeout.overhead.ms", ms(requestOverhead), "kgo's default: how long a broker that hangs may keep a request beyond the request's own time",
			kgo.RequestTimeoutOverhead(requestOverhead)},
	}
}

// Producer are the settings of the driver's producer, beside those of every client.
func Producer() []Setting {
	return []Setting{
		{"acks", "all", "acknowledged must mean: survives the loss of a broker", kgo.RequiredAcks(kgo.AllISRAcks())},
		{"enable.idempotence", "true", "a retry after a lost answer must not stand in the log twice", nil},
		{"partitioner", "murmur2 of the key", "Kafka's own for keyed records, so that any client finds a customer's partition",
			kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))},
		{"linger.ms", ms(linger), "the default of Kafka's own producer since 4.0; with 1 ms nearly every record is a request of its own, and brokers and consumers do little else than answer requests",
			kgo.ProducerLinger(linger)},
		{"batch.max.bytes", fmt.Sprint(batchMaxBytes), "what brokers take by default (Kafka twelve bytes more), so that records of nearly a mebibyte can be sent",
			kgo.ProducerBatchMaxBytes(batchMaxBytes)},
		{"max.in.flight.requests.per.connection", fmt.Sprint(inFlight), "kgo's with idempotence, and the most it allows: a round trip must not bound the rate", nil},
		{"compression.type", "none", "the network is a loopback or a fast one, and the processors belong to the system under test",
			kgo.ProducerBatchCompression(kgo.NoCompression())},
		{"delivery.timeout.ms", ms(deliveryTimeout), "longer than a broker's restart or the move of a leader; what is unknown then is indeterminate",
			kgo.RecordDeliveryTimeout(deliveryTimeout)},
		{"buffer.records", "unbounded", "the generator has its own bound, on bytes, and records when it is reached",
			kgo.MaxBufferedRecords(math.MaxInt32)},
	}
}

// Consumer are the settings of the architectures' consumers, beside those of every client. They own partitions by
// position in PostgreSQL, not by a consumer group, so there is no session to time out: who owns a partition is decided by
// the transaction that writes its offset.
func Consumer() []Setting {
	return []Setting{
		{"group.id", "none", "partitions are assigned directly; the offsets in PostgreSQL are the truth", nil},
		{"auto.offset.reset", "none", "if the log does not have what the offsets say, that must be heard, not be jumped over",
			kgo.ConsumeResetOffset(kgo.NoResetOffset())},
		{"fetch.min.bytes", "1", "a record is fetched when it is there, however few there are", kgo.FetchMinBytes(1)},
		{"fetch.max.wait.ms", ms(fetchWait), "a fetch that finds nothing: new records end it at once; a broker that came back waits no longer than this",
			kgo.FetchMaxWait(fetchWait)},
		{"max.partition.fetch.bytes", fmt.Sprint(partitionBytes), "under backlog large enough to be worth its round trip, small enough that some fit a commit",
			kgo.FetchMaxPartitionBytes(partitionBytes)},
		{"fetch.max.bytes", fmt.Sprint(fetchBytes), "the same for all partitions of a broker together", kgo.FetchMaxBytes(fetchBytes)},
	}
}

// Options are what settings mean to a client.
func Options(settings []Setting) []kgo.Opt {
	var options []kgo.Opt
	for _, s := range settings {
		if s.option != nil {
			options = append(options, s.option)
		}
	}
	return options
}

// Recorded are all client settings by name, for the record: "producer.linger.ms" and so on.
func Recorded() map[string]string {
	recorded := map[string]string{}
	for prefix, settings := range map[string][]Setting{"client.": Common(), "producer.": Producer(), "consumer.": Consumer()} {
		for _, s := range settings {
			recorded[prefix+s.Name] = s.Value
		}
	}
	return recorded
}

func common() []kgo.Opt { return Options(Common()) }

func ms(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
