package infratest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// restarts stops a server of each kind in order and starts it again: on the same address, with all that it had.
func restarts(ctx context.Context, r *running) error {
	if len(r.Servers()) == 0 {
		return r.without("stop and restart")
	}
	topic := r.Prefix + "conform.carries" // of the check before
	before, err := r.readLog(ctx, topic)
	if err != nil {
		return err
	}
	var errs []error
	servers := r.Servers()
	if len(r.Brokers) > 1 { // the others are killed and started again later
		servers = append(r.Brokers[:1:1], r.Database)
	}
	for _, s := range servers {
		if err := s.Restart(ctx); err == nil || !strings.Contains(err.Error(), "still runs") {
			errs = append(errs, fmt.Errorf("restarting the %s while it runs gives %v", s.Role, err))
		}
		processes := treeOf(s)
		if err := s.Stop(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, ended(ctx, s, processes))
		if err := s.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping it again: %w", err))
		}
		errs = append(errs, again(ctx, s, processes))
	}
	after, err := r.readLog(ctx, topic)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if len(after) != len(before) {
		errs = append(errs, fmt.Errorf("%s had %d records before the restarts and %d after", topic, len(before), len(after)))
	}
	return errors.Join(append(errs, r.roundTrip(ctx, "restarted"))...)
}

// ended says what of a server that was killed or stopped is not over.
func ended(ctx context.Context, s *infra.Server, processes []proc.Identity) error {
	errs := []error{silent(ctx, s)}
	select {
	case <-s.Done():
	default:
		errs = append(errs, fmt.Errorf("the %s was ended and is not done", s.Role))
	}
	for _, id := range processes {
		if id.Alive() {
			errs = append(errs, fmt.Errorf("the %s was ended, but lives: %s", s.Role, command(id.PID)))
		}
	}
	return errors.Join(errs...)
}

// again restarts a server: its address stays, its processes are others.
func again(ctx context.Context, s *infra.Server, processes []proc.Identity) error {
	address, container := s.Address, s.Container
	if err := s.Restart(ctx); err != nil {
		return err
	}
	var errs []error
	if s.Address != address || s.Container != container {
		errs = append(errs, fmt.Errorf("after its restart the %s has the address %s (container %q), before it had %s (%q)",
			s.Role, s.Address, s.Container, address, container))
	}
	for _, id := range treeOf(s) {
		if slices.Contains(processes, id) {
			errs = append(errs, fmt.Errorf("after its restart the %s has a process of before: %d", s.Role, id.PID))
		}
	}
	if err := answers(ctx, s); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
