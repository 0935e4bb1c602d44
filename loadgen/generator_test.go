package loadgen

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lkbench/results"
	"lkbench/scenarios"
)

// virtualClock is a Clock whose time passes only while somebody sleeps; what was planned for a moment happens then.
type virtualClock struct {
	now     time.Duration
	plans   plans
	planned int
}

type plan struct {
	at    time.Duration
	order int
	do    func()
}

type plans []plan

func (p plans) Len() int { return len(p) }
func (p plans) Less(i, j int) bool {
	return p[i].at < p[j].at || p[i].at == p[j].at && p[i].order < p[j].order
}
func (p plans) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *plans) Push(x any)   { *p = append(*p, x.(plan)) }
func (p *plans) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

func (c *virtualClock) Now() time.Duration { return c.now }

func (c *virtualClock) Sleep(ctx context.Context, until time.Duration) {
	for len(c.plans) > 0 && c.plans[0].at <= until && ctx.Err() == nil {
		next := heap.Pop(&c.plans).(plan)
		c.now = max(c.now, next.at)
		next.do()
	}
	if ctx.Err() == nil {
		c.now = max(c.now, until)
	}
}

func (c *virtualClock) plan(at time.Duration, do func()) {
	c.planned++
	heap.Push(&c.plans, plan{at, c.planned, do})
}

const (
	service    = time.Millisecond
	stallAt    = 50 * time.Second
	stallFor   = 2 * time.Second
	stallEnd   = stallAt + stallFor
	partitions = 4
)

// stallingSystem answers after a millisecond, but stands still for two seconds.
type stallingSystem struct {
	clock    *virtualClock
	schedule *Schedule
	blocks   bool               // Send itself stands still, not only the answer
	fails    func(uint64) bool  // whose outcome stays unknown
	visible  *results.Histogram // intended send to answer, as an observer would measure it
	open     int
	next     [partitions]int64
}

// answer is when a request of the moment is answered.
func (s *stallingSystem) answer(at time.Duration) time.Duration {
	if at+service > stallAt && at < stallEnd {
		return stallEnd + service
	}
	return at + service
}

func (s *stallingSystem) Send(n uint64, _, _ []byte, done func(int32, int64, error)) {
	if s.blocks && s.clock.now >= stallAt && s.clock.now < stallEnd {
		s.clock.now = stallEnd
	}
	s.open++
	s.clock.plan(s.answer(s.clock.now), func() {
		s.open--
		if s.fails != nil && s.fails(n) {
			done(0, 0, errors.New("lost"))
			return
		}
		s.visible.Record(s.clock.now - s.schedule.Intended(n))
		p := n % partitions
		done(int32(p), s.next[p], nil)
		s.next[p]++
	})
}

func (s *stallingSystem) Flush(ctx context.Context) error {
	for s.open > 0 && ctx.Err() == nil {
		s.clock.Sleep(ctx, s.clock.now+time.Second)
	}
	return ctx.Err()
}

// newGenerator prepares a generator for 1000 events a second on a virtual clock.
func newGenerator(t testing.TB, s *scenarios.Scenario, sender Sender, clock Clock, maxInFlight int64) (*Generator, string) {
	t.Helper()
	source, schedule := mustSynthetic(t, s)
	path := filepath.Join(t.TempDir(), "ledger")
	ledger, err := NewLedgerWriter(path, schedule.Len())
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGenerator(Config{Schedule: schedule, Source: source, Sender: sender, Clock: clock, Ledger: ledger, MaxInFlight: maxInFlight})
	if err != nil {
		t.Fatal(err)
	}
	return g, path
}

const unbounded = math.MaxInt64

// stalled runs 100,000 events, 1000 a second, into the stalling system.
func stalled(t *testing.T, change func(*scenarios.Scenario, *stallingSystem), maxInFlight int64) (*Generator, *stallingSystem, *Ledger) {
	t.Helper()
	s := ordinary(100_000)
	clock := &virtualClock{}
	system := &stallingSystem{clock: clock, visible: results.NewHistogram()}
	if change != nil {
		change(s, system)
	}
	g, path := newGenerator(t, s, system, clock, maxInFlight)
	system.schedule = g.Schedule
	if err := g.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := g.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ledger.Close() })
	return g, system, ledger
}

// near fails unless a duration is within one per cent of what arithmetic gives.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if math.Abs(float64(got-want)) > 0.01*float64(want) {
		t.Errorf("%s is %v, arithmetic gives %v", what, got, want)
	}
}

// stallPercentiles are what arithmetic gives: two per cent of 100,000 events fall into the stall, spread evenly, so the event with
// the share x of all above it has waited what is left of the stall after x·100s, and everybody else the service time.
var stallPercentiles = map[float64]time.Duration{
	0.5: service, 0.97: service, 0.985: 500 * time.Millisecond, 0.99: time.Second, 0.995: 1500 * time.Millisecond, 0.999: 1900 * time.Millisecond,
}

// The known answer: a system that stands still for two seconds must show exactly that, whoever measures from the intended time.
func TestStallIsMeasuredInFull(t *testing.T) {
	const bound = 1_000_000 // twice of what is in flight at the end of the stall
	g, system, _ := stalled(t, nil, bound)
	stats := g.Stats()
	for q, want := range stallPercentiles {
		near(t, "visible", system.visible.Quantile(q), want)
		near(t, "ack", stats.Ack.Quantile(q), want) // all were sent on time, so it is the same
	}
	summary := stats.Ack.Summary()
	near(t, "ack p99 of the record", time.Duration(*summary.P99*float64(time.Millisecond)), time.Second)
	near(t, "ack max of the record", time.Duration(*summary.Max*float64(time.Millisecond)), stallFor+2*service)
	if stats.Ack.Count() != 100_000 || stats.Load.Acked != 100_000 || stats.Load.Indeterminate != 0 || stats.Load.InFlightLimited || stats.Load.InFlightBytes < bound/3 {
		t.Errorf("%+v", stats.Load)
	}
	if worst := stats.ScheduleDelay.Quantile(1); worst != 0 {
		t.Errorf("an event left %v late, though nothing held it", worst)
	}
	for second, s := range stats.Seconds[:100] {
		acked := int64(1000)
		switch second {
		case 50, 51:
			acked = 0 // but for the one that was answered at the stroke of the stall
		case 52:
			acked = 3000
		}
		if s.Offered != 1000 || s.Sent != 1000 || math.Abs(float64(s.Acked-acked)) > 1 {
			t.Errorf("second %d: %+v", second, s)
		}
	}
}

// The same if sending itself stands still: now the delay is the schedule's, and what is visible is the same as before.
func TestBlockedSendIsMeasuredInFull(t *testing.T) {
	g, system, ledger := stalled(t, func(_ *scenarios.Scenario, s *stallingSystem) { s.blocks = true }, unbounded)
	stats := g.Stats()
	for q, want := range stallPercentiles {
		near(t, "visible", system.visible.Quantile(q), want)
		if want > service {
			near(t, "schedule delay", stats.ScheduleDelay.Quantile(q), want)
		}
		near(t, "ack", stats.Ack.Quantile(q), service) // it counts from the actual send
	}
	if e := ledger.Entry(51_000); e.Delay != time.Second || e.Ack != service {
		t.Errorf("event 51000: %+v", e)
	}
	if stats.Load.SentPerS != 1000 { // it has caught up before the end
		t.Errorf("sent %v/s", stats.Load.SentPerS)
	}
}

// Sending everything, but later than intended, is sending at a lower rate.
func TestLateSendingIsALowerRate(t *testing.T) {
	g, _, _ := stalled(t, func(s *scenarios.Scenario, system *stallingSystem) {
		s.Load[0].For = scenarios.Duration(stallAt + time.Second)
		system.blocks = true
	}, unbounded)
	load := g.Stats().Load
	if load.Sent != 51_000 || load.Offered != 51_000 || load.OfferedPerS != 1000 || math.Abs(load.SentPerS-51_000/52.0) > 0.1 {
		t.Errorf("%+v", load)
	}
}

// The same stall in a closed loop, where the next request waits for the last answer, is one slow sample among 98,000: the fault
// of method that the open schedule is there to avoid.
func TestClosedLoopHidesTheStall(t *testing.T) {
	clock := &virtualClock{}
	system := &stallingSystem{clock: clock}
	h := results.NewHistogram()
	for clock.now < 100*time.Second {
		sent := clock.now
		clock.Sleep(context.Background(), system.answer(sent))
		h.Record(clock.now - sent)
	}
	for q, want := range stallPercentiles {
		if got := h.Quantile(q); want > service && got > 2*service {
			t.Errorf("quantile %v is %v: the closed loop has seen the stall, which it is meant to show that it cannot", q, got)
		}
	}
	near(t, "the one slow sample", h.Quantile(1), stallFor+2*service)
}

func TestGeneratorLedgerAndCounts(t *testing.T) {
	g, _, ledger := stalled(t, func(s *scenarios.Scenario, system *stallingSystem) {
		s.Warmup = scenarios.Duration(10 * time.Second)
		system.fails = func(n uint64) bool { return n%1000 == 7 }
	}, unbounded)
	load := g.Stats().Load
	want := results.Load{
		OfferedPerS: 1000, SentPerS: 1000, Offered: 100_000, Sent: 100_000, Acked: 99_900, Indeterminate: 100, Warmup: 10_000,
		InFlightBytes: load.InFlightBytes, ScheduleDelay: load.ScheduleDelay,
	}
	if load != want {
		t.Errorf("%+v, want %+v", load, want)
	}
	if p := g.Progress(); p != (Progress{Sent: 110_000, Acked: 109_890, Indeterminate: 110}) {
		t.Errorf("%+v", p)
	}
	if g.Stats().ScheduleDelay.Count() != 100_000 || g.Stats().Ack.Count() != 99_900 {
		t.Error("warm-up is in the histograms")
	}
	if ledger.Len() != 110_000 {
		t.Errorf("%d events in the ledger", ledger.Len())
	}
	var next [partitions]int64
	for n := range ledger.Len() {
		e, p := ledger.Entry(n), n%partitions
		if n%1000 == 7 {
			if e.Status != Indeterminate {
				t.Fatalf("event %d: %+v", n, e)
			}
			continue
		}
		if e.Status != Acknowledged || e.Partition != int32(p) || e.Offset != next[p] || e.Delay != 0 || e.Ack < service {
			t.Fatalf("event %d: %+v, expected partition %d, offset %d", n, e, p, next[p])
		}
		next[p]++
	}
}

// At the bound the generator waits, says so, goes on after, and the waiting is in the schedule's delay.
func TestGeneratorBound(t *testing.T) {
	const bound = 100_000
	g, system, _ := stalled(t, nil, bound)
	stats := g.Stats()
	if !stats.Load.InFlightLimited || stats.Load.InFlightBytes > bound || stats.Load.InFlightBytes < bound-1000 {
		t.Errorf("limited %v at %d bytes", stats.Load.InFlightLimited, stats.Load.InFlightBytes)
	}
	if stats.Load.Sent != 100_000 || stats.Load.Acked != 100_000 || g.Progress().InFlightBytes != 0 {
		t.Errorf("%+v", stats.Load)
	}
	for q, want := range stallPercentiles {
		if want > service {
			near(t, "visible", system.visible.Quantile(q), want)
		}
	}
	if _, err := NewGenerator(Config{}); err == nil || !strings.Contains(err.Error(), "in flight") {
		t.Error(err)
	}
}

// Ctrl-C: what was measured stays, and the record says how much was offered by then.
func TestGeneratorStops(t *testing.T) {
	interrupt := errors.New("interrupt")
	for name, maxInFlight := range map[string]int64{"between events": unbounded, "at the bound": 2000} {
		t.Run(name, func(t *testing.T) {
			sent := int64(51_000)
			if maxInFlight < unbounded {
				sent = 50_000 // and what the bound lets through: at least 200 bytes each
			}
			clock := &virtualClock{}
			system := &stallingSystem{clock: clock, visible: results.NewHistogram()}
			g, path := newGenerator(t, ordinary(100_000), system, clock, maxInFlight)
			system.schedule = g.Schedule
			ctx, cancel := context.WithCancelCause(context.Background())
			clock.plan(stallAt+time.Second, func() { cancel(interrupt) })
			if err := g.Run(ctx); !errors.Is(err, interrupt) {
				t.Errorf("Run returned %v", err)
			}
			if err := g.Ledger.Close(); err != nil {
				t.Fatal(err)
			}
			load := g.Stats().Load
			if load.Offered != 51_001 || load.Sent < sent || load.Sent > sent+10 || load.Acked != load.Sent || load.InFlightLimited != (name == "at the bound") || load.InFlightBytes > maxInFlight {
				t.Errorf("%+v", load)
			}
			ledger, err := OpenLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			defer ledger.Close()
			if ledger.Len() != uint64(load.Sent) {
				t.Errorf("%d events in the ledger, %d sent", ledger.Len(), load.Sent)
			}
		})
	}
}

// holdingSystem answers from other goroutines, in no order, and checks that bytes stay as they are until then.
type holdingSystem struct {
	t      *testing.T
	source Source
	queue  chan held
	wg     sync.WaitGroup
}

type held struct {
	n          uint64
	key, value []byte
	done       func(int32, int64, error)
}

func (s *holdingSystem) Send(n uint64, key, value []byte, done func(int32, int64, error)) {
	s.wg.Add(1)
	s.queue <- held{n, key, value, done}
}

func (s *holdingSystem) Flush(context.Context) error { s.wg.Wait(); return nil }

func (s *holdingSystem) answer() {
	var kept []held
	settle := func() {
		for _, h := range kept {
			want := s.source.Event(h.n, nil)
			if !bytes.Equal(want.Key, h.key) || !bytes.Equal(want.Value, h.value) {
				s.t.Errorf("event %d has become %q", h.n, h.value)
			}
			var err error
			if h.n%5000 == 0 {
				err = errors.New("lost")
			}
			h.done(int32(h.n%4), int64(h.n), err)
			s.wg.Done()
		}
		kept = kept[:0]
	}
	for {
		select {
		case h, more := <-s.queue:
			if !more {
				return
			}
			if kept = append(kept, h); len(kept) > 700 { // more than a chunk
				settle()
			}
		case <-time.After(time.Millisecond):
			settle()
		}
	}
}

// On the real clock, with acknowledgements from several goroutines.
func TestGeneratorConcurrently(t *testing.T) {
	s := ordinary(100)
	s.Load = []scenarios.Step{{For: scenarios.Duration(300 * time.Millisecond), From: perS(1000), To: perS(400_000)}}
	system := &holdingSystem{t: t, queue: make(chan held)}
	g, path := newGenerator(t, s, system, NewClock(time.Now()), unbounded)
	system.source = g.Source
	var answering sync.WaitGroup
	for range 3 {
		answering.Go(system.answer)
	}
	if err := g.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(system.queue)
	answering.Wait()
	if err := g.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	stats, length := g.Stats(), int64(g.Schedule.Len())
	lost := (length + 4999) / 5000
	if stats.Load.Sent != length || stats.Load.Acked != length-lost || stats.Load.Indeterminate != lost || int64(ledger.Len()) != length {
		t.Errorf("%d events, %d lost: %+v", length, lost, stats.Load)
	}
	if stats.Load.ScheduleDelay.Negative != 0 {
		t.Errorf("%d events were sent before their time", stats.Load.ScheduleDelay.Negative)
	}
	var offered, sent, acked int64
	for _, second := range stats.Seconds {
		offered, sent, acked = offered+second.Offered, sent+second.Sent, acked+second.Acked
	}
	if offered != length || sent != length || acked != length-lost {
		t.Errorf("by second: %d offered, %d sent, %d acknowledged of %d", offered, sent, acked, length)
	}
	for n := range ledger.Len() {
		if e := ledger.Entry(n); (e.Status == Indeterminate) != (n%5000 == 0) || e.Status == Acknowledged && e.Offset != int64(n) {
			t.Fatalf("event %d: %+v", n, e)
		}
	}
}

func TestWallClock(t *testing.T) {
	clock := NewClock(time.Now())
	for _, d := range []time.Duration{-time.Second, 100 * time.Microsecond, 3 * time.Millisecond} {
		until := clock.Now() + d
		if clock.Sleep(context.Background(), until); clock.Now() < until {
			t.Errorf("woke before %v", until)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	clock.Sleep(ctx, clock.Now()+time.Hour) // returns
	if late := NewClock(time.Now().Add(time.Hour)); late.Now() >= 0 {
		t.Error("a clock shows a positive time before its origin")
	}
}
