package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// onTheirWay is the number of batches that can be handed over: one is written while one is folded.
const onTheirWay = 2

// lookEvery is how long a component that has nothing to commit goes without looking whether it was replaced.
const lookEvery = time.Second

// errEnded ends the goroutines of a component whose context has ended, errReached those of one that has come to its bounds.
var (
	errEnded   = errors.New("ended")
	errReached = errors.New("everything below the bounds is committed")
)

// Run does a component's work until ctx ends, then it returns nil. Any error means that the process should end; the
// supervisor starts it again and it resumes from table offsets. It survives restarts of Kafka and of PostgreSQL by
// itself.
func Run(ctx context.Context, config Config) error {
	err := run(ctx, config, usual)
	if ctx.Err() != nil {
		return nil // what was cut off is not in the database, and will be read again
	}
	return err
}

func run(ctx context.Context, config Config, bounds bounds) error {
	committer, rows, err := open(ctx, config)
	if err != nil {
		return err
	}
	defer committer.close()
	defer beside(ctx, config.Beside)()
	return pump(ctx, committer, newIntake(committer.config, bounds, rows))
}

// beside runs f, if there is one, until end is called.
func beside(ctx context.Context, f func(context.Context)) (end func()) {
	if f == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// pump works from where the intake stands until ctx ends, or returns nil when everything below the intake's bounds is
// committed. Then it can be called again.
func pump(ctx context.Context, committer *committer, intake *intake) error {
	if intake.bounded() {
		return nil
	}
	config := committer.config
	start := intake.start()
	client, err := newClient(config, start)
	if err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", config.Environment.Kafka, err)
	}
	defer client.Close()
	committer.produce = func(ctx context.Context, letters []letter) error {
		return produce(ctx, client, config.Environment.DeadLetters, letters)
	}

	group, ctx := errgroup.WithContext(ctx)
	polled := make(chan kgo.Fetches)
	group.Go(func() error { return poll(ctx, &reader{config, client, start}, intake.bounds.poll, polled) })
	batches := make(chan *Batch, onTheirWay)
	folded := make(chan *Batch)
	done := make(chan *Batch)
	group.Go(func() error {
		return stage(ctx, batches, folded, func(b *Batch) error {
			if config.Fold {
				b.fold(config.Environment.Rules)
			}
			return nil
		})
	})
	group.Go(func() error {
		return stage(ctx, folded, done, func(b *Batch) error { return committer.commit(ctx, b) })
	})
	group.Go(func() error { return feed(ctx, intake, polled, batches, done) })
	if err := group.Wait(); !errors.Is(err, errReached) {
		return err
	}
	return nil
}

// stage does its part of the work on one batch after the other.
func stage(ctx context.Context, from <-chan *Batch, to chan<- *Batch, work func(*Batch) error) error {
	for {
		select {
		case <-ctx.Done():
			return errEnded
		case b := <-from:
			if err := work(b); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return errEnded
			case to <- b:
			}
		}
	}
}

// poll hands on what arrives.
func poll(ctx context.Context, r *reader, most int, polled chan<- kgo.Fetches) error {
	for {
		fetches, err := r.poll(ctx, most)
		if err != nil {
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
// interval has passed since it started; until then the batch grows. Only when it is full is it handed over earlier, so
// that it is folded meanwhile. When there is nothing to commit for a while an empty batch is handed over.
func feed(ctx context.Context, in *intake, polled <-chan kgo.Fetches, batches chan<- *Batch, done <-chan *Batch) error {
	interval := in.config.Environment.Settings.CommitInterval
	timer := time.NewTimer(0)
	defer timer.Stop()
	var started time.Time               // of the last commit
	looked := time.Now()                // when a batch was handed over last
	spare := make([]*Batch, onTheirWay) // memory that no stage uses
	for i := range spare {
		spare[i] = &Batch{}
	}
	for {
		idle := len(spare) == onTheirWay
		wait, rest := interval-time.Since(started), lookEvery-time.Since(looked)
		handOver := false
		switch {
		case idle && in.bounded():
			return errReached
		case len(spare) == 0:
		case !in.waiting():
			if handOver = idle && rest <= 0; idle && !handOver {
				timer.Reset(rest)
			}
		case idle && wait > 0:
			timer.Reset(wait)
		case idle:
			started, handOver = time.Now(), true
		case in.full():
			handOver = true
		}
		if handOver {
			looked = time.Now()
			batches <- in.handOver(spare[0]) // has room for all of them
			spare = spare[1:]
		}
		records := polled
		if in.full() {
			records = nil
		}
		select {
		case <-ctx.Done():
			return errEnded
		case <-timer.C:
		case b := <-done:
			if spare = append(spare, b); len(spare) < onTheirWay {
				started = time.Now() // the next one follows at once
			}
		case fetches := <-records:
			fetches.EachPartition(func(p kgo.FetchTopicPartition) {
				if errors.Is(p.Err, errCut) {
					in.cut(p.Partition, p.LogStartOffset)
				}
				p.EachRecord(in.take)
			})
		}
	}
}
