package infra

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"lkbench/internal/kafka"
)

// Embedded is the provider that needs nothing but this program: kfake in a child process of its own and a private
// PostgreSQL, both on loopback.
type Embedded struct{}

// Name is "embedded".
func (Embedded) Name() string { return "embedded" }

// Start starts both servers at the same time.
func (Embedded) Start(ctx context.Context, options Options) (*Instance, error) {
	var broker *broker
	var database *Database
	var kafkaSettings, postgresSettings map[string]string
	both, groupCtx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		if broker, err = startBroker(groupCtx, options); err != nil {
			return err
		}
		kafkaSettings, err = ReadBrokerSettings(groupCtx, kafka.Cluster{Brokers: []string{broker.Address}})
		// How kfake flushes it cannot say.
		kafkaSettings["flush"] = "operating system (fsync when a segment is full)"
		return err
	})
	both.Go(func() (err error) {
		if database, err = StartDatabase(groupCtx, options); err != nil {
			return err
		}
		postgresSettings, err = readDatabaseSettings(groupCtx, database)
		return err
	})
	stop := func(context.Context) error {
		var errs []error
		if broker != nil {
			errs = append(errs, broker.unit.discard())
		}
		if database != nil {
			errs = append(errs, database.unit.discard())
		}
		return errors.Join(errs...)
	}
	if err := both.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded infrastructure: %w", explainSpace(ctx, options.Workspace.Dir, err)), stop(context.WithoutCancel(ctx)))
	}
	return &Instance{
		Kafka: kafka.Cluster{Brokers: []string{broker.Address}}, Postgres: database.URL, Replication: 1,
		Label:   "single copy; broker without fsync",
		Brokers: []*Server{broker.Server}, Database: database.Server,
		KafkaVersion: broker.Version, PostgresVersion: database.Version,
		KafkaSettings: kafkaSettings, PostgresSettings: postgresSettings, End: stop,
	}, nil
}
