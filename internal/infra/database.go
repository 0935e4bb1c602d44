package infra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shirou/gopsutil/v4/disk"

	"lkbench/internal/proc"
)

// databaseDir is the data directory's name in a workspace.
const databaseDir = "postgres"

// Database is a private PostgreSQL server.
type Database struct {
	*Server
	unit *processes
	// URL is the connection string of the superuser, with the password. It must reach no file, screen or command line.
	URL string
}

// StartDatabase starts a private PostgreSQL server with an empty database. The first call on a machine fetches PostgreSQL,
// unless LKBENCH_POSTGRES_BIN names the directory of an installed one's programs.
func StartDatabase(ctx context.Context, options Options) (*Database, error) {
	began := time.Now()
	b, err := postgresBinaries(ctx, options.Note)
	if err != nil {
		return nil, err
	}
	owner, err := databaseOwner()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(options.Workspace.Dir, databaseDir)
	if options.DatabaseDisk > 0 {
		if err := mountMemory(dir, options.DatabaseDisk, owner); err != nil {
			return nil, err
		}
	}
	if err := copyTree(filepath.Join(b.cache, templateDir), dir, owner); err != nil {
		return nil, fmt.Errorf("copy the template cluster: %w", err)
	}
	db, err := OnFreePort(func(port int) (*Database, error) {
		return startDatabase(ctx, options, b, owner, dir, port)
	})
	if err != nil {
		return nil, err
	}
	db.StartS = time.Since(began).Seconds()
	return db, nil
}

func startDatabase(ctx context.Context, options Options, b binaries, owner *proc.Owner, dir string, port int) (*Database, error) {
	config := filepath.Join(dir, "postgresql.conf")
	settings := databaseSettings(port)
	if options.DatabaseDisk > 0 { // the last one counts
		settings = append(settings, Setting{"max_wal_size", fmt.Sprintf("%dMB", options.DatabaseDisk>>22), "a quarter of the database's own disk"})
	}
	if err := os.WriteFile(config, []byte(configuration(settings)), 0o600); err != nil {
		return nil, fmt.Errorf("configure PostgreSQL: %w", err)
	}
	accepted, err := os.ReadFile(filepath.Join(b.cache, templatePassword))
	if err != nil {
		return nil, fmt.Errorf("read the password of the template cluster: %w", err)
	}
	db := &Database{URL: databaseURL(port, string(accepted))}
	db.unit = &processes{
		what: "the database on " + address(port), workspace: options.Workspace, log: filepath.Join(options.Workspace.Dir, "postgres.log"),
		launch: func(ctx context.Context) (*proc.Process, error) {
			return proc.StartGuarded(ctx, proc.Spec{
				Name: "PostgreSQL", Executable: filepath.Join(b.bin, "postgres"), Args: []string{"-D", dir}, Dir: dir,
				Log: filepath.Join(options.Workspace.Dir, "postgres.log"), StopSignal: syscall.SIGINT, // does not wait for clients
			}, proc.Guarding{Executable: options.Executable, Owner: owner, End: syscall.SIGQUIT}) // neither for a checkpoint
		},
		ready: func(ctx context.Context, _ *proc.Process) error { return ping(ctx, db.URL) },
	}
	db.Server = newServer("database", port, dir, "PostgreSQL "+b.version, db.unit)
	if err := db.unit.Start(ctx); err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := changePassword(ctx, db.URL, password); err != nil {
		return nil, errors.Join(err, db.unit.discard())
	}
	db.URL = databaseURL(port, password)
	return db, nil
}

func databaseURL(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, password), Host: address(port),
		Path: databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func changePassword(ctx context.Context, url, password string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	// The password is letters and digits: nothing to quote.
	if _, err := conn.Exec(ctx, "ALTER ROLE "+superuser+" PASSWORD '"+password+"'"); err != nil {
		return fmt.Errorf("set the run's password: %w", err)
	}
	// What an incomplete installation lacks shows here, not in the middle of a run.
	if _, err := conn.Exec(ctx, "LOAD 'pgoutput'"); err != nil {
		return fmt.Errorf("this PostgreSQL has no logical decoding plugin pgoutput, which the observer needs: %w", err)
	}
	return nil
}

// readDatabaseSettings is ReadDatabaseSettings and the file system of the data: on one in memory durability would cost
// nothing, and a reader must be able to see that.
func readDatabaseSettings(ctx context.Context, db *Database) (map[string]string, error) {
	settings, err := ReadDatabaseSettings(ctx, db.URL)
	if err != nil {
		return nil, err
	}
	usage, err := disk.UsageWithContext(ctx, db.DataDir)
	if err != nil {
		return nil, fmt.Errorf("find the file system of %s: %w", db.DataDir, err)
	}
	settings["data_directory_filesystem"] = usage.Fstype
	return settings, nil
}

// ReadDatabaseSettings asks a server for its settings: those that lkbench sets on its own, and some whose default differs
// between versions.
func ReadDatabaseSettings(ctx context.Context, url string) (map[string]string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL's settings: %w", err)
	}
	defer conn.Close(ctx)
	names := []string{
		"server_version", "data_checksums", "autovacuum", "checkpoint_completion_target", "effective_cache_size",
		"effective_io_concurrency", "io_method", "max_parallel_workers", "max_parallel_workers_per_gather", "max_worker_processes",
		"random_page_cost", "wal_buffers", "wal_compression", "wal_sync_method", "default_transaction_isolation", "server_encoding",
	}
	for _, s := range databaseSettings(0) {
		if s.Name != "port" { // differs from run to run and means nothing
			names = append(names, s.Name)
		}
	}
	// PostgreSQL writes some names with capitals (TimeZone), and takes them in any way.
	rows, err := conn.Query(ctx, "SELECT lower(name), current_setting(name) FROM pg_settings WHERE lower(name) = ANY($1)", names)
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL's settings: %w", err)
	}
	settings := make(map[string]string)
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { settings[name] = value; return nil }); err != nil {
		return nil, fmt.Errorf("read PostgreSQL's settings: %w", err)
	}
	return settings, nil
}
