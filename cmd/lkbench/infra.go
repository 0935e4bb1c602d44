package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/external"
)

// infraFlags say where Kafka and PostgreSQL come from.
type infraFlags struct {
	name           string
	brokers        int
	sessionTimeout time.Duration
	kafkaImage     string
	postgresImage  string
	cpus           float64
	memory         string
	named          namedServers
	prefix         string
	replication    int16
}

var infras = []string{"auto", "embedded", "local", "docker", "external"}

// meantFor says to which infra a flag means something; the flags that are not here mean something to all.
var meantFor = map[string][]string{
	"brokers":                {"local", "docker", "auto"},
	"broker-session-timeout": {"local", "docker", "auto"},
	"kafka-image":            {"docker", "auto"},
	"postgres-image":         {"docker", "auto"},
	"cpus":                   {"docker", "auto"},
	"memory":                 {"docker", "auto"},
	"kafka":                  {"external"},
	"kafka-config":           {"external"},
	"postgres":               {"external"},
	"prefix":                 {"external"},
	"replication":            {"external"},
}

func (f *infraFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "infra", "auto",
		"where Kafka and PostgreSQL come from: embedded, local, docker, external, or auto: docker where an engine answers within a second, else embedded")
	flags.IntVar(&f.brokers, "brokers", 1, "local, docker: Kafka brokers, 1 or 3; with 3 every topic has three copies, two of them in sync at least")
	flags.DurationVar(&f.sessionTimeout, "broker-session-timeout", 0,
		"local, docker: after which time a silent broker counts as dead (default Kafka's own 9s; 1s for a fast recovery)")
	flags.StringVar(&f.kafkaImage, "kafka-image", docker.DefaultKafkaImage, "docker: image of Kafka")
	flags.StringVar(&f.postgresImage, "postgres-image", docker.DefaultPostgresImage, "docker: image of PostgreSQL")
	flags.Float64Var(&f.cpus, "cpus", 0, "docker: processors that each container may use, as in 1.5 (default no limit)")
	flags.StringVar(&f.memory, "memory", "", "docker: memory that each container may use, as in 2g (default no limit)")
	f.named.register(flags)
	flags.StringVar(&f.prefix, "prefix", external.DefaultPrefix, "external: begins the names of all that is made there")
	flags.Int16Var(&f.replication, "replication", 0, "external: copies of every topic (default the brokers')")
}

// check finds what can be seen to be wrong without asking anybody.
func (f *infraFlags) check(flags *pflag.FlagSet) error {
	if !slices.Contains(infras, f.name) {
		return usage("there is no infra %q; known: %s", f.name, strings.Join(infras, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(meantFor)) {
		if flags.Changed(name) && !slices.Contains(meantFor[name], f.name) {
			return usage("--%s means nothing to --infra=%s; it is for %s", name, f.name, strings.Join(meantFor[name], ", "))
		}
	}
	if f.brokers != 1 && f.brokers != 3 {
		return usage("--brokers is 1 or 3, not %d", f.brokers)
	}
	if flags.Changed("broker-session-timeout") && (f.sessionTimeout < 100*time.Millisecond || f.sessionTimeout > 10*time.Minute) {
		return usage("--broker-session-timeout is between 100ms and 10m, not %v", f.sessionTimeout)
	}
	if flags.Changed("cpus") && !(f.cpus >= 0.1) { // so that NaN is refused too
		return usage("--cpus is at least 0.1, not %v", f.cpus)
	}
	if flags.Changed("replication") && f.replication < 1 {
		return usage("--replication is at least 1, not %d", f.replication)
	}
	_, err := f.memoryBytes()
	return err
}

// leastMemory lets Kafka's Java start.
const leastMemory = 256 << 20

// memoryBytes is --memory in bytes, 0 for no limit.
func (f *infraFlags) memoryBytes() (int64, error) {
	if f.memory == "" {
		return 0, nil
	}
	bytes, err := units.RAMInBytes(f.memory)
	if err != nil || bytes < leastMemory {
		return 0, usage("--memory is a size of at least 256m, as in 2g, not %q", f.memory)
	}
	return bytes, nil
}

// choose gives the provider that the flags name, which have been checked. Where they leave it open it says what it took
// and why.
func (f *infraFlags) choose(ctx context.Context, errw io.Writer, note func(format string, args ...any)) (infra.Provider, error) {
	memory, err := f.memoryBytes()
	if err != nil {
		return nil, err
	}
	containers := docker.Provider{
		Brokers: f.brokers, KafkaImage: f.kafkaImage, PostgresImage: f.postgresImage,
		CPUs: f.cpus, MemoryBytes: memory, SessionTimeout: f.sessionTimeout,
	}
	switch f.name {
	case "embedded":
		return infra.Embedded{}, nil
	case "local":
		return infra.Local{Brokers: f.brokers, SessionTimeout: f.sessionTimeout}, nil
	case "docker":
		return containers, nil
	case "external":
		cluster, postgres, err := f.named.both(errw)
		if err != nil {
			return nil, err
		}
		return external.Provider{Kafka: cluster, Postgres: postgres, Prefix: f.prefix, Replication: f.replication}, nil
	}
	return f.automatic(ctx, containers, note)
}

// automatic is --infra=auto. An engine that answers and cannot bring the images is no reason to fail where no one asked for
// containers.
func (f *infraFlags) automatic(ctx context.Context, containers docker.Provider, note func(string, ...any)) (infra.Provider, error) {
	engine, err := docker.Find(ctx)
	if err == nil {
		err = containers.FetchImages(ctx, func(message string) { note("%s", message) })
	}
	if err == nil {
		note("infra: docker (auto: engine %s answers at %s)", engine.Version, engine.Host)
		return containers, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	if f.brokers > 1 || f.cpus > 0 || f.memory != "" || f.sessionTimeout > 0 {
		return nil, fmt.Errorf("what was asked for needs --infra=docker or local, and auto found no use of docker: %w", err)
	}
	note("infra: embedded (auto: %v)", err)
	return infra.Embedded{}, nil
}
