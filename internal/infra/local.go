package infra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lkbench/internal/kafka"
)

// Local is the provider that runs real Apache Kafka, and PostgreSQL as Embedded does, as processes of this machine. It
// needs Java 17 or newer and, once on a machine, Maven and a network; or a directory of Kafka's jars in
// LKBENCH_KAFKA_LIBS.
type Local struct {
	// Brokers is 1 (also if it is 0) or 3: then topics have three copies, of which two must hold what is acknowledged.
	Brokers int
	// SessionTimeout is how long the cluster takes a broker that is silent for alive; 0 for Kafka's own 9 s. Of one broker
	// that is killed and started again at once it is most of the outage: the broker is let in again only when its former
	// life's session has ended. Of three it is how long the partitions that a killed broker led have no leader. A comparison
	// should measure what people run, which is 9 s; 1 s shows the fast failover that is possible, at the price that a busy
	// machine may shut a healthy broker out. Heartbeats are a quarter of it apart.
	SessionTimeout time.Duration
	// Secure is nil for a Kafka that lets everybody in.
	Secure *Secure

	choosePorts func(n int) ([]int, error) // for tests; nil for random ones
}

// Name is "local".
func (Local) Name() string { return "local" }

// Start starts all servers at the same time. Errors name what is missing and the command that brings it, or have the end
// of the log of the server that did not start.
func (l Local) Start(ctx context.Context, options Options) (*Instance, error) {
	if note := options.Note; note != nil { // both servers may have something to tell
		var one sync.Mutex
		options.Note = func(message string) {
			one.Lock()
			defer one.Unlock()
			note(message)
		}
	}
	var brokers *cluster
	var database *Database
	var kafkaSettings, postgresSettings map[string]string
	both, groupCtx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		if brokers, err = l.startKafka(groupCtx, options); err != nil {
			return err
		}
		if kafkaSettings, err = ReadKafkaSettings(groupCtx, brokers.access(brokers.nodes...)); err != nil {
			return err
		}
		return brokers.describe(groupCtx, kafkaSettings)
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
		if brokers != nil {
			errs = append(errs, brokers.discard())
		}
		if database != nil {
			errs = append(errs, database.unit.discard())
		}
		return errors.Join(errs...)
	}
	err := both.Wait()
	if err == nil {
		err = brokers.running()
	}
	if err != nil {
		err = fmt.Errorf("start the local infrastructure: %w", explainSpace(ctx, options.Workspace.Dir, err))
		return nil, errors.Join(err, stop(context.WithoutCancel(ctx)))
	}
	instance := &Instance{
		Kafka: kafka.Cluster{}, Postgres: database.URL, Replication: int16(len(brokers.nodes)),
		Label:   "single copy; broker without fsync",
		Brokers: brokers.servers, Database: database.Server,
		KafkaVersion: brokers.servers[0].Version, PostgresVersion: database.Version,
		KafkaSettings: kafkaSettings, PostgresSettings: postgresSettings, End: stop,
	}
	if len(brokers.nodes) > 1 {
		instance.Label = "three copies, no fsync"
	}
	if l.Secure != nil {
		instance.Kafka = l.Secure.Client
	}
	for _, s := range brokers.servers {
		instance.Kafka.Brokers = append(instance.Kafka.Brokers, s.Address)
	}
	return instance, nil
}

// startKafka starts the brokers. After an error none runs.
func (l Local) startKafka(ctx context.Context, options Options) (*cluster, error) {
	count := max(l.Brokers, 1)
	if count != 1 && count != 3 {
		return nil, fmt.Errorf("%d brokers: expected 1 or 3", l.Brokers)
	}
	if l.SessionTimeout != 0 && l.SessionTimeout < 100*time.Millisecond {
		return nil, fmt.Errorf("a broker session of %v: expected at least 100ms", l.SessionTimeout)
	}
	if l.Secure != nil {
		if err := l.Secure.check(); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	program, err := findKafka(ctx, options)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(ctx, options, program, l.Secure, l.SessionTimeout)
	if err != nil {
		return nil, err
	}
	c, err = onFreePorts(count*c.portsANode(), l.choosePorts, func(ports []int) (*cluster, error) { return c, c.start(ctx, ports) })
	if err != nil {
		return nil, err
	}
	for _, s := range c.servers {
		s.StartS = time.Since(began).Seconds()
	}
	if l.Secure != nil {
		if err := c.admit(ctx); err != nil {
			return nil, errors.Join(err, c.discard())
		}
	}
	return c, nil
}

// findKafka gives what runs a broker; the first time on a machine that is fetched and prepared.
func findKafka(ctx context.Context, options Options) (kafkaProgram, error) {
	java, err := FindJava(ctx)
	if err != nil {
		return kafkaProgram{}, err
	}
	found, err := kafkaJars(ctx, options)
	if err != nil {
		return kafkaProgram{}, err
	}
	program := kafkaProgram{java: java, jars: found}
	program.archive, err = classArchive(ctx, options, program)
	return program, err
}

// start starts all nodes on these ports and waits until they know each other. After an error none runs.
func (c *cluster) start(ctx context.Context, ports []int) error {
	c.place(ports)
	c.servers, c.units = make([]*Server, len(c.nodes)), make([]*processes, len(c.nodes))
	all, groupCtx := errgroup.WithContext(ctx)
	for i, n := range c.nodes {
		c.servers[i], c.units[i] = c.server(n)
		all.Go(func() error {
			if err := c.prepare(groupCtx, n); err != nil {
				return err
			}
			return c.units[i].Start(groupCtx)
		})
	}
	err := all.Wait()
	if err == nil {
		err = c.agree(ctx)
	}
	if err != nil {
		return errors.Join(err, c.discard())
	}
	return nil
}

// discard ends the nodes in the fastest way: their data is not needed any more.
func (c *cluster) discard() error {
	var all errgroup.Group
	for _, unit := range c.units {
		if unit.current() != nil {
			all.Go(unit.discard)
		}
	}
	return all.Wait()
}
