package scenarios

import "slices"

// Length is how long events are sent: the warm-up and the load.
func (s *Scenario) Length() Duration {
	length := s.Warmup
	for _, step := range s.Load {
		length += step.For
	}
	return length
}

// WithoutFaults is the control of a scenario with faults: a copy that shares nothing with it and is the same but for having no
// fault. Its expectations are gone too, since they are about the run with faults.
func (s *Scenario) WithoutFaults() *Scenario {
	control := s.clone()
	control.Faults, control.Expect = nil, nil
	return control
}

// clone is a copy that shares nothing with s.
func (s *Scenario) clone() *Scenario {
	c := *s
	c.Events.Burst, c.Events.Missing = copied(s.Events.Burst), copied(s.Events.Missing)
	c.Load, c.Faults, c.Reprocess, c.Expect = slices.Clone(s.Load), slices.Clone(s.Faults), slices.Clone(s.Reprocess), slices.Clone(s.Expect)
	for i := range c.Reprocess {
		r := &c.Reprocess[i].Rules
		*r = RuleChange{copied(r.RelativePercent), copied(r.AbsoluteINR), copied(r.VelocityCount), copied(r.PremiumINR), copied(r.FrequentCount)}
	}
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
