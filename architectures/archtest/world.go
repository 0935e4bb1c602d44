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

// world is a Kafka and a PostgreSQL that the trials share, each with topics and a database of its own.
type world struct {
	instance   *infra.Instance
	executable string
	trials     atomic.Int64
}

func newWorld(t *testing.T) *world {
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
	instance, err := infra.Embedded{}.Start(t.Context(), infra.Options{Workspace: workspace, Executable: executable})
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

// database creates a database and gives its connection string. It is dropped when the test ends.
func (w *world) database(t *testing.T, name string) (string, error) {
	if err := w.execute(t.Context(), "create database "+name); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := w.execute(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	address, err := url.Parse(w.instance.Postgres)
	if err != nil {
		return "", fmt.Errorf("the server's connection string cannot be parsed") // without its password
	}
	address.Path = name
	return address.String(), nil
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
