package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/internal/proc"
	"lkbench/internal/runner"
)

// deployment is an architecture in a database of its own.
type deployment struct {
	architectures.System
	arch  architectures.Architecture
	env   architectures.Environment
	admin string // connection string of the server's first database
}

// database is the name of the deployment's database: there is one at a time.
const database = "bench"

// deploy makes the tables and views of an architecture in a fresh database. It must be dropped.
func deploy(ctx context.Context, instance *infra.Instance, arch architectures.Architecture, batchEvery time.Duration) (*deployment, error) {
	address, err := url.Parse(instance.Postgres)
	if err != nil {
		return nil, errors.New("the server's connection string is no URL") // err would show the password
	}
	address.Path = database
	d := &deployment{arch: arch, admin: instance.Postgres, env: architectures.Environment{
		Kafka: instance.Kafka, Topic: topic, DeadLetters: deadLetters, Partitions: partitions,
		Postgres: address.String(), Rules: bank.DefaultRules(),
		Settings: architectures.Settings{CommitInterval: 10 * time.Millisecond, BatchEvery: batchEvery},
	}}
	if err := execute(ctx, d.admin, "create database "+database); err != nil {
		return nil, err
	}
	if d.System, err = arch.Deploy(ctx, d.env); err != nil {
		return nil, errors.Join(err, execute(ctx, d.admin, "drop database "+database))
	}
	return d, nil
}

// drop ends the deployment with its data. Its components must have ended.
func (d *deployment) drop(ctx context.Context) error {
	d.System.Close()
	return execute(context.WithoutCancel(ctx), d.admin, "drop database "+database+" with (force)")
}

// start starts one component, as the runner does.
func (b *Bench) start(d *deployment, component string) (*proc.Process, error) {
	input, err := json.Marshal(d.env)
	if err != nil {
		return nil, err
	}
	return proc.Start(proc.Spec{
		Name: component, Executable: b.Executable, Args: []string{runner.ComponentVerb, d.arch.Name(), component},
		Log: filepath.Join(b.Dir, component+".log"), Input: input,
	})
}

// await asks every ten milliseconds until done says so, and fails if the component ends before.
func await(ctx context.Context, p *proc.Process, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Done():
			return fmt.Errorf("component %s ended: %w", p.Name(), p.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// execute runs statements on a connection of their own.
func execute(ctx context.Context, postgres string, statements ...string) error {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
