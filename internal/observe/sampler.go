package observe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Group is a set of processes accounted together: those named and all their descendants.
type Group struct {
	Name string
	// PIDs names the roots at present; it is called before every sample. A root that has ended need not be named any
	// more: what it used stays in the group.
	PIDs func() []int32
	// Usage, where it is set, gives CPU so far and memory instead: of a container, whose processes may not be on this
	// machine. It is given at most UsageTimeout; a sample without an answer lacks the group. CPU that falls is taken as unchanged.
	Usage func(ctx context.Context) (cpu time.Duration, rss int64, err error)
	// Alone leaves out the descendants. The harness needs it: its children are groups of their own.
	Alone bool
}

// SamplerConfig says what to sample once a second. All functions are required, and must be quick but for Processed, which is
// given at most ProcessedTimeout.
type SamplerConfig struct {
	Groups               []Group
	Offered, Sent, Acked func() int64 // events so far
	Processed            func(ctx context.Context) (int64, error)
	ProcessedTimeout     time.Duration    // below a second; zero means 800 ms
	UsageTimeout         time.Duration    // below a second; zero means 800 ms
	Now                  func() time.Time // the harness's clock; nil means time.Now
}

// Sample is one row of the timeline, taken at the end of a second of the run.
type Sample struct {
	Second    int           // the second that ends: this is taken at Second+1 after origin; the last one of a run lies within its second
	At        time.Duration // when it really was taken, since origin
	Offered   int64         // events so far, as all counts
	Sent      int64
	Acked     int64
	Processed *int64 // nil: the question was not answered
	// Lag is acknowledged minus processed. Acknowledged is read again for it after Processed has been answered, so that
	// lag is rather too high than too low, by what was acknowledged within the time of the answer.
	Lag *int64
	// CPU is what every group has used so far. A short-lived process counts when its parent in the group has waited for
	// it (as PostgreSQL does); else it counts as last seen, and what it used after that is missing.
	CPU map[string]time.Duration
	// RSS is the resident memory of every group in bytes. On Linux, pages that processes share (the program, PostgreSQL's
	// buffers) count once: as much as the one process with most of them has. Elsewhere they count in every process.
	RSS map[string]int64
}

// Sampler takes samples at whole seconds after origin.
type Sampler struct {
	cfg   SamplerConfig
	usage []groupUsage // by group
	// asking is, by group, whether a question is under way.
	asking []atomic.Bool

	mu      sync.Mutex
	samples []Sample
	missed  error
}

// NewSampler takes no sample yet.
func NewSampler(cfg SamplerConfig) *Sampler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	for _, timeout := range []*time.Duration{&cfg.ProcessedTimeout, &cfg.UsageTimeout} {
		if *timeout == 0 {
			*timeout = 800 * time.Millisecond
		}
	}
	s := &Sampler{cfg: cfg, asking: make([]atomic.Bool, len(cfg.Groups))}
	for _, g := range cfg.Groups {
		s.usage = append(s.usage, groupUsage{alone: g.Alone})
	}
	return s
}

// Run samples until ctx ends, and once more then. The error tells of the last process table that could not be read; the
// samples without it have empty CPU and RSS.
func (s *Sampler) Run(ctx context.Context, origin time.Time) error {
	for {
		since := s.cfg.Now().Sub(origin)
		next := nextSecond(since)
		timer := time.NewTimer(next - since)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.take(context.WithoutCancel(ctx), origin, int(s.cfg.Now().Sub(origin)/time.Second))
			return s.err()
		case <-timer.C:
			s.take(ctx, origin, int(next/time.Second)-1)
		}
	}
}

// nextSecond is the first whole second after a time, at least the end of second 0.
func nextSecond(since time.Duration) time.Duration {
	return max(time.Second, since.Truncate(time.Second)+time.Second)
}

func (s *Sampler) take(ctx context.Context, origin time.Time, second int) {
	sample := Sample{Second: second, At: s.cfg.Now().Sub(origin)}
	sample.Offered, sample.Sent, sample.Acked = s.cfg.Offered(), s.cfg.Sent(), s.cfg.Acked()
	cpu, rss, err := s.measure(ctx)
	sample.CPU, sample.RSS = cpu, rss

	limited, cancel := context.WithTimeout(ctx, s.cfg.ProcessedTimeout)
	defer cancel()
	if processed, err := s.cfg.Processed(limited); err == nil {
		lag := s.cfg.Acked() - processed
		sample.Processed, sample.Lag = &processed, &lag
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, sample)
	if err != nil {
		s.missed = err
	}
}

// measure reads CPU and memory of all groups: from one process table, and of containers from their engine.
func (s *Sampler) measure(ctx context.Context) (map[string]time.Duration, map[string]int64, error) {
	ask, cancel := context.WithTimeout(ctx, s.cfg.UsageTimeout)
	defer cancel()
	answers := s.ask(ask)
	now, err := readTable()
	if err != nil {
		return nil, nil, fmt.Errorf("read the process table: %w", err)
	}
	children := make(map[int32][]int32)
	for pid, p := range now {
		children[p.parent] = append(children[p.parent], pid)
	}
	cpu, rss := make(map[string]time.Duration), make(map[string]int64)
	for i, g := range s.cfg.Groups {
		if g.Usage != nil {
			continue
		}
		total, pids := s.usage[i].update(g.PIDs(), now, children)
		cpu[g.Name], rss[g.Name] = total, resident(pids)
	}
	for range cap(answers) {
		var a usageAnswer
		select {
		case a = <-answers:
		default:
			select {
			case a = <-answers:
			case <-ask.Done(): // also a group that does not heed it is not waited for
				return cpu, rss, nil
			}
		}
		if a.err == nil { // else it may be down just now; the sample shows that it is not known
			g := &s.usage[a.group]
			g.highest = max(g.highest, a.cpu)
			cpu[s.cfg.Groups[a.group].Name], rss[s.cfg.Groups[a.group].Name] = g.highest, a.rss
		}
	}
	return cpu, rss, nil
}

// usageAnswer is what one group has told.
type usageAnswer struct {
	group int
	cpu   time.Duration
	rss   int64
	err   error
}

// ask asks the groups that must be asked; as many answers come as the channel can hold. One that still has not answered the
// last time is left out, so that questions cannot pile up.
func (s *Sampler) ask(ctx context.Context) <-chan usageAnswer {
	var groups []int
	for i, g := range s.cfg.Groups {
		if g.Usage != nil && s.asking[i].CompareAndSwap(false, true) {
			groups = append(groups, i)
		}
	}
	answers := make(chan usageAnswer, len(groups))
	for _, i := range groups {
		go func() {
			a := usageAnswer{group: i}
			a.cpu, a.rss, a.err = s.cfg.Groups[i].Usage(ctx)
			s.asking[i].Store(false)
			answers <- a
		}()
	}
	return answers
}

func (s *Sampler) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed
}

// Samples copies all samples so far.
func (s *Sampler) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Sample(nil), s.samples...)
}
