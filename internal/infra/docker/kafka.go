package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// The listeners of a broker in its container.
const (
	clientPort     = 9092 // published
	internalPort   = 9093 // other brokers
	controllerPort = 9094 // other controllers
)

// kafkaData is the directory that the image keeps for it, with the right owner.
const kafkaData = "/var/lib/kafka/data"

// startBrokers starts all brokers and waits until each knows them all.
func (p Provider) startBrokers(ctx context.Context, r *run) ([]*infra.Server, error) {
	network := ""
	if p.Brokers > 1 {
		network = "lkbench-" + r.name()
		labels := map[string]string{WorkspaceLabel: r.name(), RoleLabel: "network"}
		// As with containers, the engine would go on without us.
		if _, err := r.client.NetworkCreate(context.WithoutCancel(ctx), network, client.NetworkCreateOptions{Labels: labels}); err != nil {
			return nil, fmt.Errorf("make the brokers' network: %w", err)
		}
	}
	id := clusterID()
	brokers := make([]*infra.Server, p.Brokers)
	all, groupCtx := errgroup.WithContext(ctx)
	for i := range brokers {
		all.Go(func() (err error) {
			brokers[i], err = infra.OnFreePort(func(port int) (*infra.Server, error) {
				return p.startBroker(groupCtx, r, i, port, network, id)
			})
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	if err := agree(ctx, brokers); err != nil {
		return nil, err
	}
	for _, b := range brokers {
		version, err := kafkaVersion(ctx, b.Unit.(*unit))
		if err != nil {
			return nil, err
		}
		b.Version = version
	}
	return brokers, nil
}

// names gives broker i, from 0, its role and the name of its log.
func (p Provider) names(i int) (role, log string) {
	if p.Brokers == 1 {
		return "broker", "kafka.log"
	}
	return fmt.Sprintf("broker-%d", i+1), fmt.Sprintf("kafka-%d.log", i+1)
}

func (p Provider) startBroker(ctx context.Context, r *run, i, port int, network, id string) (*infra.Server, error) {
	role, log := p.names(i)
	env := map[string]string{"CLUSTER_ID": id, "KAFKA_HEAP_OPTS": fmt.Sprintf("-Xms%[1]d -Xmx%[1]d", p.heap())}
	for _, s := range p.settings(i, port) {
		env["KAFKA_"+strings.ToUpper(strings.ReplaceAll(s.Name, ".", "_"))] = s.Value
	}
	maps.Copy(env, p.extraKafka)
	return p.run(ctx, r, port, server{
		role: role, image: p.KafkaImage, env: env, port: clientPort, network: network, alias: role,
		data: kafkaData, log: log, stopSignal: "SIGTERM",
		ready: func(ctx context.Context) error { return lists(ctx, port, address(port)) },
	})
}

// lists asks a broker which brokers there are: it tells those that are registered and unfenced, and so take requests.
func lists(ctx context.Context, port int, wanted ...string) error {
	c, err := kafka.Cluster{Brokers: []string{address(port)}}.NewClient()
	if err != nil {
		return err
	}
	defer c.Close()
	listed, err := kadm.NewClient(c).ListBrokers(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, b := range listed {
		there[fmt.Sprintf("%s:%d", b.Host, b.Port)] = true
	}
	for _, w := range wanted {
		if !there[w] {
			return fmt.Errorf("the broker on %s does not know the one on %s yet", address(port), w)
		}
	}
	return nil
}

// agree waits until every broker knows all of them.
func agree(ctx context.Context, brokers []*infra.Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the brokers do not find each other within %v", startTimeout))
	defer cancel()
	for _, b := range brokers {
		port, err := strconv.Atoi(b.Address[strings.LastIndexByte(b.Address, ':')+1:])
		if err != nil {
			return err
		}
		for {
			attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
			unknown := lists(attempt, port, addresses(brokers)...)
			cancel()
			if unknown == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w (%w)", context.Cause(ctx), unknown)
			case <-b.Done():
				return fmt.Errorf("the %s ended", b.Role)
			case <-time.After(25 * time.Millisecond):
			}
		}
	}
	return nil
}

// kafkaVersion reads the version off the jars: what brokers say of themselves leaves the patch level out.
func kafkaVersion(ctx context.Context, u *unit) (string, error) {
	listing, err := u.output(ctx, "ls", "/opt/kafka/libs")
	if err != nil {
		return "", fmt.Errorf("read the version of Kafka: %w", err)
	}
	return parseKafkaVersion(listing)
}

func parseKafkaVersion(listing string) (string, error) {
	for _, name := range strings.Fields(listing) {
		version, is := strings.CutPrefix(name, "kafka-clients-")
		if version, isJar := strings.CutSuffix(version, ".jar"); is && isJar {
			return "Apache Kafka " + version, nil
		}
	}
	return "", errors.New("read the version of Kafka: /opt/kafka/libs of the image has no kafka-clients jar")
}
