package archtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

// stopWithin bounds how long anything may take to end.
const stopWithin = 20 * time.Second

// startWithin bounds how long servers may take to start, with all that has to be fetched for them once.
const startWithin = 5 * time.Minute

// world is a Kafka and a PostgreSQL that the trials share, each with topics and a database of its own; on servers of others
// with a schema of its own.
type world struct {
	instance   *infra.Instance
	executable string
	trials     atomic.Int64
}

func newWorld(t *testing.T, provider infra.Provider) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts and kills processes, PostgreSQL and Kafka; make test does")
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	workspace, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := workspace.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	instance, err := provider.Start(ctx, infra.Options{Workspace: workspace, Executable: executable, Note: func(m string) { t.Log(m) }})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if err := instance.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &world{instance: instance, executable: executable}
}

// place gives a trial its name, which begins those of its topics, and the connection string of an empty database, or of an
// empty schema on servers of others. That is dropped when the test ends.
func (w *world) place(t *testing.T) (name, postgres string, err error) {
	name = fmt.Sprint(w.instance.Prefix, "trial", w.trials.Add(1))
	create, drop := "create database "+name, "drop database "+name+" with (force)"
	if w.instance.Prefix != "" {
		create, drop = "create schema "+name, "drop schema "+name+" cascade"
	}
	if err := w.execute(t.Context(), create); err != nil {
		return "", "", err
	}
	t.Cleanup(func() {
		if err := w.execute(context.Background(), drop); err != nil {
			t.Error(err)
		}
	})
	if w.instance.Prefix != "" {
		postgres, err = infra.WithSchema(w.instance.Postgres, name)
		return name, postgres, err
	}
	address, err := url.Parse(w.instance.Postgres)
	if err != nil {
		return "", "", fmt.Errorf("the server's connection string cannot be parsed") // without its password
	}
	address.Path = name
	return name, address.String(), nil
}

func (w *world) execute(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.instance.Postgres)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
