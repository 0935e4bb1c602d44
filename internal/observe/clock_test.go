package observe

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"lkbench/results"
)

// shifted is the harness's clock, wrong by so much.
func shifted(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// followShifted sees one alert with a harness whose clock is wrong, and closes.
func followShifted(t *testing.T, by time.Duration) (*Follower, results.Observer) {
	t.Helper()
	url, conn := database(t, alertTable("alerts"))
	now := shifted(by)
	f, err := Follow(t.Context(), FollowerConfig{
		Postgres: url, Publication: "observe_test", Tables: []string{"alerts"}, Rules: testRules,
		Events: 1000, Intended: func(uint64) time.Duration { return 0 }, ParseID: parseID, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.clockEvery = 10 * time.Millisecond
	f.Run(now())
	for n := range 50 {
		insertAlert(t, conn, "alerts", n, "high")
	}
	catchUp(t, f)
	if err := f.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f, f.Record()
}

// TestClockOffsetIsMeasuredAndTakenOut: both clocks are this machine's, so the offset is known.
func TestClockOffsetIsMeasuredAndTakenOut(t *testing.T) {
	for _, by := range []time.Duration{-250 * time.Millisecond, 0, 250 * time.Millisecond, time.Hour / 2, -time.Hour / 2} {
		t.Run(by.String(), func(t *testing.T) {
			f, o := followShifted(t, by)
			if o.ClockOffsetMS == nil || o.ClockErrorMS == nil {
				t.Fatalf("offset %v, error %v: not measured", o.ClockOffsetMS, o.ClockErrorMS)
			}
			want := -float64(by) / float64(time.Millisecond)
			if diff := *o.ClockOffsetMS - want; diff > *o.ClockErrorMS || -diff > *o.ClockErrorMS {
				t.Errorf("offset %v ms, error %v ms; it is %v ms", *o.ClockOffsetMS, *o.ClockErrorMS, want)
			}
			if by == 0 && *o.ClockOffsetMS != 0 {
				t.Errorf("offset %v ms of a clock to itself", *o.ClockOffsetMS)
			}
			// Without the correction lags were below zero, or beyond half an hour.
			lag := f.Lag().Summary()
			if lag.Count != 50 || lag.Negative != 0 || *lag.Max > 600_000 {
				t.Errorf("lag %+v, want 50 of some milliseconds", lag)
			}
			commits, alerts := f.CommitLatency().Summary(), f.Latency().Total().Summary()
			if commits.Count != 50 || commits.Negative != 0 || *commits.Max > *alerts.Max {
				t.Errorf("latencies until the commit %+v, until seen %+v", commits, alerts)
			}
		})
	}
}

// TestClockIsMeasuredWhileTheLoadRuns: a clock that is set in the middle is noticed, and is in the error.
func TestClockIsMeasuredWhileTheLoadRuns(t *testing.T) {
	url, conn := database(t, alertTable("alerts"))
	var by atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	f, err := Follow(t.Context(), FollowerConfig{
		Postgres: url, Publication: "observe_test", Tables: []string{"alerts"}, Rules: testRules,
		Events: 1000, Intended: func(uint64) time.Duration { return -time.Hour }, ParseID: parseID, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.clockEvery = 10 * time.Millisecond
	f.Run(now())
	by.Store(int64(-10 * time.Minute))
	waitFor(t, func() bool { offset, _ := f.clock.record(); return *offset > 300_000 })
	insertAlert(t, conn, "alerts", 1, "high")
	catchUp(t, f)
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lag := f.Lag().Summary(); lag.Count != 1 || lag.Negative != 0 {
		t.Errorf("lag %+v, want one, not below zero", lag)
	}
	if o := f.Record(); *o.ClockErrorMS < 600_000 {
		t.Errorf("error %v ms, though the clock was set by ten minutes", *o.ClockErrorMS)
	}
}

// TestClockKeepsBooks: what is used, and its error, by measurements made up.
func TestClockKeepsBooks(t *testing.T) {
	const ms = time.Millisecond
	type measured struct{ offset, uncertain time.Duration }
	for name, c := range map[string]struct {
		measured      []measured
		offset, error float64
	}{
		"the same clock":             {[]measured{{ms / 2, ms}, {-ms / 4, ms / 2}}, 0, 1.5},
		"another clock":              {[]measured{{250 * ms, ms}, {250*ms + ms/2, ms}}, 250, 1.5},
		"a clock that drifts":        {[]measured{{250 * ms, ms}, {255 * ms, 2 * ms}}, 255, 7},
		"a clock that was set":       {[]measured{{250 * ms, ms}, {0, 2 * ms}}, 0, 252},
		"a bad measurement once":     {[]measured{{250 * ms, ms}, {240 * ms, 20 * ms}, {250 * ms, ms}}, 250, 30},
		"an offset within its error": {[]measured{{3 * ms, 4 * ms}}, 0, 7},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newServerClock(time.Now)
			for _, m := range c.measured {
				clock.take(m.offset, m.uncertain)
			}
			offset, uncertain := clock.record()
			if *offset != c.offset || *uncertain != c.error {
				t.Errorf("offset %v ms, error %v ms; want %v and %v", *offset, *uncertain, c.offset, c.error)
			}
		})
	}
}

// TestClockNeverSetsACommitAfterItsSighting, by less than the error; a clock that is wrong by more shows.
func TestClockNeverSetsACommitAfterItsSighting(t *testing.T) {
	clock := newServerClock(time.Now)
	clock.take(time.Second, time.Millisecond)
	now := clock.base.Add(time.Minute)
	server := now.Add(time.Second).Round(0) // on its own clock
	for ahead, want := range map[time.Duration]time.Duration{-time.Second: -time.Second, 0: 0, time.Millisecond / 2: 0, 5 * time.Millisecond: 5 * time.Millisecond} {
		got := clock.harness(server.Add(ahead).UnixMicro(), now).Sub(now)
		if (got - want).Abs() > time.Microsecond {
			t.Errorf("a commit %v after its sighting was set to %v after, want %v", ahead, got, want)
		}
	}
	if offset, _ := newServerClock(time.Now).record(); offset != nil {
		t.Error("an offset that nobody measured")
	}
	clock.unknown()
	if _, uncertain := clock.record(); uncertain != nil {
		t.Error("an error, though the last measurement failed")
	}
}
