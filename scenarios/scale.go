package scenarios

import "math"

// scale multiplies what takes wall-clock time by the time scale and absolute rates by the load scale, which are 1 afterwards.
func (s *Scenario) scale() {
	for _, d := range s.times() {
		const bound = 1 << 62 // beyond any limit that is checked, but not beyond an int64
		*d = Duration(max(-bound, min(math.Round(float64(*d)*s.TimeScale), bound)))
	}
	for i := range s.Load {
		step := &s.Load[i]
		for _, r := range step.rates() {
			r.PerS *= s.LoadScale
		}
		if step.Events > 0 {
			step.Events = int(min(max(1, math.Round(float64(step.Events)*s.LoadScale)), maxEvents+1))
		}
	}
	s.TimeScale, s.LoadScale = 1, 1
}

// times are all durations of the scenario in wall-clock time that the time scale is for. Those of the network (mean, jitter), of
// bands and of limits are properties of a system, not of the length of an experiment.
func (s *Scenario) times() []*Duration {
	all := []*Duration{&s.Warmup, &s.Lambda.BatchEvery, &s.Recovery.Hold, &s.Recovery.Before}
	for i := range s.Load {
		step := &s.Load[i]
		all = append(all, &step.For, &step.Rise, &step.Hold, &step.Fall)
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		all = append(all, &f.At, &f.For, &f.Every)
	}
	for i := range s.Reprocess {
		r := &s.Reprocess[i]
		all = append(all, &r.At, &r.Grace)
	}
	if b := s.Events.Burst; b != nil {
		all = append(all, &b.Every, &b.For)
	}
	return all
}
