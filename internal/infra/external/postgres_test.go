package external

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

// restricted gives the connection string of a user who has these rights on a database of the shared server, and no others.
func restricted(t *testing.T, rights string) string {
	t.Helper()
	postgres := infratest.Postgres(t)
	u, err := url.Parse(postgres)
	if err != nil {
		t.Fatal("the connection string cannot be parsed")
	}
	name, password, database := "restricted_"+strings.ToLower(rand.Text()), rand.Text(), strings.TrimPrefix(u.Path, "/")
	execute(t, postgres, "create role "+name+" login; revoke all on database "+database+" from public; grant connect on database "+database+" to "+name)
	execute(t, postgres, "alter role "+name+" password '"+password+"'")
	if rights != "" {
		execute(t, postgres, "grant "+rights+" on database "+database+" to "+name)
	}
	t.Cleanup(func() { execute(t, postgres, "drop owned by "+name+" cascade; drop role "+name) })
	u.User = url.UserPassword(name, password)
	return u.String()
}

func TestPostgresConnection(t *testing.T) {
	plain := infratest.Postgres(t)
	authority := infratest.NewAuthority(t)
	server := infratest.StartSecurePostgres(t, authority, nil)
	user := server.User(t, "guest", "")
	with := func(connection string, set map[string]string) string {
		u, err := url.Parse(connection)
		if err != nil {
			t.Fatal("the connection string cannot be parsed")
		}
		q := u.Query()
		for key, value := range set {
			switch key {
			case "password":
				u.User = url.UserPassword(u.User.Username(), value)
			case "database":
				u.Path = value
			case "host":
				u.Host = value + ":" + u.Port()
			default:
				q.Set(key, value)
			}
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, test := range map[string]struct{ postgres, want string }{
		"wrong password":    {with(user, map[string]string{"password": "another-secret"}), "the password is wrong, or the user does not exist"},
		"no password":       {with(user, map[string]string{"password": "", "passfile": "/none"}), "no password was found for this user"},
		"plain to TLS":      {with(user, map[string]string{"sslmode": "disable"}), "takes this user over TLS only: set sslmode to require"},
		"TLS to plain":      {with(plain, map[string]string{"sslmode": "require"}), "does not speak TLS: turn it on there or, on a network you trust, set sslmode=disable"},
		"unknown authority": {with(user, map[string]string{"sslrootcert": infratest.NewAuthority(t).CA}), "name it with sslrootcert=FILE"},
		"another host name": {with(user, map[string]string{"host": "localhost"}), "for another name: connect by a name that it has, or use sslmode=verify-ca"},
		"no such database":  {with(user, map[string]string{"database": "none"}), "make the database, or name another one"},
		"no such name":      {with(user, map[string]string{"host": "no-such-host.invalid"}), "the name is not known here"},
		"nobody listens":    {"postgres://u:" + secret + "@127.0.0.1:1/d?sslmode=disable", "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := infra.PostgresConfig(test.postgres)
			if err != nil {
				t.Fatal(err)
			}
			_, err = reachPostgres(t.Context(), config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			t.Log(err)
			for _, password := range []string{"another-secret", secret, passwordOf(t, user), passwordOf(t, plain)} {
				if strings.Contains(err.Error(), password) {
					t.Errorf("the password is told: %v", err)
				}
			}
		})
	}
	// The good one, and what a role without REPLICATION leads to.
	i := start(t, Provider{Kafka: infratest.Kafka(t, 1), Postgres: user})
	if !strings.Contains(i.NoReplication, "role guest lacks REPLICATION (ALTER ROLE \"guest\" REPLICATION") {
		t.Errorf("NoReplication %q", i.NoReplication)
	}
	i = start(t, Provider{Kafka: infratest.Kafka(t, 1), Postgres: server.User(t, "follower", "REPLICATION")})
	if i.NoReplication != "" {
		t.Errorf("NoReplication %q with the attribute", i.NoReplication)
	}
	if err := fill(t.Context(), i); err != nil {
		t.Error(err)
	}
}

func TestPostgresRights(t *testing.T) {
	server := infratest.StartSecurePostgres(t, infratest.NewAuthority(t), map[string]string{"wal_level": "replica", "max_connections": "40"})
	cluster := infratest.Kafka(t, 1)
	user := server.User(t, "guest", "REPLICATION")
	t.Run("wal_level", func(t *testing.T) {
		i := start(t, Provider{Kafka: cluster, Postgres: user})
		if i.NoReplication != "wal_level is replica, not logical" {
			t.Errorf("NoReplication %q", i.NoReplication)
		}
		if err := fill(t.Context(), i); err != nil {
			t.Error(err)
		}
	})
	for name, test := range map[string]struct{ change, back, want string }{
		"create":            {"revoke create on database lkbench from guest", "grant create on database lkbench to guest", `may not create a schema in the database lkbench: GRANT CREATE ON DATABASE "lkbench" TO "guest"`},
		"temporary":         {"revoke temporary on database lkbench from public", "grant temporary on database lkbench to public", `may not make temporary tables in the database lkbench: GRANT TEMPORARY`},
		"read-only":         {"alter role guest set default_transaction_read_only = on", "alter role guest reset default_transaction_read_only", "read-only by default: ALTER ROLE"},
		"limit of the user": {"alter role guest connection limit 10", "alter role guest connection limit -1", "connections are left for guest, a run may need 30"},
		"limit of the base": {"alter database lkbench connection limit 20", "alter database lkbench connection limit -1", "connections are left for guest"},
	} {
		t.Run(name, func(t *testing.T) {
			execute(t, server.URL, test.change)
			defer execute(t, server.URL, test.back)
			_, err := Provider{Kafka: cluster, Postgres: user}.Start(t.Context(), infra.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	t.Run("connections of others", func(t *testing.T) {
		for range 10 {
			conn, err := pgx.Connect(t.Context(), server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
		}
		_, err := Provider{Kafka: cluster, Postgres: user}.Start(t.Context(), infra.Options{})
		if err == nil || !strings.Contains(err.Error(), "connections are left for guest, a run may need 30: raise max_connections") {
			t.Errorf("got %v", err)
		}
	})
	if got := things(t, cluster, server.URL); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestLacksOfOtherServers(t *testing.T) {
	good := database{Version: 150000, Encoding: "UTF8", MayCreate: true, MayTemporary: true, Connections: 30}
	if lacks := good.lacks(); len(lacks) != 0 {
		t.Errorf("a good one lacks %v", lacks)
	}
	for want, change := range map[string]func(*database){
		"version 14.9 is too old: expected 15": func(d *database) { d.Version, d.VersionText = 140009, "14.9" },
		"is a standby":                         func(d *database) { d.Standby = true },
		"is encoded in SQL_ASCII":              func(d *database) { d.Encoding = "SQL_ASCII" },
	} {
		d := good
		change(&d)
		if lacks := d.lacks(); len(lacks) != 1 || !strings.Contains(lacks[0], want) {
			t.Errorf("lacks %v, want %q", lacks, want)
		}
	}
	for want, d := range map[string]database{
		"no replication slot is free (max_replication_slots)":           {WALLevel: "logical", MayReplicate: true, Senders: 1},
		"no sender of the write-ahead log is free (max_wal_senders)":    {WALLevel: "logical", MayReplicate: true, Slots: 1},
		"role u lacks REPLICATION (ALTER ROLE \"u\" REPLICATION; on Am": {WALLevel: "logical", User: "u"},
	} {
		if got, err := d.replication(t.Context(), nil, ""); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
