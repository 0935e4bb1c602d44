// Package docker provides Kafka and PostgreSQL in containers, through testcontainers. Everything it makes on the engine
// carries the name of the run's workspace as a label, and by that label it is removed: at the end of the run, or by a later
// start if the run has died. It does not depend on testcontainers' own reaper, which is a container of its own that must be
// fetched and that needs the engine's socket.
package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// The images that a Provider runs unless it is told others.
const (
	DefaultKafkaImage    = "apache/kafka:4.3.1"
	DefaultPostgresImage = "postgres:18"
)

// The labels of everything that is made on the engine.
const (
	WorkspaceLabel = "lkbench.workspace" // the name of the directory of the run's workspace
	RoleLabel      = "lkbench.role"      // infra.Server.Role; "network" for the brokers' network
)

// Provider runs Kafka and PostgreSQL in containers on this machine's engine. Their ports are published on 127.0.0.1 only,
// and stay the same over restarts.
type Provider struct {
	// Brokers is 1 (also if it is 0) or 3: then topics have three copies, of which two must hold what is acknowledged.
	Brokers int
	// KafkaImage and PostgresImage are the images; "" for the defaults. Others must understand the same variables.
	KafkaImage, PostgresImage string
	// CPUs and MemoryBytes bound each server's container, without swap; 0 for no bound.
	CPUs        float64
	MemoryBytes int64
	// SessionTimeout is how long the cluster takes a broker that is silent for alive; 0 for Kafka's own 9 s. See infra.Local.
	SessionTimeout time.Duration

	extraKafka map[string]string // for tests: further variables of the brokers
}

// Name is "docker".
func (Provider) Name() string { return "docker" }

// Start starts all servers at the same time. Errors say which engine was tried, which image is missing and how to get it, or
// have the end of the log of the server that did not start.
func (p Provider) Start(ctx context.Context, options infra.Options) (*infra.Instance, error) {
	if options.DatabaseDisk > 0 {
		return nil, errors.New("docker cannot give the database a disk of its own: --infra=embedded and local can, as root on Linux")
	}
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	r, err := newRun(ctx, options)
	if err != nil {
		return nil, err
	}
	instance, err := p.start(ctx, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the containers: %w", err), r.end(context.WithoutCancel(ctx)))
	}
	return instance, nil
}

// complete fills in defaults and refuses what cannot work.
func (p Provider) complete() (Provider, error) {
	if p.Brokers == 0 {
		p.Brokers = 1
	}
	if p.KafkaImage == "" {
		p.KafkaImage = DefaultKafkaImage
	}
	if p.PostgresImage == "" {
		p.PostgresImage = DefaultPostgresImage
	}
	switch {
	case p.Brokers != 1 && p.Brokers != 3:
		return p, fmt.Errorf("%d brokers: expected 1 or 3", p.Brokers)
	case p.CPUs < 0 || p.CPUs > 0 && p.CPUs < 0.01:
		return p, fmt.Errorf("a limit of %v CPUs: expected at least 0.01, or 0 for none", p.CPUs)
	case p.MemoryBytes < 0 || p.MemoryBytes > 0 && p.MemoryBytes < leastMemory:
		return p, fmt.Errorf("a memory limit of %d bytes: expected at least %d, or 0 for none", p.MemoryBytes, int64(leastMemory))
	case p.SessionTimeout != 0 && p.SessionTimeout < 100*time.Millisecond:
		return p, fmt.Errorf("a broker session of %v: expected at least 100ms", p.SessionTimeout)
	}
	return p, nil
}

// FetchImages fetches the images that the engine does not have. Start does so too; who can do without docker learns by this
// whether it could.
func (p Provider) FetchImages(ctx context.Context, note func(message string)) error {
	p, err := p.complete()
	if err != nil {
		return err
	}
	engine, c, err := connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return p.ensureImages(ctx, &run{options: infra.Options{Note: note}, engine: engine, client: c})
}

func (p Provider) ensureImages(ctx context.Context, r *run) error {
	return errors.Join(ensureImage(ctx, r, p.KafkaImage, "--kafka-image"), ensureImage(ctx, r, p.PostgresImage, "--postgres-image"))
}

// leastMemory is what a broker's Java needs to start at all.
const leastMemory = 256 << 20

func (p Provider) start(ctx context.Context, r *run) (*infra.Instance, error) {
	if err := p.ensureImages(ctx, r); err != nil {
		return nil, err
	}
	if err := r.entrust(); err != nil {
		return nil, err
	}
	var brokers []*infra.Server
	var database *databaseServer
	var kafkaSettings, postgresSettings map[string]string
	both, groupCtx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		if brokers, err = p.startBrokers(groupCtx, r); err != nil {
			return err
		}
		kafkaSettings, err = p.kafkaSettings(groupCtx, r, brokers)
		return err
	})
	both.Go(func() (err error) {
		if database, err = p.startDatabase(groupCtx, r); err != nil {
			return err
		}
		postgresSettings, err = p.postgresSettings(groupCtx, r, database)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	instance := &infra.Instance{
		Kafka: kafka.Cluster{Brokers: addresses(brokers)}, Postgres: database.url, Replication: int16(p.Brokers),
		Label:   "containers; single copy; broker without fsync",
		Brokers: brokers, Database: database.Server,
		KafkaVersion: brokers[0].Version, PostgresVersion: database.Version,
		KafkaSettings: kafkaSettings, PostgresSettings: postgresSettings,
		Cannot: []string{"account the CPU of the engine's port proxies, through which all traffic of the containers passes"},
		End:    r.end,
	}
	if p.Brokers > 1 {
		instance.Label = "containers; three copies; brokers without fsync"
	}
	return instance, nil
}

func addresses(servers []*infra.Server) []string {
	var all []string
	for _, s := range servers {
		all = append(all, s.Address)
	}
	return all
}

// note is what a later start needs to remove what a dead run has left on an engine.
type note struct {
	Host  string `json:"host"`  // the engine's address
	Label string `json:"label"` // name=value
}

// entrust notes what must be removed should this process die, before the first of it is made.
func (r *run) entrust() error {
	text, err := json.Marshal(note{Host: r.engine.Host, Label: WorkspaceLabel + "=" + r.name()})
	if err != nil {
		return err
	}
	return r.options.Workspace.Entrust(Kind, text)
}

// name is what the label of this run says.
func (r *run) name() string { return filepath.Base(r.options.Workspace.Dir) }
