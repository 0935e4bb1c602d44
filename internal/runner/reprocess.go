package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/results"
	"lkbench/scenarios"
)

const (
	// lookEvery is how often a reprocess is looked at: by so much the time of its switch can be too late.
	lookEvery = 10 * time.Millisecond
	// sizeEvery is how often the space of the database is asked for while it runs.
	sizeEvery = 250 * time.Millisecond
	// askAgain is the wait after a question that failed: the database may be away.
	askAgain = 100 * time.Millisecond
)

// correction is the reprocess of a run, as the harness saw it. Times are since origin; zero: not yet.
type correction struct {
	plan      scenarios.Reprocess
	rules     bank.Rules // the new ones
	requested time.Duration
	status    architectures.Reprocessing
	switched  time.Duration
	followed  time.Duration // when the observer followed the new alert tables
	done      time.Duration

	sizeBefore, sizePeak int64 // of the database; 0: not known
}

// planReprocess holds the scenario's reprocess against what is deployed.
func (r *run) planReprocess() error {
	if len(r.Scenario.Reprocess) == 0 {
		return nil
	}
	plan := r.Scenario.Reprocess[0] // the scenario has one at most
	if _, can := r.system.(architectures.Reprocessor); !can {
		return &InputError{fmt.Errorf("scenario %s: reprocess[0]: %s cannot correct history", r.Scenario.Name, r.Architecture.Name())}
	}
	if why := r.instance.NoReplication; why != "" {
		return fmt.Errorf("scenario %s: reprocess[0]: the answers come from other tables after it, and only an observer that follows the write-ahead log can follow there; here it cannot: %s", r.Scenario.Name, why)
	}
	r.correction = &correction{plan: plan, rules: rulesOf(r.Scenario.Rules.With(plan.Rules))}
	return nil
}

// reprocess asks for the correction of history at its time and follows it to its end. It gives up when ctx ends.
func (r *run) reprocess(ctx context.Context) error {
	c := r.correction
	if c == nil || !r.sleepUntil(ctx, time.Duration(c.plan.At)) {
		return nil
	}
	system := r.system.(architectures.Reprocessor) // as checked before the run
	sizes, stop := context.WithCancel(ctx)
	defer stop()
	go r.measureSize(sizes, c)
	requested := r.now()
	for {
		err := system.Reprocess(ctx, c.rules, time.Duration(c.plan.Grace))
		if err == nil {
			break
		}
		// A request whose answer was lost stands.
		if status, asked := system.Reprocessing(ctx); asked == nil && status != nil {
			break
		}
		if !r.pause(ctx, askAgain) {
			return fmt.Errorf("ask for the reprocess: %w", err)
		}
	}
	r.mu.Lock()
	c.requested = requested
	r.mu.Unlock()
	for _, component := range onDemand(r.Architecture) {
		if err := r.supervisor.launch(component.Name); err != nil {
			return err
		}
	}
	for c.done == 0 {
		status, err := system.Reprocessing(ctx)
		now := r.now()
		if err == nil && status != nil {
			r.mu.Lock()
			c.status = *status
			switched := status.SwitchedAt != nil && c.switched == 0
			if switched {
				c.switched = now
			}
			if status.DoneAt != nil {
				c.done = now
			}
			r.mu.Unlock()
			if switched || c.switched > 0 && c.followed == 0 {
				r.switched(ctx, c)
			}
		}
		if !r.pause(ctx, lookEvery) {
			break
		}
	}
	return nil
}

// switched does what the harness has to do when other answers are served: the process on demand takes its place, and the
// observer looks at the tables that are served now.
func (r *run) switched(ctx context.Context, c *correction) {
	for _, component := range onDemand(r.Architecture) {
		if component.Becomes != "" {
			r.supervisor.promote(component.Name, component.Becomes)
		}
	}
	if f := r.watch.follower; f != nil {
		if f.Switch(ctx, r.system.AlertTables()) != nil {
			return // it is tried again at the next look
		}
	}
	c.followed = r.now()
}

// pause waits; false if ctx ended.
func (r *run) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// measureSize keeps the highest size of the database until ctx ends.
func (r *run) measureSize(ctx context.Context, c *correction) {
	var conn *pgx.Conn
	for {
		if conn == nil || conn.IsClosed() {
			conn, _ = pgx.Connect(ctx, r.instance.Postgres) // nil while the database is away
		}
		if conn != nil {
			if size, err := databaseSize(ctx, conn); err == nil {
				r.mu.Lock()
				if c.sizeBefore == 0 {
					c.sizeBefore = size
				}
				c.sizePeak = max(c.sizePeak, size)
				r.mu.Unlock()
			}
		}
		if !r.pause(ctx, sizeEvery) {
			break
		}
	}
	if conn != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // nobody is left to tell
	}
}

// databaseSize is the space of all tables and indexes of the run's database, in bytes.
func databaseSize(ctx context.Context, conn *pgx.Conn) (size int64, err error) {
	err = conn.QueryRow(ctx, "select pg_database_size(current_database())").Scan(&size)
	return size, err
}

// record gives what run.json says of the correction; what the oracle and the samples know is put in later.
func (c *correction) record(origin time.Time) results.Reprocess {
	rec := results.Reprocess{
		Rules: scenarios.RulesChanged(c.plan.Rules), RequestedAtS: c.requested.Seconds(), Attempts: c.status.Attempts, Events: c.status.Events,
	}
	if at := c.status.StartedAt; at != nil {
		rec.StartedAtS = seconds(at.Sub(origin))
	}
	if c.switched > 0 {
		rec.SwitchedAtS = seconds(c.switched)
		if rec.StartedAtS != nil && *rec.SwitchedAtS > *rec.StartedAtS {
			rate := float64(c.status.Events) / (*rec.SwitchedAtS - *rec.StartedAtS)
			rec.EventsPerS = &rate
		}
	}
	if c.done > 0 {
		rec.DoneAtS = seconds(c.done)
	}
	if c.sizeBefore > 0 && c.sizePeak > 0 {
		extra := max(0, c.sizePeak-c.sizeBefore)
		rec.ExtraDiskBytes = &extra
	}
	return rec
}

// describeCorrection puts the reprocess into the record, as far as it needs no oracle.
func (r *run) describeCorrection() {
	r.record.Reprocess = []results.Reprocess{}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.correction
	if c == nil {
		return
	}
	rec := c.record(r.origin)
	rec.Alerts = r.record.Observer.Reprocessed
	if c.requested > 0 {
		until := c.done
		if until == 0 {
			until = max(r.drained, r.schedule.End())
		}
		rec.ExtraCPUS, rec.ExtraMemoryBytes = extra(r.watch.sampler.Samples(), r.schedule.WarmupEnd(), c.requested, until)
		before := r.alerts().Between(whole(r.schedule.WarmupEnd()), whole(c.requested)).Summary()
		rec.AlertP99BeforeMS = before.P99
		if c.switched > 0 {
			rec.AlertP99DuringMS = r.alerts().Between(whole(c.requested), whole(c.switched)+1).Summary().P99
		}
	}
	r.record.Reprocess = append(r.record.Reprocess, rec)
}

// whole is the second in which a time lies.
func whole(d time.Duration) int { return int(d / time.Second) }
