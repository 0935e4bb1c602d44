package external

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// secured is an in-process broker with TLS, users and rules.
type secured struct {
	address string
	ca      string
}

// secureKafka starts one with the superuser boss and the user lkbench, who may do these things with topics that begin with
// lkbench_.
func secureKafka(t *testing.T, operations []kmsg.ACLOperation, topics ...string) secured {
	t.Helper()
	authority := infratest.NewAuthority(t)
	certificate, err := tls.LoadX509KeyPair(authority.Issue(t, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	var rules []kfake.ACL
	for _, operation := range operations {
		rules = append(rules, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: "lkbench_", Pattern: kmsg.ACLResourcePatternTypePrefixed, Operation: operation, Allow: true})
	}
	options := append(infra.BrokerOptions(t.TempDir(), 0), kfake.ClusterID("secured"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser(kafka.ScramSHA256, "boss", secret), kfake.User(kafka.ScramSHA256, "lkbench", secret, rules...), kfake.SeedTopics(1, topics...))
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return secured{address: cluster.ListenAddrs()[0], ca: authority.CA}
}

func (s secured) as(user string) kafka.Cluster {
	return kafka.Cluster{
		Brokers: []string{s.address}, TLS: &kafka.TLS{CA: s.ca},
		SASL: &kafka.SASL{Mechanism: kafka.ScramSHA256, User: user, Password: secret},
	}
}

var allRights = []kmsg.ACLOperation{
	kmsg.ACLOperationCreate, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite, kmsg.ACLOperationRead, kmsg.ACLOperationDelete,
}

func TestKafkaConnection(t *testing.T) {
	s := secureKafka(t, allRights)
	plain := infratest.Kafka(t, 1)
	strange := infratest.NewAuthority(t)
	for name, test := range map[string]struct {
		cluster kafka.Cluster
		want    string
	}{
		"wrong password": {func() kafka.Cluster {
			c := s.as("lkbench")
			c.SASL.Password = "another-secret"
			return c
		}(), "the user, the password or sasl.mechanism wrong"},
		"unknown user":         {s.as("nobody"), "the user, the password or sasl.mechanism wrong"},
		"mechanism":            {kafka.Cluster{Brokers: []string{s.address}, TLS: &kafka.TLS{CA: s.ca}, SASL: &kafka.SASL{Mechanism: kafka.Plain, User: "lkbench", Password: secret}}, "the user, the password or sasl.mechanism wrong"},
		"plain to TLS":         {kafka.Cluster{Brokers: []string{s.address}}, "speaks TLS: set security.protocol to SSL or SASL_SSL"},
		"plain SASL to TLS":    {kafka.Cluster{Brokers: []string{s.address}, SASL: s.as("lkbench").SASL}, "speaks TLS: set security.protocol to SSL or SASL_SSL"},
		"TLS to plain":         {kafka.Cluster{Brokers: plain.Brokers, TLS: &kafka.TLS{}}, "does not speak TLS: set security.protocol to PLAINTEXT or SASL_PLAINTEXT"},
		"unknown authority":    {kafka.Cluster{Brokers: []string{s.address}, TLS: &kafka.TLS{CA: strange.CA}, SASL: s.as("lkbench").SASL}, "name it with ssl.ca.location=FILE"},
		"the system's":         {kafka.Cluster{Brokers: []string{s.address}, TLS: &kafka.TLS{}, SASL: s.as("lkbench").SASL}, "name it with ssl.ca.location=FILE"},
		"another host name":    {kafka.Cluster{Brokers: []string{strings.Replace(s.address, "127.0.0.1", "localhost", 1)}, TLS: &kafka.TLS{CA: s.ca}, SASL: s.as("lkbench").SASL}, "the server's certificate is for another name"},
		"TLS without a user":   {kafka.Cluster{Brokers: []string{s.address}, TLS: &kafka.TLS{CA: s.ca}}, "asks for a user"},
		"no such name":         {kafka.Cluster{Brokers: []string{"no-such-host.invalid:9092"}}, "the name is not known here"},
		"a file that is gone":  {kafka.Cluster{Brokers: []string{s.address}, TLS: &kafka.TLS{CA: "/none"}}, "open /none"},
		"nobody listens there": {kafka.Cluster{Brokers: []string{"127.0.0.1:1"}}, "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "TLS to plain" && testing.Short() {
				t.Skip("-short: the in-process broker lets the client wait for 15 s")
			}
			began := time.Now()
			client, _, err := reachKafka(t.Context(), test.cluster)
			if err == nil {
				client.Close()
				t.Fatal("no error")
			}
			t.Logf("%v: %v", time.Since(began), err)
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "another-secret") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	client, _, err := reachKafka(t.Context(), s.as("lkbench"))
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
}

// Each right that lacks is named, all others are not, and nothing is made.
func TestKafkaRights(t *testing.T) {
	for n, operation := range allRights {
		name := []string{"Create", "Describe", "Write", "Read", "Delete"}[n]
		t.Run(name, func(t *testing.T) {
			s := secureKafka(t, slices.DeleteFunc(slices.Clone(allRights), func(o kmsg.ACLOperation) bool { return o == operation }))
			_, lacks, err := examineKafka(t.Context(), s.as("lkbench"), "lkbench_abcdef_", -1)
			if err != nil {
				t.Fatal(err)
			}
			if name == "Describe" { // every other right on a topic includes it
				if len(lacks) != 0 {
					t.Errorf("lacks %v", lacks)
				}
				return
			}
			want := "lkbench lacks " + name + " on topics that begin with lkbench_: kafka-acls --add --allow-principal 'User:lkbench' --operation " + name + " --topic 'lkbench_'"
			if len(lacks) != 1 || !strings.Contains(lacks[0], want) {
				t.Errorf("lacks %v, want %q", lacks, want)
			}
		})
	}
	s := secureKafka(t, nil)
	if _, lacks, err := examineKafka(t.Context(), s.as("lkbench"), "lkbench_abcdef_", -1); err != nil || len(lacks) != 5 {
		t.Errorf("without any right lacks %v, %v", lacks, err)
	}
}

// All that lacks on both servers is told at once.
func TestAllThatLacksIsToldTogether(t *testing.T) {
	s := secureKafka(t, allRights[:3])
	postgres := restricted(t, "")
	_, err := Provider{Kafka: s.as("lkbench"), Postgres: postgres}.Start(t.Context(), infra.Options{})
	var missing Missing
	if !errors.As(err, &missing) || len(missing) != 4 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"4 things lack", "lacks Read", "lacks Delete", "GRANT CREATE ON DATABASE", "GRANT TEMPORARY ON DATABASE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), passwordOf(t, postgres)) {
		t.Error("a password is told")
	}
}

func TestRunWithRestrictedRights(t *testing.T) {
	s := secureKafka(t, allRights, "theirs")
	postgres := restricted(t, "create, temporary")
	i := start(t, Provider{Kafka: s.as("lkbench"), Postgres: postgres})
	if err := fill(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(i.Cannot, "\n")
	for _, want := range []string{"kill, pause or restart", "read the settings of the brokers", "read the settings of topics", "follow the write-ahead log: role restricted"} {
		if !strings.Contains(all, want) {
			t.Errorf("cannot %v lacks %q", i.Cannot, want)
		}
	}
	if !strings.Contains(i.NoReplication, "lacks REPLICATION") {
		t.Errorf("NoReplication %q", i.NoReplication)
	}
	if text := recorded(i); strings.Contains(text, secret) || strings.Contains(text, passwordOf(t, postgres)) {
		t.Errorf("a secret is recorded: %s", text)
	}
}

func TestMoreCopiesThanBrokers(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	_, err := Provider{Kafka: cluster, Postgres: postgres, Replication: 7}.Start(t.Context(), infra.Options{})
	if err == nil || !strings.Contains(err.Error(), "7 copies are not accepted") && !strings.Contains(err.Error(), "topics with 7 copies") {
		t.Errorf("got %v", err)
	}
	if got := things(t, cluster, postgres); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}
