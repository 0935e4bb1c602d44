// Package infra gives a run its Kafka and PostgreSQL, and ends them without leaving anything behind. What provides them
// is a Provider: this package has two (Embedded, Local), the packages below it the others.
package infra

import (
	"context"
	"fmt"

	"lkbench/internal/kafka"
)

// Provider is a way to get Kafka and PostgreSQL.
type Provider interface {
	// Name is how the provider is called on the command line and in every record.
	Name() string
	// Start gives a running Kafka and an empty database. After an error nothing is left of what it made.
	Start(ctx context.Context, options Options) (*Instance, error)
}

// Options say where and with what a provider starts.
type Options struct {
	Workspace *Workspace
	// Executable is a program with the verbs GuardVerb of package proc and BrokerVerb; usually os.Executable.
	Executable string
	// DatabaseDisk gives the database a disk of its own of that many bytes, in memory, which a fault can fill; 0 for none. Only
	// Embedded and Local can, as root on Linux; the others refuse.
	DatabaseDisk int64
	// Note is told about steps that can take long, such as a download; nil for nobody.
	Note func(message string)
}

// Say passes a message to Note, if there is one.
func (o Options) Say(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// Instance is a running Kafka and PostgreSQL.
type Instance struct {
	Kafka kafka.Cluster
	// Postgres is the connection string, with the password where one is needed: it must reach no file, screen or command
	// line. Its user owns what it makes, in the first schema of its search path. May be a URL or of the form "key=value".
	Postgres string
	// Prefix begins the name of everything a run makes outside that schema (topics, publications, replication slots):
	// lower-case letters, digits and _, with _ at its end. Empty on servers of the run's own.
	Prefix string
	// Replication is how many copies a topic is asked to have; -1 for the default of the brokers.
	Replication int16
	// Label says what a reader of the results must know about the infrastructure.
	Label string
	// Brokers and Database are the servers, to be killed, paused, restarted and accounted. A provider that has only
	// addresses has none: no Brokers, and Database is nil.
	Brokers  []*Server
	Database *Server
	// KafkaVersion and PostgresVersion are what runs and of which version.
	KafkaVersion, PostgresVersion string
	// KafkaSettings and PostgresSettings are what the servers themselves report, where they do, and what the provider was
	// told: images, limits.
	KafkaSettings    map[string]string
	PostgresSettings map[string]string
	// Cannot lists what is not possible here, for the record and for whoever asks for it; each can follow "lkbench cannot".
	Cannot []string
	// NoReplication says why the write-ahead log cannot be followed here; "" where it can.
	NoReplication string
	// End ends the servers, or removes what was made on servers of others, and waits until it is done. The workspace must
	// be closed after it.
	End func(context.Context) error
}

// Stop ends the servers and throws their data away, or removes from servers of others what was made there.
func (i *Instance) Stop(ctx context.Context) error { return i.End(ctx) }

// Servers are the brokers and the database, where the provider has them.
func (i *Instance) Servers() []*Server {
	servers := append([]*Server{}, i.Brokers...)
	if i.Database != nil {
		servers = append(servers, i.Database)
	}
	return servers
}
