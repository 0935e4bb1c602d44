package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	markBegins = "made by lkbench: " // in the comment on a schema; the mark as JSON follows
	madeTable  = "lkbench_made"
)

// place is a run's schema in a database.
type place struct {
	schema string
	mark   mark
}

// comment is what stands on the schema.
func (p place) comment() string {
	text, err := json.Marshal(p.mark)
	if err != nil {
		panic(err) // strings, a number and a time of this century
	}
	return markBegins + string(text)
}

// ours says whether the schema is there and this very run has made it.
func (p place) ours(ctx context.Context, conn *pgx.Conn) (ours bool, err error) {
	err = conn.QueryRow(ctx, "select exists(select from pg_namespace where nspname = $1 and obj_description(oid, 'pg_namespace') = $2)", p.schema, p.comment()).Scan(&ours)
	if err != nil {
		return false, fmt.Errorf("look for the mark of the schema %s: %w", p.schema, err)
	}
	return ours, nil
}

// create makes the schema, its mark and the list of what is made, all at once. It fails if the schema is there already.
func (p place) create(ctx context.Context, conn *pgx.Conn) error {
	schema := pgx.Identifier{p.schema}.Sanitize()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		statement := fmt.Sprintf(`create schema %[1]s; comment on schema %[1]s is '%[2]s';
			create table %[1]s.%[3]s (at timestamptz not null default clock_timestamp(), kind text not null, name text not null, what text not null);`,
			schema, strings.ReplaceAll(p.comment(), "'", "''"), madeTable)
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		for kind, name := range map[string]string{
			"topics": p.mark.Prefix + "*", "publications": p.mark.Prefix + "*", "replication slots": p.mark.Prefix + "*",
		} {
			if err := p.note(ctx, tx, kind, name, "will be made, belongs to this run"); err != nil {
				return err
			}
		}
		return nil
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P06" {
		return fmt.Errorf("the schema %s exists already and was not made by this run: it is not touched", p.schema)
	}
	if err != nil {
		return fmt.Errorf("make the schema %s: %w", p.schema, err)
	}
	return nil
}

// note records, before or after something is done outside of the database, that it is.
func (p place) note(ctx context.Context, conn interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, kind, name, what string) error {
	_, err := conn.Exec(ctx, "insert into "+pgx.Identifier{p.schema, madeTable}.Sanitize()+" (kind, name, what) values ($1, $2, $3)", kind, name, what)
	if err != nil {
		return fmt.Errorf("record in the schema %s what is made: %w", p.schema, err)
	}
	return nil
}

// marked gives the schemas with a prefix that carry lkbench's mark and belong to this user, and, in words, those of such a
// name that do not.
func marked(ctx context.Context, conn *pgx.Conn, prefix string) (ours []place, others []string, err error) {
	rows, err := conn.Query(ctx, `select nspname, coalesce(obj_description(oid, 'pg_namespace'), ''), pg_has_role(nspowner, 'usage')
		from pg_namespace where starts_with(nspname, $1) order by nspname`, prefix+"_")
	if err != nil {
		return nil, nil, fmt.Errorf("look for schemas of earlier runs: %w", err)
	}
	var name, comment string
	var owner bool
	shape := schemasOf(prefix)
	_, err = pgx.ForEachRow(rows, []any{&name, &comment, &owner}, func() error {
		p := place{schema: name}
		text, hasMark := strings.CutPrefix(comment, markBegins)
		switch {
		case !shape.MatchString(name):
			// Another program's, or that of a run with a longer prefix.
		case !hasMark || json.Unmarshal([]byte(text), &p.mark) != nil || p.mark.Prefix != name+"_":
			others = append(others, fmt.Sprintf("left schema %s: lkbench did not make it", name))
		case !owner:
			others = append(others, fmt.Sprintf("left schema %s: it belongs to another user; %v", name, p.mark))
		default:
			ours = append(ours, p)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for schemas of earlier runs: %w", err)
	}
	return ours, others, nil
}
