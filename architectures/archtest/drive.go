package archtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/kafka"
	"lkbench/internal/observe"
	"lkbench/loadgen"
)

// drive sends the load, asks the views, disturbs, and waits until everything is processed.
func (tr *trial) drive(c conditions) (err error) {
	ledger, err := loadgen.NewLedgerWriter(filepath.Join(tr.dir, "ledger"), tr.schedule.Len())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	sender, err := loadgen.NewKafkaSender(tr.env.Kafka, tr.env.Topic)
	if err != nil {
		return err
	}
	defer sender.Close() // before the ledger: it gives every record its outcome
	origin := time.Now()
	tr.origin = origin
	generator, err := loadgen.NewGenerator(loadgen.Config{
		Schedule: tr.schedule, Source: tr.source, Sender: sender, Clock: loadgen.NewClock(origin), Ledger: ledger,
		MaxInFlight: maxInFlight,
	})
	if err != nil {
		return err
	}
	tr.load = generator
	if c.backlog {
		if err := generator.Run(tr.ctx); err != nil {
			return err
		}
		if err := tr.launch(); err != nil {
			return err
		}
	}
	asking, cease := context.WithCancel(tr.ctx)
	ask, err := tr.asker(asking, generator) // connects: before anything is disturbed
	if err != nil {
		cease()
		return err
	}
	asked := make(chan error, 1)
	go func() { asked <- ask(origin) }()
	defer func() {
		cease()
		err = errors.Join(err, <-asked)
	}()

	var beside errgroup.Group
	if !c.backlog {
		beside.Go(func() error { return generator.Run(tr.ctx) })
	}
	if c.disturb != nil {
		beside.Go(func() error { return c.disturb(tr) })
	}
	if c.reprocess {
		beside.Go(tr.correct)
	}
	if err := beside.Wait(); err != nil {
		return err
	}
	if err := tr.onSchedule(); err != nil {
		return err
	}
	return tr.drain()
}

// onSchedule says so if the load was not what the schedule says: whatever is disturbed, every event is sent when it is due.
// That none is lost is the oracle's to say.
func (tr *trial) onSchedule() error {
	load := tr.load.Stats().Load
	if events := int64(tr.schedule.Len()); load.Sent != events || load.InFlightLimited {
		return fmt.Errorf("of %d events %d were sent (held back by the bound in flight: %v)", events, load.Sent, load.InFlightLimited)
	}
	return nil
}

// drain waits until all that is in the topic was processed.
func (tr *trial) drain() error {
	_, ends, err := kafka.Offsets(tr.ctx, tr.env.Kafka, tr.env.Topic)
	if err != nil {
		return err
	}
	return tr.await("everything was processed", func(p architectures.Progress) bool {
		for _, position := range p.Positions {
			if end, ok := ends.Lookup(tr.env.Topic, position.Partition); !ok || position.Next < end.Offset {
				return false
			}
		}
		return len(p.Positions) > 0
	})
}

// asker prepares probe queries about customers of recent events, which are sent until ctx ends. They may fail while
// PostgreSQL is down.
func (tr *trial) asker(ctx context.Context, generator *loadgen.Generator) (ask func(origin time.Time) error, err error) {
	if err := os.MkdirAll(filepath.Join(tr.dir, "evidence"), 0o755); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(tr.dir, "evidence", "probes.jsonl"))
	if err != nil {
		return nil, err
	}
	prober, err := observe.NewProber(ctx, observe.ProberConfig{
		Postgres: tr.env.Postgres, Rate: 100, For: time.Hour, InFlight: 2, Timeout: 5 * time.Second, Out: out,
		Pick: func(i uint64) (string, bank.Micros) { return tr.pick(i, uint64(generator.Progress().Sent)) },
	})
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return func(origin time.Time) error { return errors.Join(prober.Run(ctx, origin), out.Close()) }, nil
}

// pick chooses a customer of one of the last events sent.
func (tr *trial) pick(i, sent uint64) (string, bank.Micros) {
	for n := max(sent, 1) - 1 - min(i%97, max(sent, 1)-1); ; n-- {
		var t bank.Transaction
		if bank.Decode(tr.source.Event(n, nil).Value, &t) == nil {
			return string(t.Customer), tr.env.Rules.WindowStart(t.EventTime)
		}
		if n == 0 {
			return "nobody", 0
		}
	}
}
