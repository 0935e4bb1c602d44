package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/client"
	"github.com/shirou/gopsutil/v4/process"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra"
)

// One instance, with limits: what is told of it is so.
func TestInstance(t *testing.T) {
	c := needEngine(t)
	p := Provider{CPUs: 1.5, MemoryBytes: 1 << 30, SessionTimeout: 2 * time.Second}
	i, w := start(t, p)
	t.Run("limits", func(t *testing.T) { limitsInForce(t, i) })
	t.Run("settings", func(t *testing.T) {
		for name, want := range map[string]string{
			"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500", "min.insync.replicas": "1", "brokers": "1",
			"container.cpus": "1.5", "container.memory_bytes": "1073741824", "image": DefaultKafkaImage, "java.heap": "536870912",
		} {
			if got := i.KafkaSettings[name]; got != want {
				t.Errorf("Kafka's %s is %q, want %q", name, got, want)
			}
		}
		for _, s := range infra.DatabaseSettings() {
			if got, there := i.PostgresSettings[s.Name]; !there || got != s.Value {
				t.Errorf("PostgreSQL's %s is %q, was told %q", s.Name, got, s.Value)
			}
		}
		if i.PostgresSettings["data_directory_filesystem"] == "" || !strings.HasPrefix(i.PostgresVersion, "PostgreSQL 1") || !strings.HasPrefix(i.KafkaVersion, "Apache Kafka 4.") {
			t.Errorf("%s on %s, %s", i.PostgresVersion, i.PostgresSettings["data_directory_filesystem"], i.KafkaVersion)
		}
	})
	t.Run("loopback only, own labels only", func(t *testing.T) { publishedAndLabelled(t, c, i) })
	t.Run("password", func(t *testing.T) { passwordStaysSecret(t, c, i, w) })
	t.Run("usage over restarts", func(t *testing.T) {
		for _, s := range i.Servers() {
			usageOverRestarts(t, s)
		}
	})
	t.Run("paused and killed", func(t *testing.T) { pausedAndKilled(t, i.Database) })
	t.Run("ends on its own", func(t *testing.T) { endsOnItsOwn(t, c, i.Database) })
	t.Run("logs", func(t *testing.T) { logsAreAppended(t, w) })
	if err := i.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := labelled(t, c, filepath.Base(w.Dir)); len(left) > 0 {
		t.Errorf("after the end there are %q", left)
	}
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") != "" {
		t.Error("the switch of testcontainers' reaper stayed in the environment")
	}
}

// limitsInForce asks the kernel, from within the container.
func limitsInForce(t *testing.T, i *infra.Instance) {
	for _, s := range i.Servers() {
		text, err := s.Unit.(*unit).output(t.Context(), "sh", "-c",
			"cd /sys/fs/cgroup; cat cpu.max memory.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(text), " "); got != "150000 100000 1073741824" {
			t.Errorf("quota, period and memory of the %s are %q", s.Role, got)
		}
	}
}

func publishedAndLabelled(t *testing.T, c *client.Client, i *infra.Instance) {
	for _, s := range i.Servers() {
		made, err := c.ContainerInspect(t.Context(), s.Container, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for name := range made.Container.Config.Labels {
			if strings.HasPrefix(name, "org.testcontainers") {
				t.Errorf("the %s has the label %s, by which another program's reaper would remove it", s.Role, name)
			}
		}
		published := 0
		for inside, outside := range made.Container.NetworkSettings.Ports {
			for _, binding := range outside {
				published++
				if at := net.JoinHostPort(binding.HostIP.String(), binding.HostPort); at != s.Address {
					t.Errorf("port %v of the %s is published on %s, want %s only", inside, s.Role, at, s.Address)
				}
			}
		}
		if published != 1 {
			t.Errorf("the %s publishes %d ports, want 1", s.Role, published)
		}
	}
}

func passwordStaysSecret(t *testing.T, c *client.Client, i *infra.Instance, w *infra.Workspace) {
	u, err := url.Parse(i.Postgres)
	if err != nil {
		t.Fatal("the connection string cannot be parsed")
	}
	password, _ := u.User.Password()
	if len(password) < 20 {
		t.Fatalf("the password has %d characters, want at least 20", len(password))
	}
	u.User = url.UserPassword(u.User.Username(), "wrong")
	if conn, err := pgx.Connect(t.Context(), u.String()); err == nil {
		conn.Close(t.Context())
		t.Error("the server accepts a wrong password")
	}
	made, err := c.ContainerInspect(t.Context(), i.Database.Container, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made.Container)
	if err != nil || !bytes.Contains(text, []byte("POSTGRES_PASSWORD_FILE")) {
		t.Fatalf("looked at the wrong thing: %s, %v", text, err)
	}
	if bytes.Contains(text, []byte(password)) {
		t.Error("docker inspect shows the password")
	}
	all, err := process.ProcessesWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if line, err := p.CmdlineWithContext(t.Context()); err == nil && strings.Contains(line, password) {
			t.Errorf("the password stands in the command line of process %d", p.Pid)
		}
	}
	files, err := filepath.Glob(filepath.Join(w.Dir, "*"))
	if err != nil || len(files) < 4 { // owner, processes, note, two logs
		t.Fatalf("the workspace has %q, %v", files, err)
	}
	for _, path := range files {
		if content, err := os.ReadFile(path); err != nil || bytes.Contains(content, []byte(password)) {
			t.Errorf("%s: %v, or the password stands in it", path, err)
		}
	}
}

func usageOverRestarts(t *testing.T, s *infra.Server) {
	t.Helper()
	read := func() infra.Usage {
		u, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := read()
	if first.CPU <= 0 || first.RSS < 4<<20 {
		t.Errorf("the %s has used %v and holds %d bytes", s.Role, first.CPU, first.RSS)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := read(); u.CPU < first.CPU || u.RSS != 0 {
		t.Errorf("after its end the %s has used %v, before %v, and holds %d bytes", s.Role, u.CPU, first.CPU, u.RSS)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := read()
	if second.CPU <= first.CPU || second.RSS == 0 {
		t.Errorf("in its second life the %s has used %v, in the first %v, and holds %d bytes", s.Role, second.CPU, first.CPU, second.RSS)
	}
	if size, err := s.Disk(t.Context()); err != nil || size <= 0 {
		t.Errorf("the data of the %s takes %d bytes, %v", s.Role, size, err)
	}
}

func pausedAndKilled(t *testing.T, s *infra.Server) {
	if err := s.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("after Kill it is not done")
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Errorf("killing what has ended: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A paused server cannot end in order: it is killed when the context ends.
	if err := s.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A container that somebody else ends is seen to have ended.
func endsOnItsOwn(t *testing.T, c *client.Client, s *infra.Server) {
	if _, err := c.ContainerKill(t.Context(), s.Container, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Fatal("its end is not seen")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func logsAreAppended(t *testing.T, w *infra.Workspace) {
	for file, says := range map[string]string{"kafka.log": "Kafka Server started", "postgres.log": "ready to accept connections"} {
		// The engine passes the lines on a little later.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			text, err := os.ReadFile(filepath.Join(w.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), says) >= 2 {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s says %q %d times, want once for every start", file, says, strings.Count(string(text), says))
				break
			}
		}
	}
}

// Of three brokers one can be lost without losing the service.
func TestThreeBrokers(t *testing.T) {
	c := needEngine(t)
	i, w := start(t, Provider{Brokers: 3})
	if i.Replication != 3 || len(i.Brokers) != 3 || i.KafkaSettings["min.insync.replicas"] != "2" || i.Label != "containers; three copies; brokers without fsync" {
		t.Errorf("%d copies on %d brokers, %s; %v", i.Replication, len(i.Brokers), i.Label, i.KafkaSettings)
	}
	if found := labelled(t, c, filepath.Base(w.Dir)); !strings.Contains(strings.Join(found, " "), "network lkbench-") {
		t.Errorf("no network carries the label: %q", found)
	}
	if err := infra.CreateTopics(t.Context(), i.Kafka, 6, i.Replication, "load"); err != nil {
		t.Fatal(err)
	}
	kc, err := i.Kafka.NewClient(kgo.DefaultProduceTopic("load"))
	if err != nil {
		t.Fatal(err)
	}
	defer kc.Close()
	produce := func(when string) {
		for n := range 60 {
			if err := kc.ProduceSync(t.Context(), &kgo.Record{Key: fmt.Append(nil, n), Value: []byte(when)}).FirstErr(); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	produce("with all brokers")
	if err := i.Brokers[1].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	produce("with one broker dead")
	if err := i.Brokers[1].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := agree(t.Context(), i.Brokers); err != nil {
		t.Error(err)
	}
	produce("with all brokers again")
}

// startFails starts an instance that must not start, and holds its error against what it must say. Nothing may be left.
func startFails(t *testing.T, p Provider, want ...string) {
	t.Helper()
	w := newWorkspace(t)
	i, err := p.Start(t.Context(), infra.Options{Workspace: w, Executable: os.Args[0]})
	if err == nil {
		_ = i.Stop(context.Background())
		t.Fatal("it started")
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q:\n%v", part, err)
		}
	}
	if _, c, err := connect(t.Context()); err == nil {
		defer c.Close()
		if left := labelled(t, c, filepath.Base(w.Dir)); len(left) > 0 {
			t.Errorf("after the error there are %q", left)
		}
	}
}

func TestBrokerThatDiesWhileItStarts(t *testing.T) {
	needEngine(t)
	startFails(t, Provider{extraKafka: map[string]string{"KAFKA_LOG_RETENTION_HOURS": "soon"}},
		"start the broker on 127.0.0.1:", "it ended with exit code 1", "the end of its log:", "log.retention.hours")
}

func TestImageMissing(t *testing.T) {
	needEngine(t)
	const nobody = "127.0.0.1:1/lkbench/no-such-image:1" // a registry where nobody listens
	startFails(t, Provider{KafkaImage: nobody}, "image "+nobody, "cannot be fetched", "connection refused", "docker pull "+nobody, "--kafka-image")
	startFails(t, Provider{PostgresImage: nobody}, "image "+nobody, "--postgres-image")
	if has, err := HasImage(t.Context(), nobody); has || err != nil {
		t.Errorf("HasImage says %v, %v", has, err)
	}
	if has, err := HasImage(t.Context(), DefaultKafkaImage); !has || err != nil {
		t.Errorf("HasImage says %v, %v of %s", has, err, DefaultKafkaImage)
	}
}

// Whoever has the port, a process or another container, the start says so in the way that has another port tried.
func TestPortTaken(t *testing.T) {
	c := needEngine(t)
	w := newWorkspace(t)
	p, err := Provider{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(t.Context(), infra.Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.end(context.Background()); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if _, err := p.startBroker(t.Context(), r, 0, taken, "", clusterID()); !errors.Is(err, infra.ErrPortTaken) {
		t.Errorf("on a process's port: %v", err)
	}
	if left := labelled(t, c, filepath.Base(w.Dir)); len(left) > 0 {
		t.Errorf("after the error there are %q", left)
	}
	db, err := p.startDatabase(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	port := db.Address[strings.LastIndexByte(db.Address, ':')+1:]
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	if _, err := p.startBroker(t.Context(), r, 0, number, "", clusterID()); !errors.Is(err, infra.ErrPortTaken) {
		t.Errorf("on a container's port: %v", err)
	}
}

func TestCompleteRefuses(t *testing.T) {
	for _, p := range []Provider{{Brokers: 2}, {Brokers: -1}, {CPUs: -1}, {CPUs: 0.001}, {MemoryBytes: 1 << 20}, {MemoryBytes: -1}, {SessionTimeout: time.Millisecond}} {
		if _, err := p.Start(t.Context(), infra.Options{}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
