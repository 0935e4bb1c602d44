package images_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// password would break whatever forgets to quote it.
const password = `it's "so" \ secret $HOME`

func postgresOptions(port int) []string {
	return []string{
		"--env", "POSTGRES_USER=analyst", "--env", "POSTGRES_PASSWORD=" + password, "--env", "POSTGRES_DB=bank data",
		"--env", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C --set='work_mem=7 MB'",
		"--publish", fmt.Sprintf("127.0.0.1:%d:5432", port),
	}
}

// database gives how to reach the server, with a password.
func database(t *testing.T, port int, password string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=analyst dbname='bank data' sslmode=disable", port))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = password
	return config
}

func TestPostgres(t *testing.T) {
	need(t, postgresImage)
	major := postgresImage[strings.LastIndex(postgresImage, ":")+1:]
	c, port := runOnPort(t, postgresImage, postgresOptions, "-c", "wal_level=logical", "-c", "cluster_name=o'clock")
	var conn *pgx.Conn
	connect := func(ctx context.Context) (err error) {
		conn, err = pgx.ConnectConfig(ctx, database(t, port, password))
		return err
	}
	c.await("the server answers", connect)
	defer func() { conn.Close(context.Background()) }()

	t.Run("variables and arguments reach the server", func(t *testing.T) {
		for query, want := range map[string]string{
			"select split_part(current_setting('server_version'), '.', 1)": major,
			"show wal_level":               "logical",
			"show cluster_name":            "o'clock",
			"show work_mem":                "7MB",
			"show server_encoding":         "UTF8",
			"show data_directory":          "/var/lib/postgresql/" + major + "/docker",
			"show unix_socket_directories": "/var/run/postgresql",
			"show fsync":                   "on",
			"select usesuper::text from pg_user where usename = current_user":                      "true",
			"select datcollate from pg_database where datname = current_database()":                "C",
			"select count(*)::text from pg_available_extensions where name = 'pg_stat_statements'": "1",
		} {
			var got string
			if err := conn.QueryRow(t.Context(), query).Scan(&got); err != nil || got != want {
				t.Errorf("%s: expected %q, got %q, %v", query, want, got, err)
			}
		}
	})
	t.Run("nobody enters without the password", func(t *testing.T) {
		for _, wrong := range []string{"", "wrong", password + " "} {
			stranger, err := pgx.ConnectConfig(t.Context(), database(t, port, wrong))
			if err == nil {
				stranger.Close(t.Context())
			}
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "28P01" {
				t.Errorf("password %q: expected 28P01, got %v", wrong, err)
			}
		}
	})
	t.Run("logical replication", func(t *testing.T) {
		config := database(t, port, password)
		config.RuntimeParams["replication"] = "database"
		follower, err := pgconn.ConnectConfig(t.Context(), &config.Config)
		if err != nil {
			t.Fatal(err)
		}
		defer follower.Close(context.Background())
		if _, err := follower.Exec(t.Context(), "CREATE_REPLICATION_SLOT seen TEMPORARY LOGICAL pgoutput").ReadAll(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("user, process and tools", func(t *testing.T) {
		if who := c.exec("stat -c %U /proc/1; cat /proc/1/comm"); who != "postgres\npostgres" {
			t.Errorf("expected postgres as user and name of the first process, got %q", who)
		}
		size, err := strconv.Atoi(strings.Fields(c.exec("du -sk $PGDATA"))[0])
		if err != nil || size < 1000 {
			t.Errorf("size of the data in KiB: %d, %v", size, err)
		}
		if ready := c.exec("pg_isready --host /var/run/postgresql"); !strings.Contains(ready, "accepting connections") {
			t.Errorf("pg_isready: %s", ready)
		}
	})

	if _, err := conn.Exec(t.Context(), "create table kept as select 42 as number"); err != nil {
		t.Fatal(err)
	}
	c.do("kill")
	c.do("start")
	c.await("the server answers after a SIGKILL", connect)
	var number int
	if err := conn.QueryRow(t.Context(), "select number from kept").Scan(&number); err != nil || number != 42 {
		t.Errorf("what was committed before the SIGKILL: %d, %v", number, err)
	}
	c.do("stop", "--time", "120")
	if code := property(t, c.id, "{{.State.ExitCode}}"); code != "0" {
		t.Errorf("docker stop: expected the server to end in order, got exit code %s\n%s", code, c.log())
	}
}

// TestPostgresRefuses tries starts that would give a server other than was meant.
func TestPostgresRefuses(t *testing.T) {
	need(t, postgresImage)
	for name, test := range map[string]struct {
		options []string
		says    string
	}{
		"no password":        {nil, "POSTGRES_PASSWORD"},
		"two passwords":      {[]string{"--env", "POSTGRES_PASSWORD=a", "--env", "POSTGRES_PASSWORD_FILE=/etc/passwd"}, "POSTGRES_PASSWORD_FILE"},
		"volume of before":   {[]string{"--env", "POSTGRES_PASSWORD=a", "--volume", "/var/lib/postgresql/data"}, "/var/lib/postgresql/data"},
		"argument of initdb": {[]string{"--env", "POSTGRES_PASSWORD=a", "--env", "POSTGRES_INITDB_ARGS=--no-such"}, "no-such"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := run(t, test.options, postgresImage)
			if err != nil {
				t.Fatal(err)
			}
			if code := c.do("wait"); code == "0" || !strings.Contains(c.log(), test.says) {
				t.Errorf("expected a failure that names %s, got exit code %s and\n%s", test.says, code, c.log())
			}
		})
	}
}
