package infra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/magiconair/properties"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/kafka"
)

const (
	kafkaHeap             = "512m"
	defaultSessionTimeout = 9 * time.Second // Kafka's own
	heartbeatsASession    = 4               // how many heartbeats a session can miss; Kafka's defaults are 9 s and 2 s
)

// jvmOptions are those of every broker that lkbench starts.
func jvmOptions() []Setting {
	return []Setting{
		{"-Xms" + kafkaHeap, "", "the same from the start on: growing it is noise"},
		{"-Xmx" + kafkaHeap, "", "three brokers fit a laptop, and the log lives in the operating system's cache, not in the heap"},
		{"-XX:+UseG1GC", "", "as Kafka's own start script; on two cores Java would choose another one"},
		{"-XX:MaxGCPauseMillis=20", "", "as Kafka's own start script"},
		{"-XX:InitiatingHeapOccupancyPercent=35", "", "as Kafka's own start script"},
		{"-XX:+ExitOnOutOfMemoryError", "", "a broker that limps on is neither up nor down"},
		{"-XX:-UsePerfData", "", "nothing in /tmp outlives a SIGKILL, and no pause for writing it"},
		{"-Djava.awt.headless=true", "", "as Kafka's own start script"},
		{"-Djava.net.preferIPv4Stack=true", "", "listeners are 127.0.0.1 and nothing else"},
	}
}

// node is where one broker, which is a controller too, listens and keeps its data.
type node struct {
	id                           int32 // from 1
	role                         string
	client, internal, controller int // ports; internal only with Secure
	dir, config, log             string
}

// KafkaSettings are those that do not say where a broker listens and keeps its data: they are the same for every broker that
// lkbench starts, as a process or in a container. brokers is how many there are; session is how long the cluster takes a
// silent one for alive, 0 for Kafka's own 9 s. What is not here has Kafka's default.
func KafkaSettings(brokers int, session time.Duration) []Setting {
	// At Kafka's own session timeout a broker says that it is alive as often as by Kafka's default.
	heartbeat := session / heartbeatsASession
	if session == 0 || session == defaultSessionTimeout {
		session, heartbeat = defaultSessionTimeout, 2*time.Second
	}
	copies, inSync := fmt.Sprint(brokers), fmt.Sprint((brokers+1)/2)
	return []Setting{
		{"process.roles", "broker,controller", "one process a node: fewest moving parts, and any of three can be killed"},
		{"controller.listener.names", "CONTROLLER", "controllers have a port of their own"},
		{"broker.session.timeout.ms", fmt.Sprint(session.Milliseconds()), "how long a broker that was killed counts as alive: nobody leads its partitions until then, not even itself after a restart"},
		{"broker.heartbeat.interval.ms", fmt.Sprint(heartbeat.Milliseconds()), "four missed ones end a session"},
		{"initial.broker.registration.timeout.ms", fmt.Sprint(startTimeout.Milliseconds()), "on a busy machine three controllers take long to elect one: a broker waits as long as its start may take, where Kafka's 60 s end it"},
		{"auto.create.topics.enable", "false", "a topic that a typing error made would hide the error"},
		{"default.replication.factor", copies, "as many copies as brokers"},
		{"min.insync.replicas", inSync, "of three copies two hold what is acknowledged: one broker can be lost without losing a record or the service"},
		{"offsets.topic.replication.factor", copies, "as many copies as brokers"},
		{"offsets.topic.num.partitions", "4", "50 partitions for the few groups of a run cost every restart"},
		{"transaction.state.log.replication.factor", copies, "as many copies as brokers"},
		{"transaction.state.log.min.isr", inSync, "as min.insync.replicas"},
		{"transaction.state.log.num.partitions", "4", "as those of offsets"},
		{"share.coordinator.state.topic.replication.factor", copies, "as many copies as brokers"},
		{"share.coordinator.state.topic.min.isr", inSync, "as min.insync.replicas"},
		{"share.coordinator.state.topic.num.partitions", "4", "as those of offsets"},
		{"group.initial.rebalance.delay.ms", "0", "a tool that consumes in a group starts at once; members of one's own groups do not trickle in"},
		{"log.flush.interval.messages", "9223372036854775807", "Kafka's default: no fsync for each write; copies, not disks, carry durability"},
	}
}

// settings are those of one broker: the common ones, and where it is.
func (c *cluster) settings(n node) []Setting {
	var voters []string
	for _, other := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", other.id, address(other.controller)))
	}
	listeners, between := "CLIENTS://"+address(n.client), "CLIENTS"
	if c.secure != nil {
		listeners, between = listeners+",INTERNAL://"+address(n.internal), "INTERNAL"
	}
	settings := append(KafkaSettings(len(c.nodes), c.sessionTimeout), []Setting{
		{"node.id", fmt.Sprint(n.id), "its place in the cluster"},
		{"controller.quorum.voters", strings.Join(voters, ","), "every node; fixed, for nodes come back at their address"},
		{"listeners", listeners + ",CONTROLLER://" + address(n.controller), "nothing is reachable from outside this machine; ports free when the run started, kept over restarts"},
		{"inter.broker.listener.name", between, "brokers reach each other as clients do, unless those must log in"},
		{"log.dirs", n.dir, "in the run's temporary directory"},
	}...)
	if c.secure == nil {
		return append(settings, Setting{"listener.security.protocol.map", "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT", "on loopback nobody listens in"})
	}
	return append(settings, c.secure.settings(c.password, filepath.Join(filepath.Dir(n.config), keyStoreFile))...)
}

// kafkaProperties writes settings as a broker's file of properties.
func kafkaProperties(settings []Setting) ([]byte, error) {
	file := properties.NewProperties()
	file.DisableExpansion = true // ${…} in a password is no reference
	for _, s := range settings {
		if _, _, err := file.Set(s.Name, s.Value); err != nil {
			return nil, fmt.Errorf("setting %s: %w", s.Name, err)
		}
		file.SetComment(s.Name, s.Why)
	}
	var b bytes.Buffer
	if _, err := file.WriteComment(&b, "# ", properties.ISO_8859_1); err != nil {
		return nil, err
	}
	// Java reads the file as Latin-1, the library writes that as UTF-8.
	var ascii bytes.Buffer
	for _, r := range b.String() {
		if r < 0x80 {
			ascii.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.Bytes(), nil
}

// reportedKafkaSettings are what a reader of results may want to know of a broker: ours that are no addresses or secrets,
// and defaults that differ between versions or decide what a measurement shows.
var reportedKafkaSettings = []string{
	"broker.session.timeout.ms", "broker.heartbeat.interval.ms", "auto.create.topics.enable", "default.replication.factor",
	"min.insync.replicas", "offsets.topic.replication.factor", "offsets.topic.num.partitions", "transaction.state.log.replication.factor",
	"transaction.state.log.min.isr", "group.initial.rebalance.delay.ms", "process.roles", "inter.broker.listener.name",
	"log.flush.interval.messages", "log.flush.interval.ms", "log.flush.scheduler.interval.ms", "log.segment.bytes",
	"log.retention.ms", "log.retention.bytes", "log.retention.hours", "log.message.timestamp.type", "message.max.bytes", "fetch.max.bytes",
	"compression.type", "num.network.threads", "num.io.threads", "num.replica.fetchers", "replica.lag.time.max.ms",
	"unclean.leader.election.enable", "socket.send.buffer.bytes", "socket.receive.buffer.bytes", "group.min.session.timeout.ms",
	"controller.quorum.election.timeout.ms", "controller.quorum.fetch.timeout.ms", "listener.security.protocol.map",
}

// ReadKafkaSettings asks all brokers for those of their settings that are recorded. Those of one cluster must agree.
func ReadKafkaSettings(ctx context.Context, access kafka.Cluster) (map[string]string, error) {
	fail := func(err error) (map[string]string, error) {
		return nil, fmt.Errorf("read the brokers' settings: %w", err)
	}
	client, err := access.NewClient()
	if err != nil {
		return fail(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return fail(err)
	}
	described, err := admin.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
	if err != nil {
		return fail(err)
	}
	settings := map[string]string{}
	for _, resource := range described {
		if resource.Err != nil {
			return fail(resource.Err)
		}
		for _, config := range resource.Configs {
			value := config.MaybeValue()
			if value == "" || !slices.Contains(reportedKafkaSettings, config.Key) {
				continue
			}
			if before, there := settings[config.Key]; there && before != value {
				return fail(fmt.Errorf("%s is %q on one broker and %q on another", config.Key, before, value))
			}
			settings[config.Key] = value
		}
	}
	if settings["broker.session.timeout.ms"] == "" {
		return fail(errors.New("they do not tell broker.session.timeout.ms"))
	}
	return settings, nil
}

// describe adds what the brokers cannot say of themselves.
func (c *cluster) describe(ctx context.Context, settings map[string]string) error {
	settings["brokers"] = fmt.Sprint(len(c.nodes))
	settings["java.version"] = c.program.java.Version
	settings["java.heap"] = kafkaHeap
	var options []string
	for _, o := range jvmOptions() {
		options = append(options, o.Name)
	}
	settings["java.options"] = strings.Join(options, " ")
	settings["java.class.data.archive"] = "no"
	if c.program.archive != "" {
		settings["java.class.data.archive"] = "yes"
	}
	usage, err := disk.UsageWithContext(ctx, c.nodes[0].dir)
	if err != nil {
		return fmt.Errorf("find the file system of %s: %w", c.nodes[0].dir, err)
	}
	settings["data_directory_filesystem"] = usage.Fstype
	return nil
}
