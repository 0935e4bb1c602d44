package observe

import (
	"context"
	"slices"
	"sync"
	"time"

	"lkbench/results"
)

// tenth is the width of a row of results.TenthsFile.
const tenth = 100 * time.Millisecond

// TenthsConfig says what to sample ten times a second. All fields but Now are required.
type TenthsConfig struct {
	Offered, Acked func() int64 // events so far
	Processed      func(ctx context.Context) (int64, error)
	Now            func() time.Time // the harness's clock; nil means time.Now
}

// Tenths samples the way of events through the system every 100 ms, for the measurement of recovery.
type Tenths struct {
	cfg TenthsConfig

	mu      sync.Mutex
	samples []tenthSample
}

// tenthSample is taken when row number row ends.
type tenthSample struct {
	row             int
	offered, acked  int64
	processed, lag  int64
	processedFailed bool
}

// NewTenths takes no sample yet.
func NewTenths(cfg TenthsConfig) *Tenths {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Tenths{cfg: cfg}
}

// Run samples until ctx ends. A question that takes longer than a row leaves gaps: the rows that ended meanwhile have no sample.
func (t *Tenths) Run(ctx context.Context, origin time.Time) {
	for {
		since := t.cfg.Now().Sub(origin)
		next := max(tenth, since.Truncate(tenth)+tenth)
		timer := time.NewTimer(next - since)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		t.take(ctx, int(next/tenth)-1)
	}
}

// answerWithin bounds the question for progress. A database that is away answers at once, or never.
const answerWithin = time.Second

func (t *Tenths) take(ctx context.Context, row int) {
	s := tenthSample{row: row, offered: t.cfg.Offered(), acked: t.cfg.Acked()}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	processed, err := t.cfg.Processed(limited)
	// As in Sampler: what was acknowledged while the answer came counts, so that lag is rather too high than negative.
	s.processed, s.lag, s.processedFailed = processed, t.cfg.Acked()-processed, err != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	t.samples = append(t.samples, s)
}

// Rows gives the timeline up to a time since origin, with the alerts of points put in. Rows that touch a gap, in which nobody
// watched, have none.
func (t *Tenths) Rows(until time.Duration, points []Point, gaps []Gap) []results.Tenth {
	t.mu.Lock()
	samples := slices.Clone(t.samples)
	t.mu.Unlock()
	rows := make([]results.Tenth, (until+tenth-1)/tenth)
	for i := range rows {
		rows[i].AtMS = int64(i) * tenth.Milliseconds()
	}
	before := tenthSample{row: -1}
	for _, s := range samples {
		if s.row < len(rows) {
			fillCounts(&rows[s.row], before, s)
		}
		before = s
	}
	fillAlerts(rows, points)
	for _, g := range gaps {
		last := len(rows) - 1
		if g.Back > 0 {
			last = min(last, int(g.Back/tenth)-1)
		}
		for i := max(0, int(g.Lost/tenth)); i <= last; i++ {
			rows[i].Alerts, rows[i].AlertMaxMS, rows[i].AlertP99MS = nil, nil, nil
		}
	}
	return rows
}

// fillCounts puts in what happened between two samples. Counts need the sample of the row before; lag does not.
func fillCounts(row *results.Tenth, before, s tenthSample) {
	consecutive := s.row == before.row+1
	if !s.processedFailed {
		row.Lag = &s.lag
	}
	if !consecutive {
		return
	}
	offered, acked := s.offered-before.offered, s.acked-before.acked
	row.Offered, row.Acked = &offered, &acked
	if !s.processedFailed && !before.processedFailed {
		processed := s.processed - before.processed
		row.Processed = &processed
	}
}

// p99Needs is how many alerts a trailing second must hold for a 99th percentile.
const p99Needs = 10

// fillAlerts counts the alerts of every row, and takes percentiles over the second that ends with it.
func fillAlerts(rows []results.Tenth, points []Point) {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return int(a.At - b.At) })
	from, to := 0, 0 // of points: the trailing second
	begin := 0       // of the row's own
	for i := range rows {
		end := time.Duration(i+1) * tenth
		for to < len(points) && points[to].At < end {
			to++
		}
		for from < to && points[from].At < end-time.Second {
			from++
		}
		count := int64(to - begin)
		rows[i].Alerts = &count
		if count > 0 {
			longest := milliseconds(slices.MaxFunc(points[begin:to], byLatency).Latency)
			rows[i].AlertMaxMS = &longest
		}
		if trailing := points[from:to]; len(trailing) >= p99Needs {
			sorted := slices.SortedFunc(slices.Values(trailing), byLatency)
			p99 := milliseconds(sorted[(len(sorted)*99+99)/100-1].Latency) // nearest rank
			rows[i].AlertP99MS = &p99
		}
		begin = to
	}
}

func byLatency(a, b Point) int { return int(a.Latency - b.Latency) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
