package infra

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/kafka"
)

// authority signs certificates for a test.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", true)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key; the common name is name.
func (a *authority) issue(t *testing.T, name string, self bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: self, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	parent, signer := a.cert, a.key
	if self {
		template.KeyUsage |= x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// produce tries to have one record acknowledged.
func produce(t *testing.T, cluster kafka.Cluster, topic string) error {
	t.Helper()
	client, err := cluster.NewClient(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordRetries(5),
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return client.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
}

func TestSecureWithPasswords(t *testing.T) {
	needKafka(t)
	a := newAuthority(t)
	a.issue(t, "broker", false)
	login := func(mechanism, user string, password kafka.Secret) kafka.Cluster {
		return kafka.Cluster{TLS: &kafka.TLS{CA: a.path("ca.crt")}, SASL: &kafka.SASL{Mechanism: mechanism, User: user, Password: password}}
	}
	const odd = `p"a\s${s} =ä;` // every character that a file of properties or a login module could trip over
	i, _ := startLocal(t, Local{Secure: &Secure{
		Certificate: a.path("broker.crt"), Key: a.path("broker.key"), Mechanisms: []string{kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512},
		Users: []SecureUser{{Name: "admin", Password: odd, Super: true}, {Name: "alice", Password: "alices"}},
		Allow: []Allow{
			{User: "alice", Resource: kmsg.ACLResourceTypeTopic, Name: "alice_", Prefixed: true, Operations: []kmsg.ACLOperation{kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe}},
		},
		Client: login(kafka.Plain, "admin", odd),
	}})
	if err := CreateTopics(t.Context(), i.Kafka, 1, 1, "alice_a", "other"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		cluster kafka.Cluster
		topic   string
		want    string
	}{
		{"PLAIN", login(kafka.Plain, "alice", "alices"), "alice_a", ""},
		{"SCRAM-SHA-256", login(kafka.ScramSHA256, "alice", "alices"), "alice_a", ""},
		{"SCRAM-SHA-512", login(kafka.ScramSHA512, "alice", "alices"), "alice_a", ""},
		{"super user", login(kafka.ScramSHA512, "admin", odd), "other", ""},
		{"no rule", login(kafka.Plain, "alice", "alices"), "other", "TOPIC_AUTHORIZATION_FAILED"},
		{"wrong password", login(kafka.Plain, "alice", "wrong"), "alice_a", "SASL_AUTHENTICATION_FAILED"},
		{"wrong password in SCRAM", login(kafka.ScramSHA256, "alice", "wrong"), "alice_a", "SASL_AUTHENTICATION_FAILED"},
		{"the brokers' own user", login(kafka.Plain, brokerUser, "guess"), "alice_a", "SASL_AUTHENTICATION_FAILED"},
		{"plain", kafka.Cluster{}, "alice_a", "any"},
		{"no password", kafka.Cluster{TLS: &kafka.TLS{CA: a.path("ca.crt")}}, "alice_a", "any"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.cluster.Brokers = i.Kafka.Brokers
			err := produce(t, test.cluster, test.topic)
			if (err == nil) != (test.want == "") || err != nil && test.want != "any" && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestSecureWithCertificates(t *testing.T) {
	needKafka(t)
	a, strange := newAuthority(t), newAuthority(t)
	for _, name := range []string{"broker", "admin", "alice"} {
		a.issue(t, name, false)
	}
	strange.issue(t, "admin", false)
	as := func(signer *authority, name string) kafka.Cluster {
		return kafka.Cluster{TLS: &kafka.TLS{CA: a.path("ca.crt"), Certificate: signer.path(name + ".crt"), Key: signer.path(name + ".key")}}
	}
	i, _ := startLocal(t, Local{Brokers: 3, Secure: &Secure{
		CA: a.path("ca.crt"), Certificate: a.path("broker.crt"), Key: a.path("broker.key"), ClientCertificates: true,
		Users: []SecureUser{{Name: "admin", Super: true}}, Client: as(a, "admin"),
	}})
	if err := CreateTopics(t.Context(), i.Kafka, 1, 3, "t"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		cluster kafka.Cluster
		works   bool
	}{
		{"super user", as(a, "admin"), true},
		{"no rule", as(a, "alice"), false},
		{"of another authority", as(strange, "admin"), false},
		{"no certificate", kafka.Cluster{TLS: &kafka.TLS{CA: a.path("ca.crt")}}, false},
		{"plain", kafka.Cluster{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.cluster.Brokers = i.Kafka.Brokers
			if err := produce(t, test.cluster, "t"); (err == nil) != test.works {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSecureThatCannotWork(t *testing.T) {
	client := kafka.Cluster{TLS: &kafka.TLS{}}
	tests := []struct {
		secure Secure
		want   string
	}{
		{Secure{}, "needs a certificate and its key"},
		{Secure{Certificate: "a", Key: "b", ClientCertificates: true}, "the authorities that signed"},
		{Secure{Certificate: "a", Key: "b", Client: client}, "needs users with mechanisms, or clients' certificates"},
		{Secure{Certificate: "a", Key: "b", Mechanisms: []string{kafka.Plain}}, "how its client speaks TLS"},
		{Secure{Certificate: "a", Key: "b", Mechanisms: []string{"GSSAPI"}, Client: client}, `"GSSAPI": expected PLAIN`},
	}
	for _, test := range tests {
		if err := test.secure.check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want an error with %q", err, test.want)
		}
	}
}
