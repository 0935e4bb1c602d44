package infratest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// Secured is real Kafka and PostgreSQL on this machine, as others run them: over TLS only, with users who may do just what
// a run of lkbench needs.
type Secured struct {
	// Kafka is for the user lkbench, who may make, write, read and delete topics that begin with lkbench_, by SCRAM-SHA-512.
	Kafka kafka.Cluster
	// KafkaProperties is a file in which Kafka is written as Kafka's own clients want it; readable by this user only.
	KafkaProperties string
	// KafkaAdmin may do everything there, by PLAIN.
	KafkaAdmin kafka.Cluster
	// Postgres has two more users who may make schemas, and nothing else that a user may not: Follower has the attribute
	// REPLICATION, Reader has not.
	Postgres         *SecurePostgres
	Follower, Reader string
	// Authority has signed the certificates of both servers.
	Authority *Authority
}

// Operations are what a run needs to be allowed with its topics.
func Operations() []kmsg.ACLOperation {
	return []kmsg.ACLOperation{kmsg.ACLOperationCreate, kmsg.ACLOperationWrite, kmsg.ACLOperationRead, kmsg.ACLOperationDelete}
}

// Secure starts them; they end with the test. more are further users of Kafka, with what they may do.
func Secure(t testing.TB, more ...infra.Allow) *Secured {
	t.Helper()
	NeedJava(t)
	NeedPostgres(t)
	authority := NewAuthority(t)
	certificate, key := authority.Issue(t, "kafka")
	user := func(mechanism, name string, password kafka.Secret) kafka.Cluster {
		return kafka.Cluster{TLS: &kafka.TLS{CA: authority.CA}, SASL: &kafka.SASL{Mechanism: mechanism, User: name, Password: password}}
	}
	s := &Secured{
		Authority: authority,
		Kafka:     user(kafka.ScramSHA512, "lkbench", kafka.Secret(rand.Text())), KafkaAdmin: user(kafka.Plain, "boss", kafka.Secret(rand.Text())),
	}
	secure := &infra.Secure{
		CA: authority.CA, Certificate: certificate, Key: key, Mechanisms: []string{kafka.Plain, kafka.ScramSHA512}, Client: s.KafkaAdmin,
		Users: []infra.SecureUser{{Name: "boss", Password: s.KafkaAdmin.SASL.Password, Super: true}, {Name: "lkbench", Password: s.Kafka.SASL.Password}},
		Allow: []infra.Allow{{User: "lkbench", Resource: kmsg.ACLResourceTypeTopic, Name: "lkbench_", Prefixed: true, Operations: Operations()}},
	}
	for _, allow := range more {
		secure.Users = append(secure.Users, infra.SecureUser{Name: allow.User, Password: s.Kafka.SASL.Password})
		secure.Allow = append(secure.Allow, allow)
	}
	i := Local(t, infra.Local{Secure: secure})
	s.Kafka.Brokers, s.KafkaAdmin.Brokers = i.Kafka.Brokers, i.Kafka.Brokers
	s.Postgres = securePostgres(t.Context(), t, i.Database, i.Postgres, authority, nil)
	s.Follower, s.Reader = s.Postgres.User(t, "follower", "REPLICATION"), s.Postgres.User(t, "reader", "")
	s.KafkaProperties = filepath.Join(t.TempDir(), "client.properties")
	text := fmt.Sprintf("bootstrap.servers=%v\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"+
		"sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"lkbench\" password=\"%s\";\n"+
		"ssl.truststore.type=PEM\nssl.truststore.location=%s\n", s.Kafka, string(s.Kafka.SASL.Password), authority.CA)
	if err := os.WriteFile(s.KafkaProperties, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// As is Kafka for another of its users: one of those given to Secure.
func (s *Secured) As(user string) kafka.Cluster {
	cluster, login := s.Kafka, *s.Kafka.SASL
	login.User = user
	cluster.SASL = &login
	return cluster
}

// Passwords are all that must be told nowhere.
func (s *Secured) Passwords() []string {
	all := []string{string(s.Kafka.SASL.Password), string(s.KafkaAdmin.SASL.Password)}
	for _, connection := range []string{s.Follower, s.Reader, s.Postgres.URL} {
		config, err := infra.PostgresConfig(connection)
		if err == nil {
			all = append(all, config.Password)
		}
	}
	return all
}

// NoPassword fails the test if a text tells a password.
func (s *Secured) NoPassword(t testing.TB, text string) {
	t.Helper()
	for _, password := range s.Passwords() {
		if strings.Contains(text, password) {
			t.Errorf("a password is told: %s", strings.ReplaceAll(text, password, "(the password)"))
		}
	}
}

// Local starts servers in a workspace of their own; they end with the test.
func Local(t testing.TB, provider infra.Local) *infra.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the first time on a machine Kafka is fetched
	defer cancel()
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	i, err := provider.Start(ctx, infra.Options{Workspace: w, Executable: executable})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	return i
}
