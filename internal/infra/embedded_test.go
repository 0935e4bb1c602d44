package infra

import (
	"bytes"
	"context"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/shirou/gopsutil/v4/process"
)

func query(t *testing.T, url, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func TestSettingsAreDurable(t *testing.T) {
	i, _ := startInstance(t)
	want := map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "logical", "shared_buffers": "512MB",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "server_encoding": "UTF8",
	}
	check := func(settings map[string]string) {
		t.Helper()
		for name, value := range want {
			if got, ok := settings[name]; !ok || got != value {
				t.Errorf("setting %s is %q, want %q", name, got, value)
			}
		}
	}
	check(i.PostgresSettings)
	if i.PostgresSettings["data_directory_filesystem"] == "" || i.PostgresSettings["server_version"] == "" {
		t.Errorf("the file system or the version is missing: %v", i.PostgresSettings)
	}
	if i.KafkaSettings["message.max.bytes"] != "1048588" || i.KafkaSettings["default.replication.factor"] != "1" {
		t.Errorf("the broker's settings are %v", i.KafkaSettings)
	}
	if got := query(t, i.Postgres, "SELECT datcollate || ' ' || current_database() FROM pg_database WHERE datname = current_database()"); got != "C lkbench" {
		t.Errorf("collation and database are %q, want C and lkbench", got)
	}
	if err := i.Database.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.Database.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := readDatabaseSettings(t.Context(), &Database{Server: i.Database, URL: i.Postgres})
	if err != nil {
		t.Fatal(err)
	}
	check(again)
}

func TestPasswordStaysSecret(t *testing.T) {
	i, w := startInstance(t)
	u, err := url.Parse(i.Postgres)
	if err != nil {
		t.Fatal("the connection string cannot be parsed")
	}
	password, _ := u.User.Password()
	if len(password) < 20 {
		t.Fatalf("the password has %d characters, want at least 20", len(password))
	}
	u.User = url.UserPassword(u.User.Username(), "wrong")
	if conn, err := pgx.Connect(t.Context(), u.String()); err == nil {
		conn.Close(t.Context())
		t.Error("the server accepts a wrong password")
	}
	all, err := process.ProcessesWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if line, err := p.CmdlineWithContext(t.Context()); err == nil && strings.Contains(line, password) {
			t.Errorf("the password stands in the command line of process %d", p.Pid)
		}
	}
	files := 0
	err = filepath.WalkDir(w.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "pg_wal" {
			return nil // the log of changes holds it only as a hash, and is large
		}
		files++
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(password)) {
			t.Errorf("the password stands in %s", path)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("looked at %d files, %v", files, err)
	}
}

func TestStartThatFailsLeavesNothing(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, o *Options)
		want    string
	}{
		{"no programs", func(t *testing.T, _ *Options) { t.Setenv(installedBinaries, "/no/such/directory") },
			"LKBENCH_POSTGRES_BIN=/no/such/directory: "},
		{"database does not start", func(t *testing.T, o *Options) {
			cache := ownCache(t)
			damaged := filepath.Join(cache, "postgres-"+string(postgresVersion))
			copyCache(t, damaged)
			if err := os.WriteFile(filepath.Join(damaged, templateDir, "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			w, err := NewWorkspace(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			o.Workspace = w
		}, "FATAL"},
		{"program without the verbs", func(_ *testing.T, o *Options) { o.Executable = "/bin/cat" }, "start the "},
		{"cancelled", func(*testing.T, *Options) {}, "cancel"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			needPostgres(t)
			options := Options{Workspace: newWorkspace(t), Executable: os.Args[0]}
			test.prepare(t, &options)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.want == "cancel" {
				cancel()
			}
			i, err := Embedded{}.Start(ctx, options)
			if err == nil {
				_ = i.Stop(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			for _, id := range below(t) {
				if id.Alive() {
					t.Errorf("after the error lives: %s", command(id.PID))
				}
			}
		})
	}
}

// copyCache replaces a link into the shared cache by a copy.
func copyCache(t *testing.T, dir string) {
	t.Helper()
	shared, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := databaseOwner()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(shared, "install"), filepath.Join(dir, "install")); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(filepath.Join(shared, templatePassword), filepath.Join(dir, templatePassword)); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(filepath.Join(shared, templateDir), filepath.Join(dir, templateDir), owner); err != nil {
		t.Fatal(err)
	}
}
