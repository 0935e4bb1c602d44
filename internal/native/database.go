package native

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lkbench/architectures"
	"lkbench/internal/network"
)

// Address says how a component's process reaches PostgreSQL: over its network, and by its name in the server's list of
// sessions.
func Address(env architectures.Environment, component string) (*pgx.ConnConfig, error) {
	address, err := pgx.ParseConfig(env.Postgres)
	if err != nil {
		return nil, err
	}
	address.RuntimeParams["application_name"] = sessionName(component)
	address.DialFunc = pgconn.DialFunc(env.Network.Dialer(network.Postgres))
	return address, nil
}

func sessionName(component string) string { return "lkbench " + component }

// Database is one connection to PostgreSQL for looking at an architecture from outside: opened when it is first needed,
// opened again after it was lost. It is safe for concurrent use; calls wait for each other.
type Database struct {
	address string
	mu      sync.Mutex
	conn    *pgx.Conn
}

// NewDatabase does not connect yet.
func NewDatabase(postgres string) *Database { return &Database{address: postgres} }

// Do calls f with the connection. After an error that ended the connection the next call opens a new one.
func (d *Database) Do(ctx context.Context, f func(*pgx.Conn) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil || d.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, d.address)
		if err != nil {
			return err // pgx names host and database, and leaves out the password
		}
		d.conn = conn
	}
	return f(d.conn)
}

// Close ends the connection.
func (d *Database) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		// Nothing is in flight, and there is nobody to tell about a connection that does not end politely.
		_ = d.conn.Close(context.Background())
		d.conn = nil
	}
}

// Deploy runs Schema and then the architecture's own script, in one transaction.
func (d *Database) Deploy(ctx context.Context, script string) error {
	return d.Do(ctx, func(conn *pgx.Conn) error {
		// Statements that are sent as one text are one transaction.
		if _, err := conn.Exec(ctx, Schema+script); err != nil {
			return fmt.Errorf("create tables and views: %w", err)
		}
		return nil
	})
}

// Positions reads table offsets: how far every stream component has durably come, ordered by component and partition.
func (d *Database) Positions(ctx context.Context) ([]architectures.Position, error) {
	var positions []architectures.Position
	err := d.Do(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select component, partition, next_offset, late, duplicates, dead_letters
			from offsets order by component, partition`)
		if err != nil {
			return err
		}
		positions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[architectures.Position])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read table offsets: %w", err)
	}
	return positions, nil
}
