package observe

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// clockEvery is how often the clocks are held against each other while the load runs: two clocks that nobody sets
	// drift apart by some tens of microseconds a second.
	clockEvery = 10 * time.Second
	// clockTrips is how many round trips one measurement makes; the shortest counts.
	clockTrips = 16
)

// serverClock turns times of the server's clock into times of the harness's. Another machine, or a virtual one, has a clock
// of its own.
type serverClock struct {
	now  func() time.Time
	base time.Time // of the harness; with the monotonic clock, so that setting the machine's clock changes nothing

	mu       sync.Mutex
	measured bool
	lost     bool          // the last measurement failed
	offset   time.Duration // the server's clock is ahead by so much
	bound    time.Duration // of its error, at the last measurement
	worst    time.Duration // highest error so far, with what the clocks drifted between two measurements
}

func newServerClock(now func() time.Time) *serverClock { return &serverClock{now: now, base: now()} }

// measure asks the server for its time, as NTP does: the answer was given somewhere within the round trip, so half of that is the
// error.
func (c *serverClock) measure(ctx context.Context, conn *pgx.Conn) error {
	var offset, shortest time.Duration
	for i := range clockTrips + 1 {
		var server time.Time
		sent := c.now()
		if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&server); err != nil {
			return err
		}
		trip := c.now().Sub(sent)
		if i == 0 {
			continue // it prepared the statement
		}
		if i == 1 || trip < shortest {
			shortest = trip
			offset = server.Sub(c.base.Round(0).Add(sent.Sub(c.base) + trip/2))
		}
	}
	c.take(offset, shortest/2+time.Microsecond) // the server tells whole microseconds
	return nil
}

// take notes a measurement. An offset that differs from the one in use by less than its own error is no reason to change it:
// so the clock of the same machine has the offset zero, exactly.
func (c *serverClock) take(offset, uncertain time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var drift time.Duration
	if (offset - c.offset).Abs() > uncertain {
		if c.measured {
			drift = (offset - c.offset).Abs()
		}
		c.offset = offset
	}
	c.bound = (offset - c.offset).Abs() + uncertain
	c.worst = max(c.worst, c.bound+drift)
	c.measured, c.lost = true, false
}

// unknown notes that the last measurement failed.
func (c *serverClock) unknown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// harness gives a time of the server on the harness's clock. It was before now; one that seems to lie after it by no more than the
// offset's error is now.
func (c *serverClock) harness(micros int64, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.base.Add(time.UnixMicro(micros).Sub(c.base.Round(0)) - c.offset)
	if ahead := at.Sub(now); ahead > 0 && ahead <= c.bound {
		return now
	}
	return at
}

// record gives offset and error in milliseconds; nil for what is not known.
func (c *serverClock) record() (offset, uncertain *float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.measured {
		return nil, nil
	}
	offset = inMilliseconds(c.offset)
	if !c.lost {
		uncertain = inMilliseconds(c.worst)
	}
	return offset, uncertain
}

func inMilliseconds(d time.Duration) *float64 {
	v := float64(d) / float64(time.Millisecond)
	return &v
}

// watchClock measures again and again until Close. A measurement that fails (the server is down) is left out.
func (f *Follower) watchClock() {
	var conn *pgx.Conn
	tick := time.NewTicker(f.clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.ctx.Done():
			if conn != nil {
				_ = conn.Close(context.Background()) // it may be broken already
			}
			return
		case <-tick.C:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(f.ctx, f.cfg.Postgres); err != nil {
				conn = nil
				continue
			}
		}
		if f.clock.measure(f.ctx, conn) != nil {
			_ = conn.Close(context.Background())
		}
	}
}
