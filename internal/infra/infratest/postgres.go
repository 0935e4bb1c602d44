// Package infratest gives tests a private PostgreSQL server and an in-process broker.
package infratest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// workspaceVariable tells the guard of the shared server which directory to remove; the server's data directory, its last
// argument, lies in it.
const workspaceVariable = "LKBENCH_TEST_WORKSPACE"

// A test binary that imports this package is also the guard of its servers and the embedded broker: there is no other
// program that could be. The guard outlives the tests and removes their temporary directory, which no test could do for
// the last of them.
func init() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case infra.BrokerVerb:
		if err := infra.Broker(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case proc.GuardVerb:
		code := proc.Guard(os.Args[2:], os.Stdin)
		// A test may run servers of its own, which have the variable too.
		if dir := os.Getenv(workspaceVariable); dir != "" && strings.HasPrefix(os.Args[len(os.Args)-1], dir+string(os.PathSeparator)) {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		os.Exit(code)
	}
}

// server is the one server of a test binary.
var server = sync.OnceValues(func() (*infra.Database, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // the first time on a machine it is fetched
	defer cancel()
	if _, err := infra.Sweep(ctx, nil); err != nil { // what earlier test binaries have left
		return nil, err
	}
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.Setenv(workspaceVariable, w.Dir); err != nil {
		return nil, err
	}
	return infra.StartDatabase(ctx, infra.Options{Workspace: w, Executable: executable})
})

// Postgres gives the connection string of an empty database on a private server (wal_level logical, durable) that the test
// binary's tests share and that ends with the binary. The database is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts PostgreSQL; make test does")
	}
	db, err := server()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no PostgreSQL: %v", err)
		}
		t.Skipf("no PostgreSQL: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(db.URL, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(db.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal("the server's connection string cannot be parsed")
	}
	u.Path = name
	return u.String()
}

func execute(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
