package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

// description examines what the record of a run is made of.
func description(_ context.Context, r *running) error {
	var errs []error
	for what, there := range map[string]bool{
		"KafkaVersion": r.KafkaVersion != "", "PostgresVersion": r.PostgresVersion != "", "Label": r.Label != "",
		"KafkaSettings": len(r.KafkaSettings) > 0, "PostgresSettings": len(r.PostgresSettings) > 0,
		"Kafka.Brokers": len(r.Kafka.Brokers) > 0, "Postgres": r.Postgres != "", "Replication": r.Replication != 0,
	} {
		if !there {
			errs = append(errs, fmt.Errorf("the instance does not tell its %s", what))
		}
	}
	for _, settings := range []map[string]string{r.KafkaSettings, r.PostgresSettings} {
		for name := range settings {
			if name == "" {
				errs = append(errs, errors.New("a setting has no name"))
			}
		}
	}
	if (len(r.Brokers) == 0) != (r.Database == nil) {
		errs = append(errs, errors.New("it has a server of one kind only"))
	}
	roles := map[string]bool{}
	for n, s := range r.Brokers {
		want := "broker"
		if len(r.Brokers) > 1 {
			want = fmt.Sprint("broker-", n+1)
		}
		if s.Role != want {
			errs = append(errs, fmt.Errorf("the role of broker %d is %q, want %q", n+1, s.Role, want))
		}
	}
	if r.Database != nil && r.Database.Role != "database" {
		errs = append(errs, fmt.Errorf("the role of the database is %q", r.Database.Role))
	}
	for _, s := range r.Servers() {
		if roles[s.Role] {
			errs = append(errs, fmt.Errorf("two servers have the role %s", s.Role))
		}
		roles[s.Role] = true
		errs = append(errs, described(s))
	}
	return errors.Join(errs...)
}

func described(s *infra.Server) error {
	var errs []error
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil || net.ParseIP(host) == nil || !net.ParseIP(host).IsLoopback() {
		errs = append(errs, fmt.Errorf("the address of the %s is %q, want host:port on loopback", s.Role, s.Address))
	}
	if s.Version == "" || s.DataDir == "" || s.StartS <= 0 {
		errs = append(errs, fmt.Errorf("the %s does not tell all of version %q, directory %q, seconds to start %v", s.Role, s.Version, s.DataDir, s.StartS))
	}
	if processes := s.PIDs != nil && len(s.PIDs()) > 0; processes == (s.Container != "") {
		errs = append(errs, fmt.Errorf("the %s must have either processes or a container", s.Role))
	}
	if (s.Usage != nil) != (s.Container != "") {
		errs = append(errs, fmt.Errorf("the %s must tell its usage if it is a container, and only then", s.Role))
	}
	if s.Disk == nil {
		errs = append(errs, fmt.Errorf("the %s does not tell the space its data takes", s.Role))
	}
	return errors.Join(errs...)
}

// cannot examines whether what an instance says of its limits is true.
func cannot(ctx context.Context, r *running) error {
	var errs []error
	for _, what := range r.Cannot {
		if strings.TrimSpace(what) == "" {
			errs = append(errs, errors.New("one of the things it cannot do is empty"))
		}
	}
	if len(r.Servers()) == 0 && len(r.Cannot) == 0 {
		errs = append(errs, errors.New("it has no servers to disturb and to account, but says of nothing that it cannot be done"))
	}
	follows := r.replicates(ctx)
	switch {
	case r.NoReplication == "" && follows != nil:
		errs = append(errs, fmt.Errorf("it does not say that the write-ahead log cannot be followed, but: %w", follows))
	case r.NoReplication != "" && follows == nil:
		errs = append(errs, fmt.Errorf("it says that the write-ahead log cannot be followed (%s), but it can", r.NoReplication))
	case r.NoReplication != "":
		r.say("no replication: %s; tried: %v", r.NoReplication, follows)
	}
	return errors.Join(errs...)
}

// replicates tries what a follower of the write-ahead log needs.
func (r *running) replicates(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	name := r.Prefix + "conform"
	if _, err := conn.Exec(ctx, "CREATE TABLE conform_followed (id bigint PRIMARY KEY)"); err != nil {
		return fmt.Errorf("create a table: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE PUBLICATION "+pgx.Identifier{name}.Sanitize()+" FOR TABLE conform_followed"); err != nil {
		return fmt.Errorf("create a publication: %w", err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_create_logical_replication_slot($1, 'pgoutput', true)", name); err != nil {
		return fmt.Errorf("create a replication slot: %w", err)
	}
	_, err = conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", name)
	return err
}
