package results

import "fmt"

// check refuses a record that contradicts itself.
func (r *Record) check() error {
	for i, f := range r.Faults {
		if f.Recovery == nil {
			continue
		}
		if f.InjectedAtS == nil {
			return fmt.Errorf("faults[%d]: a recovery from a fault that never took effect", i)
		}
		for _, s := range []namedSpan{
			{"detection", f.Recovery.Detection}, {"first_output", f.Recovery.FirstOutput}, {"lag_back", f.Recovery.LagBack},
			{"p99_back", f.Recovery.P99Back}, {"freshness_back", f.Recovery.FreshnessBack}, {"all_right", f.Recovery.AllRight},
		} {
			if err := s.check(); err != nil {
				return fmt.Errorf("faults[%d].recovery: %w", i, err)
			}
		}
	}
	for i, p := range r.Reprocess {
		for _, s := range []namedSpan{{"first_right", p.FirstRight}, {"all_right", p.AllRight}} {
			if err := s.check(); err != nil {
				return fmt.Errorf("reprocess[%d]: %w", i, err)
			}
		}
	}
	return nil
}

func (s namedSpan) check() error {
	switch {
	case s.Censored && s.S == nil:
		return fmt.Errorf("%s is censored, but not said after how long", s.name)
	case s.S != nil && *s.S < 0:
		return fmt.Errorf("%s is %s s, but nothing recovers before the fault", s.name, decimal(*s.S))
	}
	return nil
}
