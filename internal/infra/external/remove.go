package external

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	goneWithin  = 30 * time.Second // for a topic to go, or a slot to be left by the connection that used it
	lockedAfter = 3 * time.Second  // others' hold on the run's tables after which their connections are ended
)

// remove takes away all that belongs to a run, the schema last: as long as something else is left, its mark says whose it is.
// It may be called again for what it has removed in part. It gives in words what it removed.
func (p place) remove(ctx context.Context, client *kgo.Client, conn *pgx.Conn) ([]string, error) {
	if p.mark.Prefix != p.schema+"_" {
		return nil, fmt.Errorf("schema %s has the mark of %s: nothing is removed", p.schema, p.mark.Prefix)
	}
	var words []string
	var errs []error
	for _, step := range []func() ([]string, error){
		func() ([]string, error) { return removeTopics(ctx, kadm.NewClient(client), p.mark.Prefix) },
		func() ([]string, error) { return removePublications(ctx, conn, p.mark.Prefix) },
		func() ([]string, error) { return removeSlots(ctx, conn, p.mark.Prefix) },
	} {
		removed, err := step()
		words, errs = append(words, removed...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return words, fmt.Errorf("%w; the schema %s stays until the rest is gone: lkbench sweep tries again", err, p.schema)
	}
	removed, err := p.removeSchema(ctx, conn)
	return append(words, removed...), err
}

// topicsOf lists the topics with a prefix.
func topicsOf(ctx context.Context, admin *kadm.Client, prefix string) ([]string, error) {
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list Kafka's topics: %w", err)
	}
	return slices.DeleteFunc(all.Names(), func(name string) bool { return !strings.HasPrefix(name, prefix) }), nil
}

func removeTopics(ctx context.Context, admin *kadm.Client, prefix string) (words []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	topics, err := topicsOf(ctx, admin, prefix)
	if err != nil || len(topics) == 0 {
		return nil, err
	}
	answers, err := admin.DeleteTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("delete the topics %s: %w", strings.Join(topics, ", "), err)
	}
	var errs []error
	for _, a := range answers.Sorted() {
		if a.Err != nil && !errors.Is(a.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, fmt.Errorf("delete the topic %s: %w", a.Topic, a.Err))
			continue
		}
		words = append(words, "removed topic "+a.Topic)
	}
	if len(errs) > 0 {
		return words, errors.Join(errs...)
	}
	for { // brokers learn of it one after another
		if topics, err = topicsOf(ctx, admin, prefix); err != nil || len(topics) == 0 {
			return words, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the topics %s were deleted, but Kafka still lists them after %v", strings.Join(topics, ", "), goneWithin)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func removePublications(ctx context.Context, conn *pgx.Conn, prefix string) (words []string, err error) {
	rows, err := conn.Query(ctx, "select pubname from pg_publication where starts_with(pubname, $1) order by 1", prefix)
	if err != nil {
		return nil, fmt.Errorf("list the publications: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the publications: %w", err)
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, "drop publication if exists "+pgx.Identifier{name}.Sanitize()); err != nil {
			return words, fmt.Errorf("drop the publication %s: %w", name, err)
		}
		words = append(words, "removed publication "+name)
	}
	return words, nil
}

// removeSlots drops slots that nobody uses. Those that lkbench makes go with their connection, which the server may notice
// a little later than we do.
func removeSlots(ctx context.Context, conn *pgx.Conn, prefix string) (words []string, err error) {
	deadline := time.Now().Add(goneWithin)
	for {
		rows, err := conn.Query(ctx, `select slot_name, active_pid is not null or temporary from pg_replication_slots
			where starts_with(slot_name, $1) and database = current_database() order by 1`, prefix)
		if err != nil {
			return words, fmt.Errorf("list the replication slots: %w", err)
		}
		var name string
		var used bool
		var free, busy []string
		_, err = pgx.ForEachRow(rows, []any{&name, &used}, func() error {
			if used {
				busy = append(busy, name)
			} else {
				free = append(free, name)
			}
			return nil
		})
		if err != nil {
			return words, fmt.Errorf("list the replication slots: %w", err)
		}
		for _, name := range free {
			if _, err := conn.Exec(ctx, "select pg_drop_replication_slot($1)", name); err != nil {
				return words, fmt.Errorf("drop the replication slot %s: %w", name, err)
			}
			words = append(words, "removed replication slot "+name)
		}
		if len(busy) == 0 {
			return words, nil
		}
		if time.Now().After(deadline) {
			return words, fmt.Errorf("the replication slots %s are still in use after %v", strings.Join(busy, ", "), goneWithin)
		}
		select {
		case <-ctx.Done():
			return words, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// removeSchema drops the schema with all that is in it. Connections of the dead that still hold its tables are ended.
func (p place) removeSchema(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	drop := func() error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = '%dms'", lockedAfter.Milliseconds())); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "drop schema if exists "+pgx.Identifier{p.schema}.Sanitize()+" cascade")
			return err
		})
	}
	err := drop()
	var refused *pgconn.PgError
	for try := 0; errors.As(err, &refused) && refused.Code == "55P03" && try < 5; try++ {
		_, ended := conn.Exec(ctx, `select pg_terminate_backend(pid) from (select distinct l.pid from pg_locks l join pg_class c on c.oid = l.relation
			join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and l.pid <> pg_backend_pid()
			and l.database = (select oid from pg_database where datname = current_database())) held`, p.schema)
		if err = drop(); err != nil && ended != nil {
			err = fmt.Errorf("%w (its tables are in use: %w)", err, ended)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("drop the schema %s: %w", p.schema, err)
	}
	return []string{"removed schema " + p.schema}, nil
}
