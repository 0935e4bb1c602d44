package external

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// Real Kafka with SASL_SSL and rules, and PostgreSQL over TLS with users of few rights.
func TestSecureServers(t *testing.T) {
	without := func(o kmsg.ACLOperation) infra.Allow {
		return infra.Allow{
			User: "no-" + strings.ToLower(o.String()), Resource: kmsg.ACLResourceTypeTopic, Name: "lkbench_", Prefixed: true,
			Operations: slices.DeleteFunc(infratest.Operations(), func(other kmsg.ACLOperation) bool { return other == o }),
		}
	}
	var poor []infra.Allow
	for _, o := range infratest.Operations() {
		poor = append(poor, without(o))
	}
	s := infratest.Secure(t, poor...)
	t.Run("the file of properties", func(t *testing.T) {
		got, notes, err := ReadKafkaConfig(s.KafkaProperties)
		if err != nil || len(notes) != 0 || *got.SASL != *s.Kafka.SASL || *got.TLS != *s.Kafka.TLS || !slices.Equal(got.Brokers, s.Kafka.Brokers) {
			t.Errorf("got %v %v, %v", got, notes, err)
		}
	})
	t.Run("run", func(t *testing.T) { secureRun(t, s) })
	t.Run("rights", func(t *testing.T) {
		before := things(t, s.KafkaAdmin, s.Postgres.URL)
		for n, o := range infratest.Operations() {
			_, lacks, err := examineKafka(t.Context(), s.As(poor[n].User), "lkbench_abcdef_", -1)
			name := []string{"Create", "Write", "Read", "Delete"}[n]
			if err != nil || len(lacks) != 1 || !strings.Contains(lacks[0], poor[n].User+" lacks "+name+" on topics that begin with lkbench_: kafka-acls --add") {
				t.Errorf("without %v: %v, %v", o, lacks, err)
			}
		}
		_, err := Provider{Kafka: s.Kafka, Postgres: s.Follower, Prefix: "other"}.Start(t.Context(), infra.Options{})
		if err == nil || strings.Count(err.Error(), " on topics that begin with other_") != 5 {
			t.Errorf("with another prefix: %v", err)
		}
		if after := things(t, s.KafkaAdmin, s.Postgres.URL); !slices.Equal(before, after) {
			t.Errorf("before %v\nafter  %v", before, after)
		}
	})
	t.Run("connections", func(t *testing.T) { secureConnections(t, s) })
	t.Run("copies", func(t *testing.T) {
		_, err := Provider{Kafka: s.Kafka, Postgres: s.Follower, Replication: 3}.Start(t.Context(), infra.Options{})
		if err == nil || !strings.Contains(err.Error(), "topics with 3 copies are not accepted") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("database restarts", func(t *testing.T) { restartBesideSweep(t, s) })
}

func secureRun(t *testing.T, s *infratest.Secured) {
	if err := infra.CreateTopics(t.Context(), s.KafkaAdmin, 1, 1, "theirs", "lkbench_theirs"); err != nil {
		t.Fatal(err)
	}
	execute(t, s.Postgres.URL, "create schema lkbench_theirs")
	before := things(t, s.KafkaAdmin, s.Postgres.URL)
	for user, postgres := range map[string]string{"follower": s.Follower, "reader": s.Reader} {
		p := Provider{Kafka: s.Kafka, Postgres: postgres, Replication: 1}
		i, err := p.Start(t.Context(), infra.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.NoPassword(t, recorded(i))
		t.Log(recorded(i))
		if lacks := strings.Contains(i.NoReplication, "role reader lacks REPLICATION"); lacks != (user == "reader") {
			t.Errorf("%s: NoReplication %q", user, i.NoReplication)
		}
		if !strings.Contains(i.KafkaVersion, "Kafka v4") || !strings.Contains(strings.Join(i.Cannot, "\n"), "read the settings of the brokers") {
			t.Errorf("%s: %s, cannot %v", user, i.KafkaVersion, i.Cannot)
		}
		if err := fill(t.Context(), i); err != nil {
			t.Error(err)
		}
		dead, kill := harness(t, p)
		kill()
		words, err := p.sweep(t.Context(), time.Second)
		all := strings.Join(words, "\n")
		s.NoPassword(t, all)
		if err != nil || !strings.Contains(all, "removed schema "+strings.TrimSuffix(dead, "_")) || strings.Contains(all, "removed topic "+i.Prefix) {
			t.Errorf("%s: swept %s, %v", user, all, err)
		}
		if err := i.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if after := things(t, s.KafkaAdmin, s.Postgres.URL); !slices.Equal(before, after) {
			t.Errorf("%s: before %v\nafter  %v", user, before, after)
		}
	}
}

func secureConnections(t *testing.T, s *infratest.Secured) {
	change := func(do func(*kafka.Cluster)) kafka.Cluster {
		c := s.As("lkbench")
		security := *c.TLS
		c.TLS = &security
		do(&c)
		return c
	}
	for name, test := range map[string]struct {
		cluster kafka.Cluster
		want    string
	}{
		"wrong password":    {change(func(c *kafka.Cluster) { c.SASL.Password = "wrong" }), "user or password is wrong for SCRAM-SHA-512"},
		"mechanism":         {change(func(c *kafka.Cluster) { c.SASL.Mechanism = kafka.ScramSHA256 }), "does not offer sasl.mechanism SCRAM-SHA-256"},
		"unknown in PLAIN":  {change(func(c *kafka.Cluster) { c.SASL.Mechanism, c.SASL.User = kafka.Plain, "nobody" }), "user or password is wrong for PLAIN"},
		"plain":             {change(func(c *kafka.Cluster) { c.SASL, c.TLS = nil, nil }), "speaks TLS: set security.protocol to SSL or SASL_SSL"},
		"plain with a user": {change(func(c *kafka.Cluster) { c.TLS = nil }), "speaks TLS: set security.protocol to SSL or SASL_SSL"},
		"TLS, no user":      {change(func(c *kafka.Cluster) { c.SASL = nil }), "asks for a user"},
		"authority":         {change(func(c *kafka.Cluster) { c.TLS.CA = "" }), "name it with ssl.ca.location=FILE"},
		"host name": {change(func(c *kafka.Cluster) {
			c.Brokers = []string{strings.Replace(c.Brokers[0], "127.0.0.1", "localhost", 1)}
		}), "for another name"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := reachKafka(t.Context(), test.cluster)
			if err == nil {
				client.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			s.NoPassword(t, err.Error())
		})
	}
}

// A restart of the database takes the lock from a run that lives; a sweep at that moment leaves it alone.
func restartBesideSweep(t *testing.T, s *infratest.Secured) {
	p := Provider{Kafka: s.Kafka, Postgres: s.Follower}
	i := start(t, p)
	if err := s.Postgres.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	words, err := p.sweep(t.Context(), graceful)
	all := strings.Join(words, "\n")
	if err != nil || !strings.Contains(all, "left schema "+strings.TrimSuffix(i.Prefix, "_")+": its run lives") || strings.Contains(all, "removed") {
		t.Errorf("swept %s, %v", all, err)
	}
}

// A TLS client at a plain listener of real Kafka, and a user where none is asked for; what brokers' settings may be read.
func TestPlainServers(t *testing.T) {
	infratest.NeedJava(t)
	i := infratest.Local(t, infra.Local{})
	for name, test := range map[string]struct {
		cluster kafka.Cluster
		want    string
	}{
		"TLS":             {kafka.Cluster{Brokers: i.Kafka.Brokers, TLS: &kafka.TLS{}}, "does not speak TLS: set security.protocol to PLAINTEXT"},
		"TLS with a user": {kafka.Cluster{Brokers: i.Kafka.Brokers, TLS: &kafka.TLS{}, SASL: &kafka.SASL{Mechanism: kafka.Plain, User: "u", Password: secret}}, "does not speak TLS: set security.protocol to PLAINTEXT"},
		"a user":          {kafka.Cluster{Brokers: i.Kafka.Brokers, SASL: &kafka.SASL{Mechanism: kafka.Plain, User: "u", Password: secret}}, "asks for no user there"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := reachKafka(t.Context(), test.cluster)
			if err == nil {
				client.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	run := start(t, Provider{Kafka: i.Kafka, Postgres: i.Postgres})
	if run.KafkaSettings["topic.min.insync.replicas"] != "1" || len(run.Cannot) != 3 || run.NoReplication != "" {
		t.Errorf("settings %v, cannot %v", run.KafkaSettings, run.Cannot)
	}
	if err := fill(t.Context(), run); err != nil {
		t.Error(err)
	}
	err := infra.CreateTopics(t.Context(), i.Kafka, 8, -1, run.Prefix+"transactions", run.Prefix+"new")
	for _, want := range []string{run.Prefix + "transactions exists already, with 2 partitions (expected to make it, with 8) and 1 copies", "kafka-topics --delete --topic"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
