package external

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// graceful is how long a run that has lost its lock, as when the database was restarted, has time to claim it.
const graceful = 10 * time.Second

// Sweep removes what dead runs with a prefix ("" for DefaultPrefix) have left on these servers: topics, publications,
// replication slots and the schema that says so. Live runs, on whatever machine, and everything that lkbench did not make
// stay. It gives, a sentence each, what it removed ("removed …") and what of such a name it left, with the reason ("left …").
// When there is something to remove it takes ten seconds: so long a run whose connection broke has time to show itself.
func Sweep(ctx context.Context, cluster kafka.Cluster, postgres, prefix string) ([]string, error) {
	p := Provider{Kafka: cluster, Postgres: postgres, Prefix: prefix}
	if err := p.Check(); err != nil {
		return nil, err
	}
	return p.sweep(ctx, graceful)
}

func (p Provider) sweep(ctx context.Context, wait time.Duration) ([]string, error) {
	fail := func(words []string, err error) ([]string, error) {
		return words, fmt.Errorf("sweep what runs with the prefix %s have left: %w", p.prefix(), err)
	}
	client, metadata, err := reachKafka(ctx, p.Kafka)
	if err != nil {
		return fail(nil, err)
	}
	defer client.Close()
	config, err := infra.PostgresConfig(p.Postgres)
	if err != nil {
		return fail(nil, err)
	}
	conn, err := reachPostgres(ctx, patient(config)) // it holds the locks until the end
	if err != nil {
		return fail(nil, err)
	}
	defer closeSoon(conn)
	ours, words, err := marked(ctx, conn, p.prefix())
	if err != nil {
		return fail(nil, err)
	}
	claimed := make([]string, 0, len(ours))
	for _, run := range ours {
		claimed = append(claimed, run.mark.Prefix)
	}
	dead, living, err := p.dead(ctx, conn, ours, metadata.Cluster, wait)
	words = append(words, living...)
	if err != nil {
		return fail(words, err)
	}
	var errs []error
	for _, run := range dead {
		removed, err := run.remove(ctx, client, conn)
		words, errs = append(words, removed...), append(errs, err)
	}
	orphans, err := p.orphans(ctx, kadm.NewClient(client), claimed)
	words, errs = append(words, orphans...), append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return fail(words, err)
	}
	return words, nil
}

// dead gives the runs whose lock this connection now holds and for whose lock nobody has come in the given time; of the
// others, in words, why they are left.
func (p Provider) dead(ctx context.Context, conn *pgx.Conn, ours []place, cluster string, wait time.Duration) (dead []place, words []string, err error) {
	for _, run := range ours {
		if run.mark.Cluster != cluster {
			words = append(words, fmt.Sprintf("left schema %s: its topics are on another Kafka, at %s; sweep there", run.schema, run.mark.Kafka))
			continue
		}
		got, err := tryLock(ctx, conn, run.schema)
		if err != nil {
			return nil, words, err
		}
		if got {
			dead = append(dead, run)
		} else {
			words = append(words, fmt.Sprintf("left schema %s: its run lives, %v", run.schema, run.mark))
		}
	}
	for until := time.Now().Add(wait); len(dead) > 0 && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return nil, words, context.Cause(ctx)
		case <-time.After(aliveEvery / 4):
		}
		waited, err := waitedFor(ctx, conn, dead)
		if err != nil {
			return nil, words, fmt.Errorf("look whether the runs live: %w", err)
		}
		for schema := range waited {
			if _, err := conn.Exec(ctx, "select pg_advisory_unlock($1)", lockKey(schema)); err != nil {
				return nil, words, err
			}
			words = append(words, fmt.Sprintf("left schema %s: its run lives, it has just claimed its lock again", schema))
		}
		dead = slices.DeleteFunc(dead, func(run place) bool { return waited[run.schema] })
	}
	return dead, words, nil
}

// orphans are topics with the prefix that no run of this database claims.
func (p Provider) orphans(ctx context.Context, admin *kadm.Client, claimed []string) (words []string, err error) {
	topics, err := topicsOf(ctx, admin, p.prefix()+"_")
	for _, topic := range topics {
		if !slices.ContainsFunc(claimed, func(prefix string) bool { return strings.HasPrefix(topic, prefix) }) {
			words = append(words, fmt.Sprintf("left topic %s: no run in this database has made it; one of another database may have", topic))
		}
	}
	return words, err
}
