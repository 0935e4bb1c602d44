package observe

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSamplerAsksForUsage: a group answers, one fails in the middle, one is not there at first, one begins again, one hangs
// and heeds nothing. None holds up a sample by more than the timeout, and what is not known is absent, not zero.
func TestSamplerAsksForUsage(t *testing.T) {
	const second = time.Second
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		type answer struct {
			cpu time.Duration
			rss int64
			err error
		}
		script := func(answers ...answer) func(context.Context) (time.Duration, int64, error) {
			i := -1
			return func(context.Context) (time.Duration, int64, error) {
				i = min(i+1, len(answers)-1)
				return answers[i].cpu, answers[i].rss, answers[i].err
			}
		}
		down := answer{err: errors.New("down")}
		release := make(chan struct{})
		zero := func() int64 { return 0 }
		s := NewSampler(SamplerConfig{
			Groups: []Group{
				{Name: "steady", Usage: script(answer{1 * second, 10, nil}, answer{2 * second, 20, nil}, answer{3 * second, 30, nil})},
				{Name: "fails", Usage: script(answer{1 * second, 10, nil}, down, answer{4 * second, 10, nil})},
				{Name: "late", Usage: script(down, answer{5 * second, 10, nil})},
				{Name: "again", Usage: script(answer{9 * second, 10, nil}, answer{1 * second, 5, nil}, answer{10 * second, 10, nil})},
				{Name: "slow", Usage: func(ctx context.Context) (time.Duration, int64, error) {
					<-ctx.Done()
					return 0, 0, ctx.Err()
				}},
				{Name: "hangs", Usage: func(context.Context) (time.Duration, int64, error) {
					asked.Add(1)
					<-release
					return second, 1, nil
				}},
			},
			Offered: zero, Sent: zero, Acked: zero, UsageTimeout: 300 * time.Millisecond,
			Processed: func(context.Context) (int64, error) { return 0, nil },
		})
		origin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		if err := s.Run(ctx, origin); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(origin); took != 2800*time.Millisecond {
			t.Errorf("sampling ended after %v, want 2.5 s and the timeout", took)
		}
		got := s.Samples()
		if len(got) != 3 {
			t.Fatalf("%d samples, want 3", len(got))
		}
		for name, want := range map[string][]time.Duration{
			"steady": {1 * second, 2 * second, 3 * second}, "fails": {1 * second, -1, 4 * second}, "late": {-1, 5 * second, 5 * second},
			"again": {9 * second, 9 * second, 10 * second}, "slow": {-1, -1, -1}, "hangs": {-1, -1, -1},
		} {
			for i, w := range want {
				cpu, known := got[i].CPU[name]
				_, held := got[i].RSS[name]
				if known != (w >= 0) || held != known || known && cpu != w {
					t.Errorf("%s, sample %d: %v (known: %v), want %v (-1ns: not known)", name, i, cpu, known, w)
				}
			}
		}
		if asked.Load() != 1 {
			t.Errorf("the group that hangs was asked %d times, want once", asked.Load())
		}
		close(release)
		synctest.Wait()
	})
}
