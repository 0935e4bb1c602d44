package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra"
)

// pausedFor is how long a paused server is watched: shorter than the session after which brokers give each other up.
const pausedFor = 700 * time.Millisecond

// pauses stops each server in its tracks: nothing answers, and afterwards the same connections go on.
func pauses(ctx context.Context, r *running) error {
	if len(r.Servers()) == 0 {
		return r.without("pause and resume")
	}
	var errs []error
	for _, s := range r.Brokers {
		errs = append(errs, r.pauseBroker(ctx, s))
	}
	errs = append(errs, r.pauseDatabase(ctx))
	return errors.Join(append(errs, r.roundTrip(ctx, "paused"))...)
}

// connects counts the connections that a client makes.
type connects struct{ n atomic.Int64 }

func (c *connects) OnBrokerConnect(kgo.BrokerMetadata, time.Duration, net.Conn, error) { c.n.Add(1) }

func (r *running) pauseBroker(ctx context.Context, s *infra.Server) error {
	one := r.Kafka
	one.Brokers = []string{s.Address}
	var made connects
	client, err := one.NewClient(kgo.WithHooks(&made), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	ask := func() error {
		_, err := client.SeedBrokers()[0].Request(ctx, kmsg.NewPtrMetadataRequest())
		return err
	}
	if err := ask(); err != nil {
		return fmt.Errorf("ask the %s: %w", s.Role, err)
	}
	before := made.n.Load()
	if err := hangs(ctx, s, ask); err != nil {
		return err
	}
	if after := made.n.Load(); after != before {
		return fmt.Errorf("the connection to the %s did not outlive the pause: %d more were made", s.Role, after-before)
	}
	return nil
}

func (r *running) pauseDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	ask := func() error {
		var one int
		return conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	}
	if err := ask(); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return hangs(ctx, r.Database, ask)
}

// hangs pauses a server and asks it: the answer must come after the server was resumed, and not before.
func hangs(ctx context.Context, s *infra.Server, ask func() error) error {
	if err := s.Pause(ctx); err != nil {
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- ask() }()
	var errs []error
	early := false
	select {
	case err := <-answered:
		early = true
		errs = append(errs, fmt.Errorf("while the %s was paused it answered (%v)", s.Role, err))
	case <-time.After(pausedFor):
	}
	select {
	case <-s.Done():
		errs = append(errs, fmt.Errorf("the %s ended when it was paused", s.Role))
	default:
	}
	if err := s.Resume(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if !early {
		select {
		case err := <-answered:
			if err != nil {
				errs = append(errs, fmt.Errorf("after the pause the %s did not answer on the same connection: %w", s.Role, err))
			}
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("after the pause the %s does not answer: %w", s.Role, context.Cause(ctx)))
		}
	}
	return errors.Join(errs...)
}
