package docker

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

const (
	postgresPort = 5432
	// databaseUser owns the database and is its superuser.
	databaseUser = "lkbench"
	databaseName = "lkbench"
	// postgresVolume is a directory of our own: the defaults of the versions of the image differ.
	postgresVolume = "/var/lib/lkbench"
	// passwordFile is copied into the container before it starts. In a variable, the password would stand in what
	// "docker inspect" shows; whoever may use the engine can read the file too, but must go and look for it.
	passwordFile = "/etc/lkbench-password"
)

// databaseServer is PostgreSQL in a container.
type databaseServer struct {
	*infra.Server
	unit *unit
	url  string // with the password: must reach no file, screen or command line
}

// startDatabase starts PostgreSQL with an empty database.
func (p Provider) startDatabase(ctx context.Context, r *run) (*databaseServer, error) {
	return infra.OnFreePort(func(port int) (*databaseServer, error) {
		password := rand.Text()
		db := &databaseServer{url: databaseURL(port, password)}
		command := []string{"postgres"}
		for _, s := range infra.DatabaseSettings() {
			command = append(command, "-c", s.Name+"="+s.Value)
		}
		var err error
		db.Server, err = p.run(ctx, r, port, server{
			role: "database", image: p.PostgresImage, command: command,
			env: map[string]string{
				"POSTGRES_USER": databaseUser, "POSTGRES_DB": databaseName, "POSTGRES_PASSWORD_FILE": passwordFile,
				"PGDATA": path.Join(postgresVolume, "data"), "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C",
			},
			files: map[string]string{passwordFile: password},
			port:  postgresPort, data: postgresVolume, log: "postgres.log",
			stopSignal: "SIGINT", // does not wait for clients
			// On its first start the image initialises the database with a server that has no port: who answers is the real one.
			ready: func(ctx context.Context) error { return ping(ctx, db.url) },
		})
		if err != nil {
			return nil, err
		}
		db.unit = db.Unit.(*unit)
		return db, nil
	})
}

func databaseURL(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(databaseUser, password), Host: address(port),
		Path: databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	// What an image lacks shows here, not in the middle of a run.
	if _, err := conn.Exec(ctx, "LOAD 'pgoutput'"); err != nil {
		return fmt.Errorf("this PostgreSQL has no logical decoding plugin pgoutput, which the observer needs: %w", err)
	}
	return nil
}

// postgresSettings are what the server reports and what the engine was told. They also give the server its version.
func (p Provider) postgresSettings(ctx context.Context, r *run, db *databaseServer) (map[string]string, error) {
	settings, err := infra.ReadDatabaseSettings(ctx, db.url)
	if err != nil {
		return nil, err
	}
	version, _, _ := strings.Cut(settings["server_version"], " ")
	db.Version = "PostgreSQL " + version
	return settings, p.describe(ctx, r, db.unit, db.DataDir, p.PostgresImage, settings)
}
