package external

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	aliveEvery = time.Second     // how often the lock's connection is looked at
	aliveReply = 3 * time.Second // how long it may take to answer
)

// lockKey is the key of the advisory lock that a run with a schema holds as long as it lives.
func lockKey(schema string) int64 {
	h := fnv.New64a()
	h.Write([]byte("lkbench " + schema))
	return int64(h.Sum64())
}

// alive holds the lock of a run. When its connection breaks, as when the database restarts, it takes the lock again.
type alive struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// stayAlive takes the lock of a schema, which nobody may hold, and keeps it until release.
func stayAlive(ctx context.Context, config *pgx.ConnConfig, schema string) (*alive, error) {
	conn, err := reachPostgres(ctx, patient(config))
	if err != nil {
		return nil, err
	}
	got, err := tryLock(ctx, conn, schema)
	if err == nil && !got {
		err = errors.New("another run holds it")
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error matters
		return nil, fmt.Errorf("take the lock that shows that the run of schema %s lives: %w", schema, err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a := &alive{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for conn != nil {
			watch(running, conn)
			conn = again(running, config, schema)
		}
	}()
	return a, nil
}

// release gives the lock back.
func (a *alive) release() {
	a.cancel()
	<-a.done
}

// patient makes the server notice soon when this machine vanishes, and not mind a connection that does little.
func patient(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	for name, value := range map[string]string{
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "idle_session_timeout": "0", "lock_timeout": "0", "statement_timeout": "0",
	} {
		config.RuntimeParams[name] = value
	}
	return config
}

func tryLock(ctx context.Context, conn *pgx.Conn, schema string) (got bool, err error) {
	err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", lockKey(schema)).Scan(&got)
	return got, err
}

// watch returns when the connection is lost or ctx ends, and closes it.
func watch(ctx context.Context, conn *pgx.Conn) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(aliveEvery):
			within, cancel := context.WithTimeout(ctx, aliveReply)
			_, err := conn.Exec(within, "select 1")
			cancel()
			if err != nil {
				closeSoon(conn)
				return
			}
		}
	}
	closeSoon(conn)
}

// again connects and takes the lock, however often it takes; nil when ctx ends. It waits for the lock: a sweeper that has it
// sees by this that the run lives, and gives it back.
func again(ctx context.Context, config *pgx.ConnConfig, schema string) *pgx.Conn {
	for ctx.Err() == nil {
		if conn, err := reachPostgres(ctx, patient(config)); err == nil {
			if _, err = conn.Exec(ctx, "select pg_advisory_lock($1)", lockKey(schema)); err == nil {
				return conn
			}
			closeSoon(conn)
		}
		select {
		case <-ctx.Done():
		case <-time.After(aliveEvery / 5):
		}
	}
	return nil
}

func closeSoon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it may be broken already
}

// waitedFor gives those of the schemas for whose lock, which this connection holds, somebody waits.
func waitedFor(ctx context.Context, conn *pgx.Conn, schemas []place) (map[string]bool, error) {
	rows, err := conn.Query(ctx, `select (classid::bigint << 32) | objid::bigint from pg_locks
		where locktype = 'advisory' and objsubid = 1 and not granted and database = (select oid from pg_database where datname = current_database())`)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, err
	}
	waited := map[string]bool{}
	for _, p := range schemas {
		for _, key := range keys {
			if key == lockKey(p.schema) {
				waited[p.schema] = true
			}
		}
	}
	return waited, nil
}
