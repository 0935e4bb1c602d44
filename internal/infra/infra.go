// Package infra starts Kafka and PostgreSQL for a run and ends them without leaving anything behind.
package infra

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Provider is a way to get Kafka and PostgreSQL.
type Provider interface {
	// Name is how the provider is called on the command line and in every record.
	Name() string
	// Start gives a running broker and an empty database. After an error nothing runs.
	Start(ctx context.Context, options Options) (*Instance, error)
}

// Options say where and with what a provider starts.
type Options struct {
	Workspace *Workspace
	// Executable is a program with the verbs GuardVerb of package proc and BrokerVerb; usually os.Executable.
	Executable string
	// Note is told about steps that can take long, such as a download; nil for nobody.
	Note func(message string)
}

// Instance is a running Kafka and PostgreSQL.
type Instance struct {
	Kafka []string // bootstrap addresses
	// Postgres is the connection string of a superuser, with the password: it must reach no file, screen or command line.
	Postgres string
	// Label says what a reader of the results must know about the infrastructure.
	Label    string
	Broker   *Server
	Database *Server
	// KafkaSettings and PostgresSettings are what the servers themselves report, where they do.
	KafkaSettings    map[string]string
	PostgresSettings map[string]string

	stop func(context.Context) error
}

// Stop ends both servers and waits until they are gone. Their data is thrown away: the workspace must be closed after it.
func (i *Instance) Stop(ctx context.Context) error { return i.stop(ctx) }

// CreateTopics makes topics that are not there yet, with the broker's default replication.
func CreateTopics(ctx context.Context, brokers []string, partitions int32, names ...string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	defer client.Close()
	created, err := kadm.NewClient(client).CreateTopics(ctx, partitions, -1, nil, names...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return fmt.Errorf("create topics %v on %v: %w", names, brokers, err)
	}
	return nil
}
