package docker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/moby/moby/client"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// defaultHeap is each broker's, from the start on, unless half of the container's memory is less.
const defaultHeap = 512 << 20

// heap is the size in bytes of a broker's heap: what else Java needs must fit the container beside it.
func (p Provider) heap() int64 {
	if p.MemoryBytes == 0 {
		return defaultHeap
	}
	return min(defaultHeap, p.MemoryBytes/2)
}

// settings are those of broker i, from 0, published on a port. What is not here has Kafka's default.
func (p Provider) settings(i, port int) []infra.Setting {
	var voters []string
	for j := range p.Brokers {
		role, _ := p.names(j)
		voters = append(voters, fmt.Sprintf("%d@%s:%d", j+1, role, controllerPort))
	}
	role, _ := p.names(i)
	if p.Brokers == 1 {
		role = "localhost" // no network of our own, and so no name
		voters = []string{fmt.Sprintf("1@localhost:%d", controllerPort)}
	}
	return append(infra.KafkaSettings(p.Brokers, p.SessionTimeout), []infra.Setting{
		{Name: "node.id", Value: fmt.Sprint(i + 1),
			Why: "its place in the cluster"},
		{Name: "controller.quorum.voters", Value: strings.Join(voters, ","),
			Why: "every node; fixed, for nodes come back at their address"},
		{Name: "listeners", Value: fmt.Sprintf("CLIENTS://:%d,INTERNAL://:%d,CONTROLLER://:%d", clientPort, internalPort, controllerPort),
			Why: "within the container's own network"},
		{Name: "advertised.listeners", Value: fmt.Sprintf("CLIENTS://%s,INTERNAL://%s:%d", address(port), role, internalPort),
			Why: "clients come through the published port, brokers through their network"},
		{Name: "listener.security.protocol.map", Value: "CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
			Why: "on loopback and in the run's own network nobody listens in"},
		{Name: "inter.broker.listener.name", Value: "INTERNAL",
			Why: "a container cannot reach another one at 127.0.0.1"},
		{Name: "log.dirs", Value: kafkaData,
			Why: "on a volume, not in the container's own layer"},
	}...)
}

// clusterID is 128 random bits as Kafka writes them. One that begins with "-" would be taken for a flag.
func clusterID() string {
	for {
		var bits [16]byte
		_, _ = rand.Read(bits[:]) // never fails
		if id := base64.RawURLEncoding.EncodeToString(bits[:]); id[0] != '-' {
			return id
		}
	}
}

// kafkaSettings are what the brokers report and what the engine was told.
func (p Provider) kafkaSettings(ctx context.Context, r *run, brokers []*infra.Server) (map[string]string, error) {
	settings, err := infra.ReadKafkaSettings(ctx, kafka.Cluster{Brokers: addresses(brokers)})
	if err != nil {
		return nil, err
	}
	settings["brokers"] = fmt.Sprint(p.Brokers)
	settings["java.heap"] = fmt.Sprint(p.heap())
	return settings, p.describe(ctx, r, brokers[0].Unit.(*unit), kafkaData, p.KafkaImage, settings)
}

// describe adds what servers cannot say of themselves: the image and the limits as the engine has them, and on what the
// data lies; on a file system in memory durability would cost nothing.
func (p Provider) describe(ctx context.Context, r *run, u *unit, data, image string, settings map[string]string) error {
	made, err := r.client.ContainerInspect(ctx, u.id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("look at the container of %s: %w", u.what, err)
	}
	kind, err := u.filesystem(ctx, data)
	if err != nil {
		return err
	}
	limits := made.Container.HostConfig.Resources
	settings["data_directory_filesystem"] = kind
	settings["image"], settings["image.id"] = image, made.Container.Image
	settings["container.cpus"], settings["container.memory_bytes"] = "unlimited", "unlimited"
	if limits.NanoCPUs > 0 {
		settings["container.cpus"] = fmt.Sprint(float64(limits.NanoCPUs) / 1e9)
	}
	if limits.Memory > 0 {
		settings["container.memory_bytes"] = fmt.Sprint(limits.Memory)
	}
	settings["engine"] = fmt.Sprintf("%s, API %s, cgroups v%s, on %s", r.engine.Version, r.engine.API, r.engine.Cgroups, r.engine.OS)
	return nil
}
