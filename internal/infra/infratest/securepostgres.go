package infratest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

// SecurePostgres is a PostgreSQL server of a test's own, as others run them: its users come in over TLS only.
type SecurePostgres struct {
	*infra.Server
	// URL is the connection string of the superuser, who alone does without TLS, to arrange things.
	URL string
	// CA is the PEM file of the authority that has signed the server's certificate, which is for 127.0.0.1.
	CA string
}

// StartSecurePostgres starts one that ends with the test. settings, names and values, replace lkbench's own, for instance
// wal_level; the server has been restarted with them.
func StartSecurePostgres(t testing.TB, authority *Authority, settings map[string]string) *SecurePostgres {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts PostgreSQL; make test does")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	db, err := infra.StartDatabase(ctx, infra.Options{Workspace: w, Executable: executable})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no PostgreSQL: %v", err)
		}
		t.Skipf("no PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	return securePostgres(ctx, t, db.Server, db.URL, authority, settings)
}

// securePostgres turns TLS on in a running server, and all ways in without it off.
func securePostgres(ctx context.Context, t testing.TB, db *infra.Server, superuser string, authority *Authority, settings map[string]string) *SecurePostgres {
	t.Helper()
	certificate, key := authority.Issue(t, "postgres")
	giveToServer(t, certificate, filepath.Join(db.DataDir, "server.crt"))
	giveToServer(t, key, filepath.Join(db.DataDir, "server.key"))
	rules := filepath.Join(t.TempDir(), "pg_hba.conf")
	err := os.WriteFile(rules, []byte("host all lkbench 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	giveToServer(t, rules, filepath.Join(db.DataDir, "pg_hba.conf"))
	statements := []string{"ALTER SYSTEM SET ssl = on"}
	for name, value := range settings {
		statements = append(statements, "ALTER SYSTEM SET "+name+" = '"+value+"'")
	}
	for _, statement := range statements {
		if err := execute(superuser, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	return &SecurePostgres{Server: db, URL: superuser, CA: authority.CA}
}

// giveToServer copies a file into the data directory, for the user as whom the server runs.
func giveToServer(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Dir(to))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(to, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// User makes a user with a random password who may make schemas in the database and nothing else; attributes are those of
// CREATE ROLE, for instance "REPLICATION". It gives the connection string, which checks the server's certificate.
func (s *SecurePostgres) User(t testing.TB, name, attributes string) string {
	t.Helper()
	password := rand.Text()
	config, err := pgx.ParseConfig(s.URL)
	if err != nil {
		t.Fatal("the server's connection string cannot be parsed")
	}
	for _, statement := range []string{
		"CREATE ROLE " + name + " LOGIN " + attributes + " PASSWORD '" + password + "'",
		"GRANT CREATE ON DATABASE " + config.Database + " TO " + name,
		"REVOKE ALL ON SCHEMA public FROM PUBLIC",
	} {
		if err := execute(s.URL, statement); err != nil {
			t.Fatal(strings.ReplaceAll(err.Error(), password, "(hidden)"))
		}
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(name, password), Host: s.Address, Path: config.Database,
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CA}}.Encode(),
	}
	return u.String()
}
