package infra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/kafka"
)

// answerTimeout bounds one question to a broker that is starting: it may take connections before it answers.
const answerTimeout = 2 * time.Second

// access is how this process itself reaches brokers: where clients must log in, as the brokers do.
func (c *cluster) access(nodes ...node) kafka.Cluster {
	var to kafka.Cluster
	for _, n := range nodes {
		port := n.client
		if c.secure != nil {
			port = n.internal
		}
		to.Brokers = append(to.Brokers, address(port))
	}
	if c.secure != nil {
		to.SASL = &kafka.SASL{Mechanism: kafka.Plain, User: brokerUser, Password: c.password}
	}
	return to
}

// unfenced is nil when a node answers, is of this cluster, and knows that all of these brokers serve clients. A broker
// that has just started listens before the controller lets it lead anything (it is fenced): metadata leaves it out until
// then. After a SIGKILL that takes until the session of its former life has ended.
func (c *cluster) unfenced(ctx context.Context, at node, brokers ...node) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("the %s takes connections and does not answer", at.role))
	defer cancel()
	to := c.access(at)
	// Cheaper than a client, as long as nobody listens.
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.Brokers[0])
	if err != nil {
		return err
	}
	connection.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	answer, err := askBroker(ctx, to, request)
	if err != nil {
		return err
	}
	metadata := answer.(*kmsg.MetadataResponse)
	if metadata.ClusterID == nil || *metadata.ClusterID != c.id {
		return fmt.Errorf("on %s answers another Kafka", to)
	}
	for _, n := range brokers {
		if !slices.ContainsFunc(metadata.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == n.id }) {
			return fmt.Errorf("for the %s the %s does not serve clients yet", at.role, n.role)
		}
	}
	return nil
}

// askBroker sends a request to the first address of a cluster and to nobody else.
func askBroker(ctx context.Context, to kafka.Cluster, request kmsg.Request) (kmsg.Response, error) {
	client, err := to.NewClient()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	answer, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return answer, err
}

// agree waits until every broker knows of every other. One that ends meanwhile is an error with the end of its log.
func (c *cluster) agree(ctx context.Context) error {
	for _, at := range c.nodes {
		err := c.until(ctx, "agree", func(ctx context.Context) error { return c.unfenced(ctx, at, c.nodes...) })
		if err != nil {
			return err
		}
	}
	return nil
}

// until asks again and again until nothing fails any more, for startTimeout at most, as long as all brokers run.
func (c *cluster) until(ctx context.Context, what string, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not within %v", startTimeout))
	defer cancel()
	for {
		if err := c.running(); err != nil {
			return err
		}
		failed := attempt(ctx)
		if failed == nil {
			return c.running()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the brokers to %s: %w (%w)", what, context.Cause(ctx), failed)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// running says which broker has ended by itself, if one has.
func (c *cluster) running() error {
	for i, unit := range c.units {
		select {
		case <-unit.Done():
			return unit.startError(fmt.Errorf("the %s answered and then ended: %w", c.nodes[i].role, unit.current().Err()))
		default:
		}
	}
	return nil
}
