package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/internal/kafka"
	"lkbench/internal/observe"
	"lkbench/loadgen"
)

const (
	publication  = "lkbench_observer"
	probesFile   = "evidence/probes.jsonl"
	ledgerFile   = "ledger"
	probeConns   = 4
	probeTimeout = 5 * time.Second
	// drainPoll is how often the end of the drain is looked for: the resolution of the throughput's denominator.
	drainPoll = 10 * time.Millisecond
	// catchUpWithin bounds how long the follower may take to see what was committed by the end of the drain.
	catchUpWithin = 10 * time.Second
)

// path is a file of the run while it is written.
func (r *run) path(name string) string { return filepath.Join(r.folder.Dir(), name) }

// load is the driver of one run.
type load struct {
	sender    *loadgen.KafkaSender
	ledger    *loadgen.LedgerWriter
	generator *loadgen.Generator
}

func (r *run) openLoad(ctx context.Context) (*load, error) {
	l := &load{}
	fail := func(err error) (*load, error) { return nil, errors.Join(err, l.close()) }
	var err error
	if l.sender, err = loadgen.NewKafkaSender(r.instance.Kafka, r.topic()); err != nil {
		return nil, err
	}
	if err := l.sender.Ready(ctx); err != nil {
		return fail(err)
	}
	if l.ledger, err = loadgen.NewLedgerWriter(r.path(ledgerFile), r.schedule.Len()); err != nil {
		return fail(err)
	}
	return l, nil
}

// close ends what is open. Of a load that ran through, sealing has closed the ledger already.
func (l *load) close() error {
	if l.sender != nil {
		l.sender.Close()
		l.sender = nil
	}
	ledger := l.ledger
	l.ledger = nil
	if ledger == nil {
		return nil
	}
	return ledger.Close()
}

// watch is what looks at one run from outside.
type watch struct {
	follower *observe.Follower // nil in an unwatched run
	prober   *observe.Prober   // nil without queries
	sampler  *observe.Sampler
	tenths   *observe.Tenths // nil in a run without faults
	probes   *os.File
	closed   bool   // the follower
	failure  string // why the follower has not seen everything
	cancel   context.CancelFunc
	group    *errgroup.Group
}

// stop ends watching and waits; the errors are of writing answers or of reading the process table. It may be called twice.
func (w *watch) stop(ctx context.Context) error {
	var err error
	if w.cancel != nil {
		w.cancel()
		err = w.group.Wait()
		w.cancel = nil
	} else if w.prober != nil && w.group == nil {
		w.prober.Close(ctx)
	}
	if w.probes != nil {
		err = errors.Join(err, w.probes.Close())
		w.probes = nil
	}
	if w.follower != nil && !w.closed {
		w.closed = true // what it has seen stays readable
		err = errors.Join(err, w.follower.Close(ctx))
	}
	return err
}

// openWatch connects everything that will watch, before the load.
func (r *run) openWatch(ctx context.Context) error {
	r.watch = &watch{}
	var err error
	if r.watch.probes, err = r.folder.Create(probesFile); err != nil {
		return err
	}
	if !r.Unwatched {
		r.watch.follower, err = observe.Follow(ctx, observe.FollowerConfig{
			Postgres: r.instance.Postgres, Publication: r.instance.Prefix + publication, Tables: r.system.AlertTables(),
			Rules:      []string{bank.HighValueRelative, bank.HighValueAbsolute, bank.OverdraftAttempt, bank.Velocity},
			BySequence: r.instance.NoReplication, Points: r.tenths(),
			Events: r.schedule.Len(), Warmup: r.schedule.Warmup(), Intended: r.schedule.Intended, ParseID: loadgen.ParseID,
		})
		if err != nil {
			return err
		}
	}
	if rate := r.Scenario.Queries.Rate; rate > 0 && !r.Unwatched {
		r.watch.prober, err = observe.NewProber(ctx, observe.ProberConfig{
			Postgres: r.instance.Postgres, Rate: rate, For: r.schedule.End(), Warmup: r.schedule.WarmupEnd(),
			InFlight: probeConns, Timeout: probeTimeout, Pick: r.pick, Out: r.watch.probes,
		})
		if err != nil {
			return err
		}
	}
	groups := []observe.Group{{Name: "harness", PIDs: func() []int32 { return []int32{int32(os.Getpid())} }, Alone: true}}
	for _, s := range r.instance.Servers() {
		groups = append(groups, serverGroup(s))
	}
	for _, c := range r.Architecture.Components() {
		if c.OnDemand && r.correction == nil {
			continue // it never runs
		}
		groups = append(groups, observe.Group{Name: c.Name, PIDs: func() []int32 { return r.supervisor.pids(c.Name) }})
	}
	r.watch.sampler = observe.NewSampler(observe.SamplerConfig{
		Groups:    groups,
		Offered:   func() int64 { return int64(r.schedule.Due(r.now())) },
		Sent:      func() int64 { return r.load.generator.Progress().Sent },
		Acked:     func() int64 { return r.load.generator.Progress().Acked },
		Processed: r.processed,
	})
	if r.tenths() {
		r.watch.tenths = observe.NewTenths(observe.TenthsConfig{
			Offered:   func() int64 { return int64(r.schedule.Due(r.now())) },
			Acked:     func() int64 { return r.load.generator.Progress().Acked },
			Processed: r.processed,
		})
	}
	return nil
}

// tenths says whether the run has a timeline of 100 ms.
func (r *run) tenths() bool {
	return r.Tenths || len(r.injections) > 0 || len(r.Scenario.Reprocess) > 0
}

// serverGroup accounts a server by its processes, or by its container.
func serverGroup(s *infra.Server) observe.Group {
	g := observe.Group{Name: s.Role, PIDs: s.PIDs}
	if s.Usage != nil {
		g.Usage = func(ctx context.Context) (time.Duration, int64, error) {
			used, err := s.Usage(ctx)
			return used.CPU, used.RSS, err
		}
	}
	return g
}

func (r *run) processed(ctx context.Context) (int64, error) {
	progress, err := r.system.Progress(ctx)
	if err != nil {
		return 0, err
	}
	return processed(r.Architecture, r.Scenario.Partitions, progress), nil
}

// measure drives the load and waits until the architecture has finished with it.
func (r *run) measure(ctx context.Context) error {
	var err error
	if r.load, err = r.openLoad(ctx); err != nil {
		return err
	}
	if err := r.openWatch(ctx); err != nil {
		return err
	}
	r.origin = time.Now().Add(lead)
	r.load.generator, err = loadgen.NewGenerator(loadgen.Config{
		Schedule: r.schedule, Source: r.source, Sender: r.load.sender, Clock: loadgen.NewClock(r.origin), Ledger: r.load.ledger,
		MaxInFlight: int64(r.Scenario.Limits.InFlightMiB) << 20,
	})
	if err != nil {
		return err
	}
	r.record.StartedAt = r.origin.UTC()
	r.record.StartS = r.origin.Sub(r.Commanded).Seconds()

	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.watch.cancel, r.watch.group = cancel, &errgroup.Group{}
	if r.watch.follower != nil {
		r.watch.follower.Run(r.origin)
	}
	if r.watch.prober != nil {
		r.watch.group.Go(func() error { return r.watch.prober.Run(watching, r.origin) })
	}
	r.watch.group.Go(func() error { return r.watch.sampler.Run(watching, r.origin) })
	if r.watch.tenths != nil {
		r.watch.group.Go(func() error {
			r.watch.tenths.Run(watching, r.origin)
			return nil
		})
	}
	showing, stopShowing := context.WithCancel(watching)
	shown := make(chan struct{})
	go func() { r.show(showing); close(shown) }()
	defer func() { stopShowing(); <-shown }()

	disturbing, calm := context.WithCancel(ctx)
	faults, correction := make(chan struct{}), make(chan error, 1)
	go func() { r.faults(disturbing); close(faults) }()
	go func() { correction <- r.reprocess(disturbing) }()
	corrected := false
	// Whatever happens, faults are undone and nobody asks the database any more before this returns.
	defer func() {
		calm()
		<-faults
		if !corrected {
			<-correction
		}
	}()

	err = r.load.generator.Run(ctx)
	switch {
	case ctx.Err() != nil:
		r.record.Interrupted = true
		return nil
	case err != nil:
		return err
	}
	<-faults
	if err := r.drain(ctx); err != nil {
		return err
	}
	select {
	case err := <-correction:
		corrected = true
		if err != nil {
			return err
		}
	case <-ctx.Done():
	case <-time.After(max(r.schedule.End(), r.drained) + time.Duration(r.Scenario.Drain) - r.now()):
	}
	if ctx.Err() != nil {
		r.record.Interrupted = true
		return nil
	}
	if r.watch.follower != nil {
		late, cancel := context.WithTimeout(ctx, catchUpWithin)
		defer cancel()
		// A follower that is too slow spoils the measurement, not the program: the record says so.
		if err := r.watch.follower.CatchUp(late); err != nil {
			r.watch.failure = err.Error()
		}
	}
	return nil
}

// drain waits until every component has processed the whole topic, or the scenario's time for it is over.
func (r *run) drain(ctx context.Context) error {
	ends, err := endOffsets(ctx, r.instance.Kafka, r.topic())
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	limit := max(r.schedule.End(), r.now()) + time.Duration(r.Scenario.Drain)
	for {
		progress, err := r.system.Progress(ctx)
		if err == nil && slices.EqualFunc(behind(r.Architecture, r.Scenario.Partitions, progress), ends,
			func(next, end int64) bool { return next >= end }) {
			r.record.Drained = true
		}
		now := r.now()
		if _, failed := r.supervisor.history(); failed != nil {
			return failed
		}
		if r.record.Drained || now > limit || ctx.Err() != nil {
			r.drained = now
			return nil
		}
		time.Sleep(drainPoll)
	}
}

// endOffsets asks how long the topic is.
func endOffsets(ctx context.Context, cluster kafka.Cluster, topic string) ([]int64, error) {
	_, listed, err := kafka.Offsets(ctx, cluster, topic)
	if err != nil {
		return nil, err
	}
	ends := make([]int64, len(listed[topic]))
	for p, o := range listed[topic] {
		ends[p] = o.Offset
	}
	return ends, nil
}

// pick chooses whom probe i asks about.
func (r *run) pick(i uint64) (customer string, windowStart bank.Micros) {
	return pick(r.source, r.rules, r.Scenario.Seed, i, uint64(max(1, r.load.generator.Progress().Sent)))
}

// pick chooses, every other two times, a customer whose event was sent in the last moments, where an answer is most
// likely to be stale, else any of the run; two times each, because probes ask the two views in turn.
func pick(source loadgen.Source, rules bank.Rules, seed, i, sent uint64) (customer string, windowStart bank.Micros) {
	span := sent
	if i/2%2 == 0 {
		span = min(sent, recent)
	}
	n := sent - 1 - mix(seed^i)%span
	// Malformed events name no customer that could be asked for: look at the turns before.
	for {
		var t bank.Transaction
		e := source.Event(n, nil)
		if bank.Decode(e.Value, &t) == nil {
			return string(t.Customer), rules.WindowStart(t.EventTime)
		}
		if n == 0 {
			return string(e.Key), 0
		}
		n--
	}
}

// recent is how many of the last events are the last moments.
const recent = 1000

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): it spreads consecutive numbers over the whole range.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
