// Package observe watches a run from outside: it follows PostgreSQL's write-ahead log to learn when an alert became
// visible, asks the served views questions on an open schedule, and samples what every process uses. It knows nothing of
// the architecture that it watches but the names of its alert tables.
package observe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"lkbench/results"
)

// FollowerConfig says what to follow. All fields but Now are required.
type FollowerConfig struct {
	Postgres    string                              // connection string of the database; its user may replicate and owns the tables
	Publication string                              // name of the publication to create; a left-over of that name is replaced
	Tables      []string                            // tables with the columns transaction_id and rule
	Rules       []string                            // every rule a row may name, eight at most
	Events      uint64                              // event numbers are below this; a row that names another is undecodable
	Warmup      uint64                              // latencies count from this event number on
	Intended    func(n uint64) time.Duration        // intended send time since origin
	ParseID     func(id []byte) (n uint64, ok bool) // event number of a transaction id; must not keep id
	Now         func() time.Time                    // the harness's clock; nil means time.Now
}

// Follower learns when every alert became visible. It reads the inserts of the alert tables from a temporary logical
// replication slot and takes, for each (event, rule), the first sighting.
//
// When is an alert visible? PostgreSQL decodes a transaction after its commit record is on disk, and makes it visible to
// other sessions at the same moment (some microseconds apart). The follower takes one time a transaction, when it has received
// all of it: every row of it was visible by then at the latest. So a latency is never too short; it is too long by less than the
// observer lag, which is that time minus the server's commit time. The server takes its commit time before it flushes
// the log, hence the lag contains the flush. Large transactions, such as the publication of a batch generation, are
// received while they run; else the server would begin to send one at its commit, and all that commits meanwhile would wait
// behind it and seem to be late.
//
// When the connection is lost (the database restarted) the follower makes a new slot as soon as it can. Alerts committed
// in between are looked up once in the tables, in the very snapshot at which the new slot begins, and count as seen at that
// time; AfterGap tells how many.
type Follower struct {
	cfg      FollowerConfig
	origin   time.Time
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	done     chan struct{} // closed when follow has returned; nil before Run
	hurry    atomic.Bool   // ask the server how far it is, now
	position atomic.Uint64 // everything before it has been received

	beforeGet, beforeConnect func() // test hooks: called before every read, every attempt to connect again

	connMu sync.Mutex
	conn   *pgconn.PgConn

	// Of what is being received.
	relations []relation
	whole     transaction           // one that comes after its commit
	parts     map[part]*transaction // those that come in blocks while they run
	block     uint32                // transaction of the present block; 0 outside of one

	mu      sync.Mutex
	seen    *seen
	counts  Counts
	latency *Series
	byRule  []*results.Histogram
	lag     *results.Histogram
	commits *results.Histogram
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

var publicationName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,35}$`)

// Follow connects, creates the publication and a slot, and from then on misses nothing; Run reads it. Close must be
// called in any case.
func Follow(ctx context.Context, cfg FollowerConfig) (*Follower, error) {
	if !publicationName.MatchString(cfg.Publication) {
		return nil, fmt.Errorf("publication %q: expected lower-case letters, digits and _, at most 36", cfg.Publication)
	}
	if len(cfg.Rules) == 0 || len(cfg.Rules) > 8 || len(cfg.Tables) == 0 {
		return nil, fmt.Errorf("follower of %d tables and %d rules: expected at least one table and one to eight rules", len(cfg.Tables), len(cfg.Rules))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := newFollower(cfg)
	if err := f.publish(ctx); err != nil {
		return nil, fmt.Errorf("create publication %s: %w", cfg.Publication, err)
	}
	if _, err := f.connect(ctx, false); err != nil {
		return nil, errors.Join(fmt.Errorf("follow the write-ahead log: %w", err), f.Close(ctx))
	}
	return f, nil
}

func newFollower(cfg FollowerConfig) *Follower {
	f := &Follower{cfg: cfg, parts: map[part]*transaction{}, seen: newSeen(cfg.Events), latency: NewSeries(), lag: results.NewHistogram(), commits: results.NewHistogram()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.counts.ByRule = make([]int64, len(cfg.Rules))
	for range cfg.Rules {
		f.byRule = append(f.byRule, results.NewHistogram())
	}
	return f
}

// Run begins to read. Origin is the intended send time of event 0, on the harness's clock. It must be called once.
func (f *Follower) Run(origin time.Time) {
	f.origin = origin
	f.done = make(chan struct{})
	go f.follow()
}

// Latency is the series of intended send to visible, over all rules.
func (f *Follower) Latency() *Series { return f.latency }

// LatencyByRule copies the latencies of every rule so far.
func (f *Follower) LatencyByRule() map[string]*results.Histogram {
	f.mu.Lock()
	defer f.mu.Unlock()
	by := make(map[string]*results.Histogram, len(f.byRule))
	for i, h := range f.byRule {
		by[f.cfg.Rules[i]] = copyOf(h)
	}
	return by
}

// Lag copies the observer's lag so far: from the server's commit time to received, one sample a transaction with alerts.
func (f *Follower) Lag() *results.Histogram {
	f.mu.Lock()
	defer f.mu.Unlock()
	return copyOf(f.lag)
}

// CommitLatency copies the latencies from intended send to the time that the server noted for the commit, before it
// flushed the log: a lower bound of what Latency bounds from above, free of the follower's own delay. An alert that was
// looked up after a gap counts with the time it was looked up.
func (f *Follower) CommitLatency() *results.Histogram {
	f.mu.Lock()
	defer f.mu.Unlock()
	return copyOf(f.commits)
}

// Counts copies what was seen so far.
func (f *Follower) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.counts
	c.ByRule = append([]int64(nil), c.ByRule...)
	c.Gaps = append([]Gap(nil), c.Gaps...)
	return c
}

// insert takes one row of the transaction being received. It allocates nothing but the growth of pending.
func (f *Follower) insert(body []byte) error {
	r := reader{rest: body}
	t := f.receiving(&r)
	oid := r.u32()
	rel, ok := f.relation(oid)
	if !ok {
		return fmt.Errorf("a row of table %d, which was not announced", oid)
	}
	id, rule, err := parseInsert(r.rest, rel)
	if err != nil {
		return err
	}
	f.row(t, id, rule)
	return nil
}

func (f *Follower) relation(oid uint32) (relation, bool) {
	for _, rel := range f.relations {
		if rel.oid == oid {
			return rel, true
		}
	}
	return relation{}, false
}

// row notes one row. Only this goroutine adds to seen, so it may be read without the lock.
func (f *Follower) row(t *transaction, id, rule []byte) {
	t.rows++
	n, ok := f.cfg.ParseID(id)
	r := f.ruleIndex(rule)
	switch {
	case !ok || r < 0 || n >= f.cfg.Events:
		t.undecoded++
	case f.seen.has(n, uint8(r)):
		t.repeats++
	default:
		t.pending = append(t.pending, n<<8|uint64(r))
	}
}

func (f *Follower) ruleIndex(rule []byte) int {
	for i, name := range f.cfg.Rules {
		if string(rule) == name {
			return i
		}
	}
	return -1
}

// committed records the rows of a transaction that was committed, and was visible at the given time, and forgets the
// transaction.
func (f *Follower) committed(t *transaction, commit, at time.Time) (alerts int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := at.Sub(f.origin)
	for _, p := range t.pending {
		n, r := p>>8, uint8(p)
		if !f.seen.add(n, r) {
			t.repeats++ // twice in this transaction
			continue
		}
		alerts++
		f.counts.ByRule[r]++
		if n >= f.cfg.Warmup {
			latency := since - f.cfg.Intended(n)
			f.latency.Record(since, latency)
			f.byRule[r].Record(latency)
			f.commits.Record(commit.Sub(f.origin) - f.cfg.Intended(n))
		}
	}
	f.counts.Alerts += alerts
	f.counts.Repeats += t.repeats
	f.counts.Undecoded += t.undecoded
	t.reset()
	return alerts
}
