package observe

import (
	"sync"
	"time"

	"lkbench/results"
)

// sightings accounts for alerts, by whatever method they were seen.
type sightings struct {
	cfg    *FollowerConfig
	origin time.Time
	whole  transaction // what is being received and was not recorded yet

	mu      sync.Mutex
	seen    *seen
	counts  Counts
	latency *Series
	byRule  []*results.Histogram
	lag     *results.Histogram
	commits *results.Histogram
	points  []Point
}

// Point is one alert that became visible.
type Point struct {
	At      time.Duration // since origin
	Latency time.Duration // since its event was intended
}

func newSightings(cfg *FollowerConfig) *sightings {
	s := &sightings{cfg: cfg, seen: newSeen(cfg.Events), latency: NewSeries(), lag: results.NewHistogram(), commits: results.NewHistogram()}
	s.counts.ByRule = make([]int64, len(cfg.Rules))
	for range cfg.Rules {
		s.byRule = append(s.byRule, results.NewHistogram())
	}
	return s
}

// row notes one row. Only the goroutine that reads adds to seen, so it may be read without the lock.
func (s *sightings) row(t *transaction, id, rule []byte) {
	t.rows++
	n, ok := s.cfg.ParseID(id)
	r := s.ruleIndex(rule)
	switch {
	case !ok || r < 0 || n >= s.cfg.Events:
		t.undecoded++
	case s.seen.has(n, uint8(r)):
		t.repeats++
	default:
		t.pending = append(t.pending, n<<8|uint64(r))
	}
}

func (s *sightings) ruleIndex(rule []byte) int {
	for i, name := range s.cfg.Rules {
		if string(rule) == name {
			return i
		}
	}
	return -1
}

// visible records rows that were visible at the given time, and forgets them. commit is when they were committed; zero where
// that is not known.
func (s *sightings) visible(t *transaction, commit, at time.Time) (alerts int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := at.Sub(s.origin)
	for _, p := range t.pending {
		n, r := p>>8, uint8(p)
		if !s.seen.add(n, r) {
			t.repeats++ // twice among these
			continue
		}
		alerts++
		s.counts.ByRule[r]++
		latency := since - s.cfg.Intended(n)
		if s.cfg.Points {
			s.points = append(s.points, Point{since, latency})
		}
		if n < s.cfg.Warmup {
			continue
		}
		s.latency.Record(since, latency)
		s.byRule[r].Record(latency)
		if !commit.IsZero() {
			s.commits.Record(commit.Sub(s.origin) - s.cfg.Intended(n))
		}
	}
	s.counts.Alerts += alerts
	s.counts.Repeats += t.repeats
	s.counts.Undecoded += t.undecoded
	t.reset()
	return alerts
}

// lagged records how late the observer was with some rows.
func (s *sightings) lagged(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag.Record(lag)
}

// lost begins a gap.
func (s *sightings) lost(at time.Time, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Gaps = append(s.counts.Gaps, Gap{Lost: at.Sub(s.origin), Reason: reason.Error()})
}

// back ends the gap and records what was found in the tables after it.
func (s *sightings) back(commit, at time.Time) {
	alerts := s.visible(&s.whole, commit, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	gap := &s.counts.Gaps[len(s.counts.Gaps)-1]
	gap.Back, gap.Alerts = at.Sub(s.origin), alerts
	s.counts.AfterGap += alerts
}

// Points copies every sighting so far, warm-up included, in the order in which they were made; none without FollowerConfig.Points.
func (s *sightings) Points() []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Point(nil), s.points...)
}

// Latency is the series of intended send to visible, over all rules.
func (s *sightings) Latency() *Series { return s.latency }

// LatencyByRule copies the latencies of every rule so far.
func (s *sightings) LatencyByRule() map[string]*results.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := make(map[string]*results.Histogram, len(s.byRule))
	for i, h := range s.byRule {
		by[s.cfg.Rules[i]] = copyOf(h)
	}
	return by
}

// Lag copies the observer's lag so far: how much too long an alert's latency can be. Following the log it is the time from the
// server's commit time to received, one sample a transaction with alerts; by sequence the time from asking
// for the last time without finding them to the answer that had them, one sample an answer with alerts.
func (s *sightings) Lag() *results.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyOf(s.lag)
}

// CommitLatency copies the latencies from intended send to the time that the server noted for the commit, before it
// flushed the log: a lower bound of what Latency bounds from above, free of the follower's own delay. An alert that was
// looked up after a gap counts with the time it was looked up. By sequence it is empty: nobody tells when a row was committed.
func (s *sightings) CommitLatency() *results.Histogram {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyOf(s.commits)
}

// Counts copies what was seen so far.
func (s *sightings) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.ByRule = append([]int64(nil), c.ByRule...)
	c.Gaps = append([]Gap(nil), c.Gaps...)
	return c
}
