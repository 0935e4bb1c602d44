package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// maxPoll bounds the records taken at once, so that a commit that falls due under backlog waits for a few milliseconds
// of decoding at most.
const maxPoll = 10_000

// errEnded ends the goroutines of a component whose context has ended.
var errEnded = errors.New("ended")

// Run does a component's work until ctx ends, then it returns nil. Any error means that the process should end; the
// supervisor starts it again and it resumes from table offsets. It survives restarts of Kafka and of PostgreSQL by
// itself.
func Run(ctx context.Context, config Config) error {
	err := run(ctx, config)
	if ctx.Err() != nil {
		return nil // what was cut off is not in the database, and will be read again
	}
	return err
}

func run(ctx context.Context, config Config) error {
	committer, rows, err := open(ctx, config)
	if err != nil {
		return err
	}
	defer committer.close()
	intake := newIntake(config, rows)
	client, err := newClient(config, intake.start(rows))
	if err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", config.Environment.Kafka, err)
	}
	defer client.Close()

	group, ctx := errgroup.WithContext(ctx)
	polled := make(chan kgo.Fetches)
	group.Go(func() error { return poll(ctx, client, polled) })
	batches := make(chan *Batch)
	done := make(chan *Batch)
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return errEnded
			case b := <-batches:
				// Dead letters first: once the offsets are committed nobody would send them again.
				if err := produce(ctx, client, config.Environment.DeadLetters, b.letters); err != nil {
					return err
				}
				if err := committer.commit(ctx, b); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return errEnded
				case done <- b:
				}
			}
		}
	})
	group.Go(func() error { return feed(ctx, intake, polled, batches, done) })
	return group.Wait()
}

// poll hands on what arrives.
func poll(ctx context.Context, client *kgo.Client, polled chan<- kgo.Fetches) error {
	for {
		fetches := client.PollRecords(ctx, maxPoll)
		if err := fetchError(fetches); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errEnded
		case polled <- fetches:
		}
	}
}

// feed fills a batch while the one before is committed. A commit starts when the last one has ended and the commit
// interval has passed since it started; until then the batch grows, up to its bound.
func feed(ctx context.Context, in *intake, polled <-chan kgo.Fetches, batches chan<- *Batch, done <-chan *Batch) error {
	interval := in.config.Environment.Settings.CommitInterval
	timer := time.NewTimer(0)
	defer timer.Stop()
	var started time.Time // of the last commit
	idle := &Batch{}      // the memory that no commit uses; nil while one runs
	for {
		if idle != nil && in.waiting() {
			wait := interval - time.Since(started)
			if wait <= 0 {
				started = time.Now()
				select {
				case <-ctx.Done():
					return errEnded
				case batches <- in.handOver(idle):
				}
				idle = nil
			} else {
				timer.Reset(wait)
			}
		}
		records := polled
		if in.full() {
			records = nil
		}
		select {
		case <-ctx.Done():
			return errEnded
		case <-timer.C:
		case idle = <-done:
		case fetches := <-records:
			fetches.EachRecord(in.take)
		}
	}
}
