package external

import (
	"crypto/tls"
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

// Real Kafka that knows its clients by their certificates.
func TestMutualTLS(t *testing.T) {
	infratest.NeedJava(t)
	authority, strange := infratest.NewAuthority(t), infratest.NewAuthority(t)
	certificate, key := authority.Issue(t, "kafka")
	as := func(name string, from *infratest.Authority) kafka.Cluster {
		certificate, key := from.Issue(t, name)
		return kafka.Cluster{TLS: &kafka.TLS{CA: authority.CA, Certificate: certificate, Key: key}}
	}
	i := infratest.Local(t, infra.Local{Secure: &infra.Secure{
		CA: authority.CA, Certificate: certificate, Key: key, ClientCertificates: true, Client: as("boss", authority),
		Users: []infra.SecureUser{{Name: "boss", Super: true}, {Name: "lkbench"}},
		Allow: []infra.Allow{{User: "lkbench", Resource: kmsg.ACLResourceTypeTopic, Name: "lkbench_", Prefixed: true, Operations: infratest.Operations()}},
	}})
	lkbench := as("lkbench", authority)
	lkbench.Brokers = i.Kafka.Brokers
	run := start(t, Provider{Kafka: lkbench, Postgres: i.Postgres})
	if err := fill(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cluster kafka.Cluster
		want    string
	}{
		"no certificate":        {kafka.Cluster{TLS: &kafka.TLS{CA: authority.CA}}, "ssl.certificate.location"},
		"a strange certificate": {as("lkbench", strange), "the server asks for a certificate of the client that it trusts: name one with ssl.certificate.location=FILE"},
		"plain":                 {kafka.Cluster{}, "speaks TLS: set security.protocol to SSL or SASL_SSL"},
	} {
		t.Run(name, func(t *testing.T) {
			test.cluster.Brokers = i.Kafka.Brokers
			client, _, err := reachKafka(t.Context(), test.cluster)
			if err == nil {
				client.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	nobody := as("nobody", authority)
	nobody.Brokers = i.Kafka.Brokers
	_, lacks, err := examineKafka(t.Context(), nobody, "lkbench_abcdef_", -1)
	if err != nil || len(lacks) != 5 || !strings.Contains(lacks[0], "--allow-principal 'User:CN=nobody'") {
		t.Errorf("lacks %v, %v", lacks, err)
	}
}

func TestCertificateThatHasExpired(t *testing.T) {
	authority := infratest.NewAuthority(t)
	pair, err := tls.LoadX509KeyPair(authority.IssueUntil(t, "kafka", time.Now().Add(-time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(append(infra.BrokerOptions(t.TempDir(), 0), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	_, _, err = reachKafka(t.Context(), kafka.Cluster{Brokers: cluster.ListenAddrs(), TLS: &kafka.TLS{CA: authority.CA}})
	if err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("got %v", err)
	}
}

// A broker that gives an address nobody can reach is found before the load, by its number.
func TestAdvertisedAddress(t *testing.T) {
	cluster, err := kfake.NewCluster(append(infra.BrokerOptions(t.TempDir(), 0), kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port = 7, "127.0.0.1", 1
		response.Brokers, response.ControllerID = append(response.Brokers, broker), 7
		return response, nil, true
	})
	_, lacks, err := examineKafka(t.Context(), kafka.Cluster{Brokers: cluster.ListenAddrs()}, "lkbench_abcdef_", -1)
	if err != nil || len(lacks) != 1 || !strings.Contains(lacks[0], "broker 7 is to be reached at 127.0.0.1:1, as the cluster says (advertised.listeners), and is not") {
		t.Errorf("lacks %v, %v", lacks, err)
	}
	if !slices.Contains(Missing(lacks), lacks[0]) || Missing(lacks).Error() != lacks[0] {
		t.Error("one thing that lacks is told in a list")
	}
}
