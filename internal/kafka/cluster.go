// Package kafka is how every client of lkbench reaches Kafka: addresses and security in one type, and the settings of
// producers and consumers stated once, each with its reason.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"lkbench/internal/network"
)

// Cluster says how to reach a Kafka. It is passed to component processes as JSON on their standard input, never on a
// command line and never in a file: SASL carries a password.
type Cluster struct {
	Brokers []string `json:"brokers"` // bootstrap addresses
	TLS     *TLS     `json:"tls,omitempty"`
	SASL    *SASL    `json:"sasl,omitempty"`
	// Dial opens the connections, without TLS; nil for the usual way.
	Dial network.DialFunc `json:"-"`
}

// TLS names the PEM files of an encrypted connection.
type TLS struct {
	CA          string `json:"ca,omitempty"`          // who may have signed the brokers' certificates; "" for the system's
	Certificate string `json:"certificate,omitempty"` // of this client, where the brokers ask for one
	Key         string `json:"key,omitempty"`         // its private key; may be the same file
}

// The mechanisms of SASL.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// SASL says who the client is.
type SASL struct {
	Mechanism string `json:"mechanism"` // Plain, ScramSHA256 or ScramSHA512
	User      string `json:"user"`
	Password  Secret `json:"password"`
}

// Secret is a text that no message shows.
type Secret string

// String hides the text, also from %v, %s and %q.
func (Secret) String() string { return "(hidden)" }

// GoString hides the text from %#v.
func (Secret) GoString() string { return "(hidden)" }

// String is the addresses, for messages.
func (c Cluster) String() string { return strings.Join(c.Brokers, ",") }

// NewClient makes a client with the settings common to all clients, and then the given ones. It connects with the first
// request. Errors tell of files of TLS that cannot be used.
func (c Cluster) NewClient(options ...kgo.Opt) (*kgo.Client, error) {
	all := append([]kgo.Opt{kgo.SeedBrokers(c.Brokers...)}, common()...)
	var config *tls.Config
	if c.TLS != nil {
		var err error
		if config, err = c.TLS.config(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Dial != nil:
		all = append(all, kgo.Dialer(dialer(c.Dial, config)))
	case config != nil:
		all = append(all, kgo.DialTLSConfig(config))
	}
	if c.SASL != nil {
		mechanism, err := c.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		all = append(all, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("a client of Kafka at %s: %w", c, err)
	}
	return client, nil
}

// dialer does what kgo leaves to those who bring their own: it gives up after dialTimeout, and encrypts with a config.
func dialer(dial network.DialFunc, config *tls.Config) network.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil || config == nil {
			return conn, err
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		named := config.Clone()
		named.ServerName = host
		encrypted := tls.Client(conn, named)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return encrypted, nil
	}
}

func (t *TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("certificates of Kafka's authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates of Kafka's authorities: %s holds no PEM certificate", t.CA)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("this client's certificate for Kafka in %s and key in %s: %w", t.Certificate, t.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case Plain:
		return plain.Auth{User: s.User, Pass: string(s.Password)}.AsMechanism(), nil
	case ScramSHA256:
		return scram.Auth{User: s.User, Pass: string(s.Password)}.AsSha256Mechanism(), nil
	case ScramSHA512:
		return scram.Auth{User: s.User, Pass: string(s.Password)}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("SASL mechanism %q: expected %s, %s or %s", s.Mechanism, Plain, ScramSHA256, ScramSHA512)
}
