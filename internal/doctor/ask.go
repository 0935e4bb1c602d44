package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// answer is what a probe gave.
type answer[T any] struct {
	value T
	err   error
}

// late is the error of a probe that was not waited for any longer.
type late struct{ limit time.Duration }

func (l late) Error() string {
	return fmt.Sprintf("no answer within %v (--timeout waits longer)", l.limit)
}

// ask asks one probe, for limit at most, whether or not it minds its context.
func ask[T any](ctx context.Context, limit time.Duration, probe func(context.Context) (T, error)) answer[T] {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	given := make(chan answer[T], 1) // one that comes late does not hang
	go func() {
		value, err := probe(ctx)
		given <- answer[T]{value, err}
	}()
	select {
	case a := <-given:
		if a.err != nil && ctx.Err() != nil { // ended by us: what it says about that is not its finding
			a.err = late{limit}
		}
		return a
	case <-ctx.Done():
		return answer[T]{err: late{limit}}
	}
}

// askAll asks probes of the machine at once and gives their checks in order.
func askAll(ctx context.Context, limit time.Duration, probes []MachineProbe) []Check {
	answers := make([][]Check, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			a := ask(ctx, limit, p.Look)
			if a.err != nil {
				a.value = nil
				for _, name := range p.Names {
					a.value = append(a.value, Check{Name: name, Status: Unknown, Found: a.err.Error()})
				}
			}
			answers[i] = a.value
		})
	}
	all.Wait()
	var checks []Check
	for _, a := range answers {
		checks = append(checks, a...)
	}
	return checks
}
