package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lkbench/internal/infra"
)

// staleAfter is how old the engine's accounting may be; it comes once a second.
const staleAfter = 10 * time.Second

// spent adds up the CPU of a container's lives: the engine's counter begins anew with each start. It is fed by the engine
// once a second, for a single question can take as long to be answered; so of a life that has ended it may lack the last
// second, and what it tells is that old.
type spent struct {
	mu      sync.Mutex
	life    int           // 1 for the first
	before  time.Duration // of the lives that have ended
	cpu     time.Duration // of the present one
	rss     int64
	read    time.Time     // when these were read; zero while nothing was
	arrived chan struct{} // closed with the first reading of a life
	failed  error         // why the engine tells nothing any more
}

// nextLife begins a new counter and gives its number.
func (s *spent) nextLife() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life++
	s.before, s.cpu, s.rss, s.read, s.failed = s.before+s.cpu, 0, 0, time.Time{}, nil
	s.arrived = make(chan struct{})
	return s.life
}

// take takes a reading of a life. One of an earlier life comes too late. The engine says 0 of a container that has ended.
func (s *spent) take(life int, cpu time.Duration, rss int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life != s.life || cpu == 0 {
		return
	}
	if s.read.IsZero() {
		close(s.arrived)
	}
	s.cpu, s.rss, s.read, s.failed = max(s.cpu, cpu), rss, now, nil
}

func (s *spent) fail(life int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life == s.life {
		s.failed = err
	}
}

// firstReading is closed when there is something to tell of the present life.
func (s *spent) firstReading() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}

// sum gives what was used in all lives. A container that has ended holds no memory.
func (s *spent) sum(ended bool, now time.Time) (infra.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended {
		return infra.Usage{CPU: s.before + s.cpu}, nil
	}
	if age := now.Sub(s.read); age > staleAfter {
		return infra.Usage{}, errors.Join(fmt.Errorf("the engine has told nothing for %v", age.Round(time.Second)), s.failed)
	}
	return infra.Usage{CPU: s.before + s.cpu, RSS: s.rss}, nil
}

// usage is infra.Server.Usage. In the first second of a life it waits for the engine.
func (u *unit) usage(ctx context.Context) (infra.Usage, error) {
	done := u.Done()
	select {
	case <-u.spent.firstReading():
	case <-done:
	case <-ctx.Done():
		return infra.Usage{}, fmt.Errorf("what %s has used: %w", u.what, context.Cause(ctx))
	}
	ended := false
	select {
	case <-done:
		ended = true
	default:
	}
	sum, err := u.spent.sum(ended, time.Now())
	if err != nil {
		return infra.Usage{}, fmt.Errorf("what %s has used: %w", u.what, err)
	}
	return sum, nil
}

// account follows the engine's accounting of a life until ctx ends.
func (u *unit) account(ctx context.Context, life int) {
	for ctx.Err() == nil {
		err := u.readStats(ctx, life)
		u.spent.fail(life, err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // the connection broke: begin a new one
		}
	}
}

func (u *unit) readStats(ctx context.Context, life int) error {
	answer, err := u.run.client.ContainerStats(ctx, u.id, client.ContainerStatsOptions{Stream: true})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for lines := json.NewDecoder(answer.Body); ; {
		var stats container.StatsResponse
		if err := lines.Decode(&stats); err != nil {
			return err
		}
		rss, err := heldMemory(stats.MemoryStats)
		if err != nil {
			return err
		}
		u.spent.take(life, time.Duration(stats.CPUStats.CPUUsage.TotalUsage), rss, time.Now())
	}
}

// heldMemory is what the resident memory of the processes is: what they hold themselves and what they have mapped, shared
// memory (PostgreSQL's buffers) included, each page once, but not the cache of files. The kernel calls it differently in the
// two versions of its accounting; of a container that does not run there is nothing.
func heldMemory(stats container.MemoryStats) (int64, error) {
	if len(stats.Stats) == 0 {
		return 0, nil
	}
	for _, version := range []struct{ own, mapped string }{{"anon", "file_mapped"}, {"total_rss", "total_mapped_file"}} {
		own, has := stats.Stats[version.own]
		mapped, hasMapped := stats.Stats[version.mapped]
		if has && hasMapped {
			return int64(own + mapped), nil
		}
	}
	return 0, errors.New("the engine reports memory in a form that lkbench does not know")
}
