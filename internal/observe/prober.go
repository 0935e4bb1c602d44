package observe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"lkbench/internal/bank"
)

// ProberConfig says what to ask, and when. All fields but Now are required.
type ProberConfig struct {
	Postgres string        // connection string of the database
	Rate     float64       // queries per second
	For      time.Duration // the schedule ends here, since origin
	Warmup   time.Duration // latencies count for queries intended from here on, since origin
	InFlight int           // connections, and so queries under way at once
	Timeout  time.Duration // of one query, connecting again included; then it has failed
	// Pick chooses whom query i asks about; windowStart is used by the queries of customer_windows. It is called from
	// several goroutines.
	Pick func(i uint64) (customer string, windowStart bank.Micros)
	Out  io.Writer        // every Answer, one JSON line each
	Now  func() time.Time // the harness's clock; nil means time.Now
}

// Prober asks the served views on an open schedule: query i is intended at i/Rate after origin, whatever became of those
// before it, even ones of customer_profiles, odd ones of customer_windows. Up to InFlight queries are under way at once. When all of them
// are slow the next is sent late, which shows in its latency, because latency counts from the intended time.
type Prober struct {
	cfg     ProberConfig
	origin  time.Time
	conns   []*probeConn
	next    atomic.Uint64
	latency *Series
	failed  atomic.Int64

	mu       sync.Mutex
	out      *bufio.Writer
	writeErr error
}

// NewProber opens the connections and prepares the queries. The caller ends it with Run or Close.
func NewProber(ctx context.Context, cfg ProberConfig) (*Prober, error) {
	if cfg.Rate <= 0 || math.IsInf(cfg.Rate, 0) || math.IsNaN(cfg.Rate) || cfg.InFlight < 1 || cfg.Timeout <= 0 {
		return nil, fmt.Errorf("prober with rate %v, %d in flight, timeout %v: expected all above zero", cfg.Rate, cfg.InFlight, cfg.Timeout)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Prober{cfg: cfg, latency: NewSeries(), out: bufio.NewWriterSize(cfg.Out, 1<<16)}
	for range cfg.InFlight {
		c := &probeConn{postgres: cfg.Postgres}
		p.conns = append(p.conns, c)
		if err := c.ensure(ctx); err != nil {
			p.Close(ctx)
			return nil, fmt.Errorf("prepare probe queries: %w", err)
		}
	}
	return p, nil
}

// Intended is the intended time of query i since origin.
func (p *Prober) Intended(i uint64) time.Duration { return intended(i, p.cfg.Rate) }

func intended(i uint64, rate float64) time.Duration {
	return time.Duration(float64(i) / rate * float64(time.Second))
}

// Run asks until the schedule or ctx ends, then closes the connections. A query that fails is recorded as such and
// stops nothing; the error returned is of writing answers. Run must be called once.
func (p *Prober) Run(ctx context.Context, origin time.Time) error {
	p.origin = origin
	var workers sync.WaitGroup
	for _, conn := range p.conns {
		workers.Go(func() { p.work(ctx, conn) })
	}
	workers.Wait()
	p.Close(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.writeErr, p.out.Flush()); err != nil {
		return fmt.Errorf("write answers to probe queries: %w", err)
	}
	return nil
}

// Close closes the connections of a prober that was not run.
func (p *Prober) Close(ctx context.Context) {
	for _, conn := range p.conns {
		conn.close(ctx)
	}
}

// Latency is the series of intended to answered, of queries that were answered.
func (p *Prober) Latency() *Series { return p.latency }

// Failed is how many queries got no answer so far, warm-up included.
func (p *Prober) Failed() int64 { return p.failed.Load() }

// work takes one query after the other off the schedule.
func (p *Prober) work(ctx context.Context, conn *probeConn) {
	for {
		i := p.next.Add(1) - 1
		at := p.Intended(i)
		if at >= p.cfg.For || !p.sleepUntil(ctx, at) {
			return
		}
		answer, ended := p.ask(ctx, conn, i, at)
		if !ended {
			return
		}
		p.write(answer)
	}
}

func (p *Prober) sleepUntil(ctx context.Context, at time.Duration) bool {
	wait := at - p.since()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (p *Prober) since() time.Duration { return p.cfg.Now().Sub(p.origin) }

// ask sends query i and records it. It reports false if the run ended meanwhile: then the query is neither answered nor failed.
func (p *Prober) ask(ctx context.Context, conn *probeConn, i uint64, at time.Duration) (Answer, bool) {
	customer, window := p.cfg.Pick(i)
	a := Answer{View: CustomerProfiles, Customer: customer, IntendedUS: at.Microseconds()}
	if i%2 == 1 {
		a.View, a.WindowStart = CustomerWindows, window
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	err := conn.ensure(limited)
	a.SentUS = p.since().Microseconds()
	full := a
	if err == nil {
		err = conn.query(limited, &full)
	}
	answered := p.since()
	full.AnsweredUS, a.AnsweredUS = answered.Microseconds(), answered.Microseconds()
	if err != nil {
		conn.close(ctx) // prepared again, in case the view is another one now
		if ctx.Err() != nil {
			return a, false
		}
		a.Error = err.Error()
		p.failed.Add(1)
		return a, true
	}
	if at >= p.cfg.Warmup {
		p.latency.Record(answered, answered-at)
	}
	return full, true
}

func (p *Prober) write(a Answer) {
	line, err := json.Marshal(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		_, err = p.out.Write(append(line, '\n'))
	}
	if p.writeErr == nil {
		p.writeErr = err
	}
}
