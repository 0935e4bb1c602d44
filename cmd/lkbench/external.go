package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"lkbench/internal/infra"
	"lkbench/internal/infra/external"
	"lkbench/internal/kafka"
)

// namedServers are the servers of others that the user names, by flags or in the environment.
type namedServers struct{ kafka, kafkaConfig, postgres string }

func (n *namedServers) register(flags *pflag.FlagSet) {
	flags.StringVar(&n.kafka, "kafka", "", "external: addresses of Kafka, as in host:9092,host:9092 (default $LKBENCH_KAFKA)")
	flags.StringVar(&n.kafkaConfig, "kafka-config", "",
		"external: file of Kafka client properties, with TLS, SASL, addresses (default $LKBENCH_KAFKA_CONFIG)")
	flags.StringVar(&n.postgres, "postgres", "",
		"external: connection string of PostgreSQL, without a password (default $LKBENCH_POSTGRES, which may have one)")
}

// read gives what flags or environment name: Kafka is nil and postgres empty where nothing does. What can be seen to be
// wrong without asking the servers is the user's mistake. Notes about it go to standard error.
func (n *namedServers) read(errw io.Writer) (cluster *kafka.Cluster, postgres string, err error) {
	if external.HasPassword(n.postgres) {
		return nil, "", usage("--postgres holds a password, which everybody on this machine can read in the list of processes: " +
			"put it into a password file (~/.pgpass) or PGPASSWORD, or the whole string into LKBENCH_POSTGRES")
	}
	postgres = cmp.Or(n.postgres, os.Getenv("LKBENCH_POSTGRES"))
	if postgres != "" {
		if _, err := infra.PostgresConfig(postgres); err != nil {
			return nil, "", usage("%w", err)
		}
	}
	if file := cmp.Or(n.kafkaConfig, os.Getenv("LKBENCH_KAFKA_CONFIG")); file != "" {
		read, notes, err := external.ReadKafkaConfig(file)
		if err != nil {
			return nil, "", usage("%w", err)
		}
		for _, note := range notes {
			fmt.Fprintf(errw, "lkbench: %s\n", note)
		}
		cluster = &read
	}
	if list := cmp.Or(n.kafka, os.Getenv("LKBENCH_KAFKA")); list != "" {
		brokers, err := external.Addresses(list)
		if err != nil {
			return nil, "", usage("--kafka or LKBENCH_KAFKA: %w", err)
		}
		if cluster == nil {
			cluster = &kafka.Cluster{}
		}
		cluster.Brokers = brokers // as with Kafka's own tools, these count
	}
	return cluster, postgres, nil
}

// both is read for who needs both servers.
func (n *namedServers) both(errw io.Writer) (kafka.Cluster, string, error) {
	cluster, postgres, err := n.read(errw)
	switch {
	case err != nil:
		return kafka.Cluster{}, "", err
	case cluster == nil || len(cluster.Brokers) == 0:
		return kafka.Cluster{}, "", usage("external servers need the addresses of Kafka: --kafka host:9092, or LKBENCH_KAFKA, " +
			"or bootstrap.servers in --kafka-config FILE")
	case postgres == "":
		return kafka.Cluster{}, "", usage("external servers need a PostgreSQL: --postgres postgres://user@host/database, or LKBENCH_POSTGRES")
	}
	return *cluster, postgres, nil
}
