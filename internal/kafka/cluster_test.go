package kafka_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// TestDialWithTLS: over a dialer of our own a client encrypts, and checks the broker's certificate and name, as kgo does over
// its own.
func TestDialWithTLS(t *testing.T) {
	authority := infratest.NewAuthority(t)
	certificate, key := authority.Issue(t, "broker")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	_, port, err := net.SplitHostPort(broker.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		host, ca, want string // "" means that it works
	}{
		"as it should be":       {"127.0.0.1", authority.CA, ""},
		"another name":          {"localhost", authority.CA, "x509"},
		"an unknown authority":  {"127.0.0.1", infratest.NewAuthority(t).CA, "x509"},
		"the system's, neither": {"127.0.0.1", "", "x509"},
	} {
		var dials atomic.Int64
		cluster := kafka.Cluster{
			Brokers: []string{net.JoinHostPort(c.host, port)}, TLS: &kafka.TLS{CA: c.ca},
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if _, ok := ctx.Deadline(); !ok {
					t.Errorf("%s: a dial without an end", what)
				}
				dials.Add(1)
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		}
		client, err := cluster.NewClient(kgo.RequestRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		err = client.Ping(t.Context())
		client.Close()
		if dials.Load() == 0 {
			t.Errorf("%s: not over the dialer", what)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// TestDialThatFails: what the dialer says reaches the user.
func TestDialThatFails(t *testing.T) {
	broken := errors.New("no cable")
	client, err := kafka.Cluster{
		Brokers: []string{"127.0.0.1:1"},
		Dial:    func(context.Context, string, string) (net.Conn, error) { return nil, broken },
	}.NewClient(kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
