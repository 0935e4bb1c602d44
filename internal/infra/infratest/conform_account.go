package infratest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"lkbench/internal/infra"
)

// accountWithin bounds how much work is done until a server must have used more processor time than before.
const accountWithin = time.Minute

// accounting examines whether what a server has used grows with its work.
func accounting(ctx context.Context, r *running) error {
	if len(r.Servers()) == 0 {
		return r.without("accounting")
	}
	ctx, cancel := context.WithTimeout(ctx, accountWithin)
	defer cancel()
	before := map[string]infra.Usage{}
	for _, s := range r.Servers() {
		used, err := usageOf(ctx, s)
		if err != nil {
			return err
		}
		if used.RSS <= 0 {
			return fmt.Errorf("the %s uses %d bytes of memory", s.Role, used.RSS)
		}
		before[s.Role] = used
	}
	round := 0
	return eventually(ctx, "the work shows in what the servers have used", func() error {
		round++
		if err := r.roundTrip(ctx, fmt.Sprint("work", round)); err != nil {
			return err
		}
		var errs []error
		for _, s := range r.Servers() {
			used, err := usageOf(ctx, s)
			if err != nil {
				return err
			}
			if used.CPU <= before[s.Role].CPU {
				errs = append(errs, fmt.Errorf("the %s has used %v of processor time, before the work %v", s.Role, used.CPU, before[s.Role].CPU))
			}
			if space, err := s.Disk(ctx); err != nil || space <= 0 {
				errs = append(errs, fmt.Errorf("the data of the %s takes %d bytes (%v)", s.Role, space, err))
			}
		}
		return errors.Join(errs...)
	})
}

// usageOf reads what a server has used, as the sampler does: from its processes, or from what its container tells.
func usageOf(ctx context.Context, s *infra.Server) (infra.Usage, error) {
	if s.Usage != nil {
		used, err := s.Usage(ctx)
		if err != nil {
			return infra.Usage{}, fmt.Errorf("what the %s has used: %w", s.Role, err)
		}
		return used, nil
	}
	var sum infra.Usage
	for _, id := range treeOf(s) {
		p, err := process.NewProcessWithContext(ctx, int32(id.PID))
		if err != nil {
			continue // ended since
		}
		times, timesErr := p.TimesWithContext(ctx)
		memory, memoryErr := p.MemoryInfoWithContext(ctx)
		if timesErr != nil || memoryErr != nil {
			continue
		}
		sum.CPU += time.Duration((times.User + times.System) * float64(time.Second))
		sum.RSS += int64(memory.RSS)
	}
	return sum, nil
}
