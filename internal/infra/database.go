package infra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/proc"
)

// startTimeout bounds the time a server may take until it answers; recovery after a crash is part of it.
const startTimeout = 60 * time.Second

// Database is a private PostgreSQL server.
type Database struct {
	*Server
	// URL is the connection string of the superuser, with the password. It must reach no file, screen or command line.
	URL string
}

// StartDatabase starts a private PostgreSQL server with an empty database in the workspace. executable is a program whose
// verb __guard calls proc.Guard. The first call on a machine fetches PostgreSQL or takes the one LKBENCH_POSTGRES_BIN names.
func StartDatabase(ctx context.Context, w *Workspace, executable string) (*Database, error) {
	began := time.Now()
	b, err := postgresBinaries(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := databaseOwner()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.Dir, "postgres")
	if err := copyTree(filepath.Join(b.cache, templateDir), dir, owner); err != nil {
		return nil, fmt.Errorf("copy the template cluster: %w", err)
	}
	for range 5 { // a port can be taken by someone else before the server has it
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		db, err := startDatabase(ctx, w, executable, b, owner, dir, port)
		if err == nil {
			db.StartS = time.Since(began).Seconds()
			return db, nil
		}
		if portFree(port) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, errors.New("start PostgreSQL: five ports in a row were taken before it could listen")
}

func startDatabase(ctx context.Context, w *Workspace, executable string, b binaries, owner *proc.Owner, dir string, port int) (*Database, error) {
	config := filepath.Join(dir, "postgresql.conf")
	if err := os.WriteFile(config, []byte(configuration(databaseSettings(port))), 0o600); err != nil {
		return nil, fmt.Errorf("configure PostgreSQL: %w", err)
	}
	old, err := os.ReadFile(filepath.Join(b.cache, templatePassword))
	if err != nil {
		return nil, fmt.Errorf("read the password of the template cluster: %w", err)
	}
	password := rand.Text()
	s := &Server{
		Role: "database", Address: fmt.Sprintf("127.0.0.1:%d", port), DataDir: dir, Version: b.version,
		workspace: w, log: filepath.Join(w.Dir, "postgres.log"),
	}
	s.launch = func(ctx context.Context) (*proc.Process, error) {
		return proc.StartGuarded(ctx, proc.Spec{
			Name: "PostgreSQL", Executable: filepath.Join(b.bin, "postgres"), Args: []string{"-D", dir}, Dir: dir,
			Log: s.log, StopSignal: syscall.SIGINT, // fast shutdown: does not wait for clients
		}, proc.Guarding{Executable: executable, Owner: owner, End: syscall.SIGQUIT}) // immediate shutdown
	}
	accepted := string(old)
	s.ready = func(ctx context.Context) error { return ping(ctx, databaseURL(port, accepted)) }
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if err := changePassword(ctx, databaseURL(port, accepted), password); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	accepted = password
	return &Database{Server: s, URL: databaseURL(port, password)}, nil
}

func databaseURL(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, password), Host: fmt.Sprintf("127.0.0.1:%d", port),
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
	return nil
}

// lastLines gives the end of a log, for messages.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
