// Package observe watches a run from outside: it follows PostgreSQL's write-ahead log, or reads the tables by a sequence, to learn
// when an alert became visible, asks the served views questions on an open schedule, and samples what every process uses. It
// knows nothing of the architecture that it watches but the names of its alert tables.
package observe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/results"
)

// FollowerConfig says what to follow. All fields but BySequence and Now are required.
type FollowerConfig struct {
	Postgres    string                              // connection string of the database; its user owns the tables, and may replicate if the log is followed
	BySequence  string                              // why the write-ahead log cannot be followed; "" follows it
	Publication string                              // name of the publication to create, at most 63 bytes; a left-over of that name is replaced
	Tables      []string                            // tables with the columns transaction_id and rule, found by the search path
	Rules       []string                            // every rule a row may name, eight at most
	Events      uint64                              // event numbers are below this; a row that names another is undecodable
	Warmup      uint64                              // latencies count from this event number on
	Intended    func(n uint64) time.Duration        // intended send time since origin
	ParseID     func(id []byte) (n uint64, ok bool) // event number of a transaction id; must not keep id
	Points      bool                                // keep every sighting, for Points
	Now         func() time.Time                    // the harness's clock; nil means time.Now
}

// Follower learns when every alert became visible, and takes, for each (event, rule), the first sighting. A latency is
// never too short: an alert counts as visible when the follower has received it, at the latest. How much too long it can be is
// the observer lag. There are two methods: walSource follows the write-ahead log, sequenceSource reads the tables where
// that is not permitted.
//
// When the connection is lost (the database restarted) the follower connects again as soon as it can. Alerts committed in
// between are looked up once in the tables and count as seen at that time; AfterGap tells how many.
type Follower struct {
	*sightings
	cfg    FollowerConfig
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when follow has returned; nil before Run
	source source

	tablesMu sync.Mutex
	tables   []string // that hold the alerts now

	clock      *serverClock // nil by sequence
	clockEvery time.Duration
	clocks     sync.WaitGroup

	beforeGet, beforeConnect func() // test hooks: called before every read, every attempt to connect again
}

// source is a method of following. Its rows go to sightings; only one goroutine reads.
type source interface {
	// prepare makes in the database what the method needs; a left-over of it is replaced.
	prepare(ctx context.Context) error
	// connect begins to follow. With lookUp, the alerts in the tables that were not seen yet are put into whole. It returns
	// a time at which they were visible.
	connect(ctx context.Context, lookUp bool) (time.Time, error)
	// receive reads until the connection breaks or the follower is closed.
	receive() error
	// wake ends a read that is under way when the follower is closed.
	wake()
	disconnect()
	// forget drops what was received and is not known to be visible.
	forget()
	// catchUp waits until everything committed before the call has been recorded.
	catchUp(ctx context.Context) error
	// add follows further tables from now on.
	add(ctx context.Context, tables []string) error
	// remove takes away what prepare made.
	remove(ctx context.Context) error
}

// Counts are what a follower has seen so far, warm-up included.
type Counts struct {
	Alerts    int64   // distinct (event, rule)
	Repeats   int64   // rows of an alert already seen; usual where a batch layer inserts the same alert again
	Undecoded int64   // rows whose transaction id or rule is not one of ours
	AfterGap  int64   // of Alerts, found in the tables after the connection was lost
	ByRule    []int64 // of Alerts, in the order of FollowerConfig.Rules
	Gaps      []Gap
}

// Gap is a time in which the follower had no connection.
type Gap struct {
	Lost, Back time.Duration // since origin; Back is zero while it lasts
	Reason     string
	Alerts     int64 // found in the tables afterwards
}

var publicationName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

const (
	reconnectEvery = 100 * time.Millisecond // after a failed attempt
	connectTimeout = time.Minute            // of one attempt: a new slot waits for transactions under way
	catchUpEvery   = 5 * time.Millisecond   // how often CatchUp looks
)

// Follow connects and makes in the database what the method needs (a publication and a slot, or a column); from then on nothing
// is missed, and Run reads it. Close must be called in any case.
func Follow(ctx context.Context, cfg FollowerConfig) (*Follower, error) {
	if !publicationName.MatchString(cfg.Publication) {
		return nil, fmt.Errorf("publication %q: expected lower-case letters, digits and _, at most 63", cfg.Publication)
	}
	if len(cfg.Rules) == 0 || len(cfg.Rules) > 8 || len(cfg.Tables) == 0 {
		return nil, fmt.Errorf("follower of %d tables and %d rules: expected at least one table and one to eight rules", len(cfg.Tables), len(cfg.Rules))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := newFollower(cfg)
	if err := f.source.prepare(ctx); err != nil {
		return nil, err
	}
	_, err := f.source.connect(ctx, false)
	if err == nil && f.clock != nil {
		err = f.withConn(ctx, func(conn *pgx.Conn) error { return f.clock.measure(ctx, conn) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("follow the alert tables: %w", err), f.Close(ctx))
	}
	return f, nil
}

func newFollower(cfg FollowerConfig) *Follower {
	f := &Follower{cfg: cfg, clockEvery: clockEvery, tables: cfg.Tables}
	f.sightings = newSightings(&f.cfg)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if cfg.BySequence != "" {
		f.source = &sequenceSource{Follower: f}
		return f
	}
	f.clock = newServerClock(cfg.Now)
	f.source = &walSource{Follower: f, parts: map[part]*transaction{}}
	return f
}

// Run begins to read. Origin is the intended send time of event 0, on the harness's clock. It must be called once.
func (f *Follower) Run(origin time.Time) {
	f.origin = origin
	f.done = make(chan struct{})
	go f.follow()
	if f.clock != nil && f.clockEvery > 0 {
		f.clocks.Go(f.watchClock)
	}
}

// follow reads until Close, over as many connections as it takes.
func (f *Follower) follow() {
	defer close(f.done)
	for {
		err := f.source.receive()
		f.source.disconnect()
		f.source.forget()
		if f.ctx.Err() != nil {
			return
		}
		f.lost(f.cfg.Now(), err)
		if !f.reconnect() {
			return
		}
	}
}

// reconnect tries until it succeeds or the follower is closed.
func (f *Follower) reconnect() bool {
	for {
		if f.beforeConnect != nil {
			f.beforeConnect()
		}
		ctx, cancel := context.WithTimeout(f.ctx, connectTimeout)
		at, err := f.source.connect(ctx, true)
		cancel()
		if err == nil {
			commit := at
			if f.cfg.BySequence != "" {
				commit = time.Time{}
			}
			f.back(commit, at)
			return true
		}
		f.source.forget()
		select {
		case <-f.ctx.Done():
			return false
		case <-time.After(reconnectEvery):
		}
	}
}

// withConn runs do on a plain connection of its own.
func (f *Follower) withConn(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, f.cfg.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

// CatchUp waits until everything committed before the call has been received. It fails if ctx ends before.
func (f *Follower) CatchUp(ctx context.Context) error { return f.source.catchUp(ctx) }

// Close ends following and removes what was made for it in the database. What was recorded stays readable.
func (f *Follower) Close(ctx context.Context) error {
	f.cancel()
	f.source.wake()
	if f.done != nil {
		<-f.done
	}
	f.source.disconnect()
	f.clocks.Wait()
	if f.clock != nil {
		if err := f.withConn(ctx, func(conn *pgx.Conn) error { return f.clock.measure(ctx, conn) }); err != nil {
			f.clock.unknown() // a server that is gone is reported by the removal, if that fails too
		}
	}
	return f.source.remove(ctx)
}

// Record is what run.json says of the follower; it is complete after Close.
func (f *Follower) Record() results.Observer {
	counts, lag := f.Counts(), f.Lag().Summary()
	o := results.Observer{Method: results.MethodLog, MethodReason: f.cfg.BySequence,
		Alerts: counts.Alerts, Undecoded: counts.Undecoded, Lag: lag, Gaps: []results.ObserverGap{}}
	if lag.Max != nil {
		o.MaxLagMS = *lag.Max
	}
	if f.cfg.BySequence != "" {
		o.Method, o.ResolutionMS = results.MethodSequence, float64(pollEvery)/float64(time.Millisecond)
	}
	if f.clock != nil {
		o.ClockOffsetMS, o.ClockErrorMS = f.clock.record()
	}
	for _, g := range counts.Gaps {
		gap := results.ObserverGap{LostS: g.Lost.Seconds(), Reason: g.Reason, Alerts: g.Alerts}
		if g.Back != 0 {
			back := g.Back.Seconds()
			gap.BackS = &back
		}
		o.Gaps = append(o.Gaps, gap)
	}
	return o
}
