// Package external uses a Kafka and a PostgreSQL that the user names: a managed service, a cluster that others use too.
// Everything that a run makes there begins with a prefix of its own and is removed at the end, or by Sweep when the run has
// died. What lkbench did not make it does not touch.
package external

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// Provider is an infra.Provider of servers that run elsewhere.
type Provider struct {
	Kafka    kafka.Cluster
	Postgres string // connection string; see infra.PostgresConfig
	// Prefix begins the name of everything that is made; "" for DefaultPrefix. Rights can be given for it.
	Prefix string
	// Replication is how many copies a topic has; 0 for the brokers' default.
	Replication int16

	token func() string // for tests; nil for a random one
}

// Missing is what lacks before a run can start, a sentence each with what to do.
type Missing []string

// Error lists them.
func (m Missing) Error() string {
	if len(m) == 1 {
		return m[0]
	}
	return fmt.Sprintf("%d things lack:\n  %s", len(m), strings.Join(m, "\n  "))
}

// Name is "external".
func (Provider) Name() string { return "external" }

// Check looks at what was given, without asking a server. Its errors are ConfigErrors: mistakes of the caller.
func (p Provider) Check() error {
	var errs []error
	if err := checkPrefix(p.prefix()); err != nil {
		errs = append(errs, err)
	}
	if p.Replication < 0 {
		errs = append(errs, &ConfigError{Key: "replication", Problem: fmt.Sprintf("%d copies: expected 1 or more, or 0 for the brokers' default", p.Replication)})
	}
	if len(p.Kafka.Brokers) == 0 {
		errs = append(errs, &ConfigError{Problem: errNoBrokers.Error()})
	}
	if p.Postgres == "" {
		errs = append(errs, &ConfigError{Problem: "no PostgreSQL is named"})
	} else if _, err := infra.PostgresConfig(p.Postgres); err != nil {
		errs = append(errs, &ConfigError{Problem: err.Error()})
	}
	return errors.Join(errs...)
}

func (p Provider) prefix() string {
	if p.Prefix == "" {
		return DefaultPrefix
	}
	return p.Prefix
}

// Start looks whether both servers can be reached and allow what a run needs, and makes the run's schema. All that lacks is
// told at once, as Missing.
func (p Provider) Start(ctx context.Context, options infra.Options) (*infra.Instance, error) {
	if options.DatabaseDisk > 0 {
		return nil, errors.New("external cannot give the database a disk of its own: --infra=embedded and local can, as root on Linux")
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	token := newToken
	if p.token != nil {
		token = p.token
	}
	schema := p.prefix() + "_" + token()
	r := &run{
		provider: p, place: place{schema: schema, mark: mark{Prefix: schema + "_", Kafka: p.Kafka.String(), PID: os.Getpid(), Started: time.Now().UTC()}},
		replication: p.Replication,
	}
	r.mark.Host, _ = os.Hostname() // for people; without it the mark is one all the same
	if p.Replication == 0 {
		r.replication = -1
	}
	if err := r.start(ctx, options); err != nil {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*goneWithin)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("use the servers named: %w", err), r.end(cleaning))
	}
	return r.instance(), nil
}

// run is what one run has on the servers.
type run struct {
	provider Provider
	place
	replication int16 // as Kafka's protocol has it: -1 for the default
	config      *pgx.ConnConfig
	postgres    string // with the run's schema
	alive       *alive // nil until the lock is held
	made        bool   // whether the schema may be there
	database    database
	kafka       cluster
}

// start does one thing after another; end takes back however far it came.
func (r *run) start(ctx context.Context, options infra.Options) error {
	var err error
	if r.postgres, err = infra.WithSchema(r.provider.Postgres, r.schema); err != nil {
		return err
	}
	if r.config, err = infra.PostgresConfig(r.provider.Postgres); err != nil {
		return err
	}
	options.Say("looking at the rights on Kafka and PostgreSQL")
	if err := r.examine(ctx, options); err != nil {
		return err
	}
	if r.alive, err = stayAlive(ctx, r.config, r.schema); err != nil {
		return err
	}
	err = r.withDatabase(ctx, func(conn *pgx.Conn) error {
		r.made = true // or maybe: the answer can get lost, and end looks for the mark
		return r.create(ctx, conn)
	})
	if err != nil {
		return err
	}
	options.Say("trying a topic: create, write, read, delete")
	if err := r.try(ctx); err != nil {
		return err
	}
	return r.readSettings(ctx)
}

// examine looks at both servers at the same time and tells all that lacks together.
func (r *run) examine(ctx context.Context, options infra.Options) error {
	var lacks [2][]string
	var errs [2]error
	var both errgroup.Group
	both.Go(func() error {
		r.kafka, lacks[0], errs[0] = r.examineKafka(ctx)
		return nil
	})
	both.Go(func() error {
		errs[1] = r.withDatabase(ctx, func(conn *pgx.Conn) (err error) {
			if r.database, lacks[1], err = examineDatabase(ctx, r.config, conn, r.mark.Prefix); err != nil {
				return err
			}
			left, _, err := marked(ctx, conn, r.provider.prefix())
			if err == nil && len(left) > 0 {
				options.Say("%d runs live here or have died and left something; lkbench sweep removes what is of dead ones", len(left))
			}
			return err
		})
		return nil
	})
	_ = both.Wait() // both give nil
	r.mark.Cluster = r.kafka.metadata.Cluster
	var missing Missing
	for i, err := range errs {
		missing = append(missing, lacks[i]...)
		if err != nil {
			missing = append(missing, err.Error())
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(missing) > 0 {
		return missing
	}
	return nil
}

// withDatabase runs do on a connection of its own.
func (r *run) withDatabase(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := reachPostgres(ctx, r.config)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	return do(conn)
}

// end removes what was made, and then lets go of the lock.
func (r *run) end(ctx context.Context) error {
	var err error
	if r.made {
		err = r.removeAll(ctx)
	}
	if r.alive != nil {
		r.alive.release()
		r.alive = nil
	}
	return err
}

func (r *run) removeAll(ctx context.Context) error {
	client, _, err := reachKafka(ctx, r.provider.Kafka)
	if err == nil {
		defer client.Close()
		err = r.withDatabase(ctx, func(conn *pgx.Conn) error {
			if ours, err := r.ours(ctx, conn); err != nil || !ours {
				return err
			}
			_, err := r.remove(ctx, client, conn)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("remove what the run made under the names %s*: %w; lkbench sweep removes what is left", r.mark.Prefix, err)
	}
	r.made = false
	return nil
}

// instance is what the run's user sees.
func (r *run) instance() *infra.Instance {
	i := &infra.Instance{
		Kafka: r.provider.Kafka, Postgres: r.postgres, Prefix: r.mark.Prefix, Replication: r.replication,
		Label:        r.kafka.label(),
		KafkaVersion: r.kafka.version, PostgresVersion: "PostgreSQL " + r.database.VersionText,
		KafkaSettings: r.kafka.settings, PostgresSettings: r.database.Settings,
		Cannot: append([]string{
			"kill, pause or restart the servers", "account the servers' CPU, memory and disk",
			"know what else the servers and the network between do at the same time",
		}, r.kafka.cannot...),
		NoReplication: r.database.noReplication, End: r.end,
	}
	if i.NoReplication != "" {
		i.Cannot = append(i.Cannot, "follow the write-ahead log: "+i.NoReplication)
	}
	return i
}
