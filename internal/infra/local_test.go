package infra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gopsutilnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
	"lkbench/internal/proc"
)

// needKafka skips the test where Java is missing, or Kafka is neither cached nor can be fetched.
func needKafka(t *testing.T) {
	t.Helper()
	needPostgres(t)
	_, err := FindJava(t.Context())
	if err == nil {
		_, _, cached, unknown := KafkaCached()
		if err = unknown; err == nil && !cached {
			_, err = FindMaven(t.Context())
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Kafka: %v", err)
		}
		t.Skipf("no Kafka: %v", err)
	}
}

// startLocal starts an instance that ends with the test.
func startLocal(t *testing.T, local Local) (*Instance, *Workspace) {
	t.Helper()
	needKafka(t)
	w := newWorkspace(t)
	i, err := local.Start(t.Context(), Options{Workspace: w, Executable: os.Args[0], Note: func(m string) { t.Log(m) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d brokers ready after %.1f s", len(i.Brokers), i.Brokers[0].StartS)
	t.Cleanup(func() {
		if err := i.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i, w
}

// startCluster starts brokers without a database, and gives what the package knows of them.
func startCluster(t *testing.T, local Local) *cluster {
	t.Helper()
	needKafka(t)
	c, err := local.startKafka(t.Context(), Options{Workspace: newWorkspace(t), Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.discard(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// write has records acknowledged by all in-sync replicas.
func write(t *testing.T, cluster kafka.Cluster, topic string, values ...string) {
	t.Helper()
	client, err := cluster.NewClient(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, value := range values {
		if err := client.ProduceSync(ctx, kgo.KeyStringRecord(value, value)).FirstErr(); err != nil {
			t.Fatalf("write %q: %v", value, err)
		}
	}
}

// read gives the first n values of a topic, in order of their text.
func read(t *testing.T, cluster kafka.Cluster, topic string, n int) []string {
	t.Helper()
	client, err := cluster.NewClient(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var values []string
	for len(values) < n && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	slices.Sort(values)
	return values
}

func TestLocalSettingsAreInForce(t *testing.T) {
	tests := []struct {
		local Local
		label string
		want  map[string]string
	}{
		{Local{}, "single copy; broker without fsync", map[string]string{
			"brokers": "1", "broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000", "min.insync.replicas": "1", "default.replication.factor": "1"}},
		{Local{Brokers: 3, SessionTimeout: time.Second}, "three copies, no fsync", map[string]string{
			"brokers": "3", "broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "250", "min.insync.replicas": "2", "default.replication.factor": "3"}},
	}
	for _, test := range tests {
		t.Run(test.want["brokers"], func(t *testing.T) {
			i, _ := startLocal(t, test.local)
			test.want["auto.create.topics.enable"] = "false"
			test.want["log.flush.interval.messages"] = "9223372036854775807"
			test.want["java.heap"] = "512m"
			test.want["java.class.data.archive"] = "yes"
			for name, want := range test.want {
				if got := i.KafkaSettings[name]; got != want {
					t.Errorf("setting %s is %q, want %q", name, got, want)
				}
			}
			for _, name := range []string{"java.version", "data_directory_filesystem", "num.io.threads"} {
				if i.KafkaSettings[name] == "" {
					t.Errorf("setting %s is not recorded", name)
				}
			}
			if i.Label != test.label || fmt.Sprint(len(i.Brokers)) != test.want["brokers"] || fmt.Sprint(i.Replication) != test.want["default.replication.factor"] {
				t.Errorf("label %q, %d brokers, replication %d", i.Label, len(i.Brokers), i.Replication)
			}
			if !strings.HasPrefix(i.KafkaVersion, "Apache Kafka 4.") || i.PostgresSettings["wal_level"] != "logical" {
				t.Errorf("version %q, PostgreSQL's wal_level %q", i.KafkaVersion, i.PostgresSettings["wal_level"])
			}
			for n, b := range i.Brokers {
				role := "broker"
				if len(i.Brokers) > 1 {
					role = fmt.Sprintf("broker-%d", n+1)
				}
				if b.Role != role || b.StartS <= 0 || i.Kafka.Brokers[n] != b.Address {
					t.Errorf("broker %d: role %q, address %s, started in %v s", n, b.Role, b.Address, b.StartS)
				}
				checkJava(t, b)
			}
			if err := CreateTopics(t.Context(), i.Kafka, 4, i.Replication, "t"); err != nil {
				t.Fatal(err)
			}
			write(t, i.Kafka, "t", "a", "b", "c")
			if got := read(t, i.Kafka, "t", 3); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("read %q", got)
			}
		})
	}
}

// checkJava looks at a broker's process: what it was started with, and where it listens.
func checkJava(t *testing.T, s *Server) {
	t.Helper()
	pid := s.PIDs()[0]
	p, err := process.NewProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	args, err := p.CmdlineSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range jvmOptions() {
		if !slices.Contains(args, o.Name) {
			t.Errorf("the %s runs without %s", s.Role, o.Name)
		}
	}
	connections, err := gopsutilnet.ConnectionsPid("inet", pid)
	if err != nil {
		t.Fatal(err)
	}
	listening := 0
	for _, c := range connections {
		if c.Status != "LISTEN" {
			continue
		}
		listening++
		if !net.ParseIP(c.Laddr.IP).IsLoopback() {
			t.Errorf("the %s listens on %s", s.Role, c.Laddr.IP)
		}
	}
	if listening != 2 { // clients and controllers; a third would be JMX
		t.Errorf("the %s listens on %d ports, want 2", s.Role, listening)
	}
}

func TestLocalSettingsHaveReasons(t *testing.T) {
	c := &cluster{secure: &Secure{Mechanisms: []string{kafka.Plain, kafka.ScramSHA256}}, options: Options{Workspace: &Workspace{Dir: "/w"}}}
	c.place([]int{1, 2, 3, 4, 5, 6, 7, 8, 9})
	voters := ""
	for _, s := range append(c.settings(c.nodes[2]), jvmOptions()...) {
		if s.Name == "controller.quorum.voters" {
			voters = s.Value
		}
		if s.Name == "" || len(s.Why) < 10 {
			t.Errorf("setting %q: %q", s.Name, s.Why)
		}
	}
	if want := "1@127.0.0.1:2,2@127.0.0.1:5,3@127.0.0.1:8"; voters != want {
		t.Errorf("voters %s, want %s", voters, want)
	}
}

// What was acknowledged outlives every broker's SIGKILL; a restarted broker is at its old address and serves clients.
func TestLocalKeepsWhatItAcknowledged(t *testing.T) {
	for _, count := range []int{1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			i, _ := startLocal(t, Local{Brokers: count, SessionTimeout: time.Second})
			if err := CreateTopics(t.Context(), i.Kafka, 4, i.Replication, "t"); err != nil {
				t.Fatal(err)
			}
			var written []string
			for n, b := range i.Brokers {
				for k := range 20 {
					value := fmt.Sprintf("%d %02d", n, k)
					write(t, i.Kafka, "t", value)
					written = append(written, value)
				}
				before, pid := b.Address, b.PIDs()[0]
				if err := b.Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := b.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				t.Logf("the %s is back after %.1f s", b.Role, time.Since(began).Seconds())
				if b.Address != before || b.PIDs()[0] == pid {
					t.Errorf("address and process after the restart: %s, %d", b.Address, b.PIDs()[0])
				}
			}
			if got := read(t, i.Kafka, "t", len(written)); !slices.Equal(got, written) {
				t.Errorf("written %q, read %q", written, got)
			}
		})
	}
}

func TestLocalTwoAtOnce(t *testing.T) {
	first, second := startCluster(t, Local{}), startCluster(t, Local{})
	if first.servers[0].Address == second.servers[0].Address || first.id == second.id {
		t.Errorf("two clusters share an address or an id: %s %s", first.servers[0].Address, first.id)
	}
	// Each is told from the other, though both are ready; and one that is not there does not count as ready.
	if err := first.unfenced(t.Context(), second.nodes[0], second.nodes[0]); err == nil || !strings.Contains(err.Error(), "another Kafka") {
		t.Errorf("another cluster at the address: got %v", err)
	}
	if err := first.unfenced(t.Context(), first.nodes[0], node{id: 2, role: "broker-2"}); err == nil || !strings.Contains(err.Error(), "the broker-2 does not serve clients yet") {
		t.Errorf("a broker that is not there: got %v", err)
	}
	// One that ends after it was ready, while the others still start, is an error too.
	if err := errors.Join(first.servers[0].Kill(t.Context()), first.running()); err == nil || !strings.Contains(err.Error(), "answered and then ended") {
		t.Errorf("a broker that was killed: got %v", err)
	}
	if err := second.running(); err != nil {
		t.Error(err)
	}
}

func TestLocalPauseStopRestart(t *testing.T) {
	c := startCluster(t, Local{SessionTimeout: time.Second})
	broker := c.servers[0]
	if err := broker.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.unfenced(t.Context(), c.nodes[0], c.nodes[0]); err == nil || !strings.Contains(err.Error(), "takes connections and does not answer") {
		t.Errorf("while it is paused: %v", err)
	}
	if err := broker.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.agree(t.Context()); err != nil {
		t.Error(err)
	}
	if err := broker.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("restarting a running broker: %v", err)
	}
	if err := broker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.running(); err == nil || !strings.Contains(err.Error(), "exit status 143") {
		t.Errorf("it did not stop in order: %v", err)
	}
	if err := broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.agree(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLocalStopLeavesNothing(t *testing.T) {
	needKafka(t)
	before := below(t)
	w, err := NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i, err := Local{Brokers: 3}.Start(t.Context(), Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(below(t), func(id proc.Identity) bool { return slices.Contains(before, id) })
	if len(all) < 8 { // four servers with their guards
		t.Errorf("%d processes run, want at least 8", len(all))
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range all {
		if id.Alive() {
			t.Errorf("after Stop lives: %s", command(id.PID))
		}
	}
	for _, s := range i.Servers() {
		if connection, err := net.Dial("tcp", s.Address); err == nil {
			connection.Close()
			t.Errorf("the %s still answers on %s", s.Role, s.Address)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(w.Dir + "*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
