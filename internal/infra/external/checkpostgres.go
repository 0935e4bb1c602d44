package external

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	oldestPostgres = 150000 // publications of single columns, which the observer makes
	// A run's components, probes and the observer take fewer than twenty connections on most machines; the readers of a batch
	// layer grow with the processors.
	connectionsNeeded = 30
	slotTimeout       = 15 * time.Second
	cancelTimeout     = 5 * time.Second // for a server to give up what it was asked to
)

// database is what was found out about a PostgreSQL and the user's rights there.
type database struct {
	Version       int
	VersionText   string
	User, Name    string
	Standby       bool
	ReadOnly      bool
	Encoding      string
	MayCreate     bool
	MayTemporary  bool
	WALLevel      string
	MayReplicate  bool
	Connections   int // that are free for this user
	Slots         int // that are free
	Senders       int // that are free
	Settings      map[string]string
	noReplication string
}

// Of other users' connections one may only see whose they are and in which database: they count by that.
const examination = `
select current_setting('server_version_num')::int, current_setting('server_version'), current_user::text, current_database()::text,
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, current_setting('server_encoding'),
       has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY'),
       current_setting('wal_level'),
       r.rolsuper or r.rolreplication or coalesce((select pg_has_role(oid, 'member') from pg_roles where rolname = 'rds_replication'), false),
       least(case when r.rolconnlimit < 0 then 1000000 else r.rolconnlimit - (select count(*) from pg_stat_activity where usename = current_user) end,
             (select case when datconnlimit < 0 then 1000000 else datconnlimit - (select count(*) from pg_stat_activity where datname = current_database()) end
                from pg_database where datname = current_database()),
             current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true), '0')::int
               - (select count(*) from pg_stat_activity where datid is not null))::int,
       current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int,
       current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication)::int
  from pg_roles r where r.rolname = current_user`

// examineDatabase looks what this user may do, without making anything that stays. What lacks and cannot be done
// without is in lacks, a sentence each.
func examineDatabase(ctx context.Context, config *pgx.ConnConfig, conn *pgx.Conn, prefix string) (database, []string, error) {
	var d database
	err := conn.QueryRow(ctx, examination).Scan(&d.Version, &d.VersionText, &d.User, &d.Name, &d.Standby, &d.ReadOnly, &d.Encoding,
		&d.MayCreate, &d.MayTemporary, &d.WALLevel, &d.MayReplicate, &d.Connections, &d.Slots, &d.Senders)
	if err != nil {
		return d, nil, fmt.Errorf("look what this user may do in PostgreSQL: %w", err)
	}
	lacks := d.lacks()
	if len(lacks) > 0 {
		return d, lacks, nil // a slot would be tried for nothing
	}
	d.noReplication, err = d.replication(ctx, config, prefix)
	return d, nil, err
}

func (d database) lacks() []string {
	var lacks []string
	lack := func(format string, args ...any) { lacks = append(lacks, "PostgreSQL: "+fmt.Sprintf(format, args...)) }
	user, name := pgx.Identifier{d.User}.Sanitize(), pgx.Identifier{d.Name}.Sanitize()
	if d.Version < oldestPostgres {
		lack("version %s is too old: expected 15 or newer", d.VersionText)
	}
	if d.Standby {
		lack("this server is a standby: name the primary's address")
	}
	if d.ReadOnly {
		lack("transactions of %s are read-only by default: ALTER ROLE %s SET default_transaction_read_only = off", d.User, user)
	}
	if d.Encoding != "UTF8" {
		lack("the database %s is encoded in %s: make one with CREATE DATABASE … ENCODING 'UTF8'", d.Name, d.Encoding)
	}
	if !d.MayCreate {
		lack("%s may not create a schema in the database %s: GRANT CREATE ON DATABASE %s TO %s", d.User, d.Name, name, user)
	}
	if !d.MayTemporary {
		lack("%s may not make temporary tables in the database %s: GRANT TEMPORARY ON DATABASE %s TO %s", d.User, d.Name, name, user)
	}
	if d.Connections < connectionsNeeded {
		lack("%d connections are left for %s, a run may need %d: raise max_connections or the limit of the user or database, or close others", max(d.Connections, 0), d.User, connectionsNeeded)
	}
	return lacks
}

// replication says why the write-ahead log cannot be followed here, or "". What can be read from settings is; the rest is
// tried, with a temporary slot that goes with its connection.
func (d database) replication(ctx context.Context, config *pgx.ConnConfig, prefix string) (string, error) {
	switch {
	case d.WALLevel != "logical":
		return fmt.Sprintf("wal_level is %s, not logical", d.WALLevel), nil
	case !d.MayReplicate:
		return fmt.Sprintf("role %s lacks REPLICATION (ALTER ROLE %s REPLICATION; on Amazon RDS: GRANT rds_replication TO %[2]s)", d.User, pgx.Identifier{d.User}.Sanitize()), nil
	case d.Slots < 1:
		return "no replication slot is free (max_replication_slots)", nil
	case d.Senders < 1:
		return "no sender of the write-ahead log is free (max_wal_senders)", nil
	}
	tried, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	err := trySlot(tried, config, prefix+"check")
	if ctx.Err() != nil {
		return "", fmt.Errorf("try to follow the write-ahead log: %w", context.Cause(ctx))
	}
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return "", nil
	case tried.Err() != nil:
		return fmt.Sprintf("no replication slot could be made within %v, as while another session's transaction stays open", slotTimeout), nil
	case errors.As(err, &refused):
		return refused.Message, nil
	}
	return strings.Join(strings.Fields(err.Error()), " "), nil
}

func trySlot(ctx context.Context, config *pgx.ConnConfig, name string) error {
	c := config.Config.Copy()
	c.RuntimeParams["replication"] = "database"
	// A server that waits does not notice that its client has gone, and would keep the slot: when ctx ends, tell it to stop.
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelTimeout}
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = pglogrepl.CreateReplicationSlot(ctx, conn, name, "pgoutput", pglogrepl.CreateReplicationSlotOptions{Temporary: true, Mode: pglogrepl.LogicalReplication})
	if err != nil {
		return err
	}
	// It would go with the connection, but the server is not done with that when it is closed here.
	return pglogrepl.DropReplicationSlot(ctx, conn, name, pglogrepl.DropReplicationSlotOptions{})
}
