package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/kafka"
)

var errNoBrokers = errors.New("no Kafka is named: HOST:PORT of its brokers, or bootstrap.servers in a file of client properties")

// reachKafka gives a client that has talked to the cluster, and what the cluster says about itself. Errors say what to do.
// The client must be closed.
func reachKafka(ctx context.Context, cluster kafka.Cluster, options ...kgo.Opt) (*kgo.Client, kadm.Metadata, error) {
	if len(cluster.Brokers) == 0 { // the client would try an address of its own
		return nil, kadm.Metadata{}, errNoBrokers
	}
	client, err := cluster.NewClient(append([]kgo.Opt{kgo.RequestRetries(2), kgo.RetryTimeout(reachTimeout)}, options...)...)
	if err != nil {
		return nil, kadm.Metadata{}, err
	}
	within, cancel := context.WithTimeout(ctx, 2*reachTimeout)
	defer cancel()
	metadata, err := kadm.NewClient(client).BrokerMetadata(within)
	if err != nil {
		client.Close()
		return nil, kadm.Metadata{}, explainKafka(ctx, err, cluster)
	}
	return client, metadata, nil
}

// explainKafka adds to the error of a connection what to do.
func explainKafka(ctx context.Context, err error, cluster kafka.Cluster) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the Kafka at %v: %w", cluster, context.Cause(ctx))
	}
	if advice := kafkaAdvice(ctx, err, cluster); advice != "" {
		return fmt.Errorf("the Kafka at %v: %w: %s", cluster, err, advice)
	}
	return fmt.Errorf("the Kafka at %v: %w", cluster, err)
}

func kafkaAdvice(ctx context.Context, err error, cluster kafka.Cluster) string {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "user or password is wrong for " + cluster.SASL.Mechanism + ", or the user is of another mechanism"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the broker does not offer sasl.mechanism " + cluster.SASL.Mechanism
	case errors.Is(err, kerr.IllegalSaslState) && cluster.SASL != nil:
		return "the broker asks for no user there: set security.protocol to SSL or PLAINTEXT, or name the port of its SASL listener"
	}
	advice := certificateAdvice(err, "ssl.ca.location=FILE", "another certificate there", "ssl.certificate.location=FILE and ssl.key.location=FILE")
	if advice == "" {
		advice = networkAdvice(err)
	}
	if advice != "" && !errors.Is(err, context.DeadlineExceeded) {
		return advice
	}
	// A broker that is spoken to in the wrong way just ends the connection or stays silent: see which way it speaks.
	for _, address := range cluster.Brokers {
		encrypted, reached := speaksTLS(ctx, address)
		switch {
		case !reached:
			continue
		case encrypted && cluster.TLS == nil:
			return "the broker at " + address + " speaks TLS: set security.protocol to SSL or SASL_SSL, or name the port of its plain listener"
		case !encrypted && cluster.TLS != nil:
			return "the broker at " + address + " does not speak TLS: set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or name the port of its TLS listener"
		case cluster.SASL == nil && brokenOff(err):
			return "the broker ended the connection, as one does that asks for a user (security.protocol=SASL_SSL and sasl.*)" +
				" or for a certificate (ssl.certificate.location and ssl.key.location)"
		case brokenOff(err):
			return "the broker ended the connection while the client signed in: is the user, the password or sasl.mechanism wrong, or does it ask for no user there?"
		}
	}
	return advice
}

func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "connection reset")
}

// speaksTLS says whether what listens at an address answers to TLS. Nothing is told to it, so whose certificate it has does
// not matter here.
func speaksTLS(ctx context.Context, address string) (encrypted, reached bool) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	var alert tls.AlertError
	return err == nil || errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls"), true
}
