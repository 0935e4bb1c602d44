package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lkbench/internal/observe"
	"lkbench/results"
)

// resources sums up the samples of the measured load and its drain.
func (r *run) resources(ctx context.Context) ([]results.Resource, error) {
	samples := r.watch.sampler.Samples()
	from := slices.IndexFunc(samples, func(s observe.Sample) bool { return s.At >= r.schedule.WarmupEnd() && s.CPU != nil })
	if from < 0 {
		return []results.Resource{}, nil
	}
	used := []results.Resource{}
	for _, c := range r.Architecture.Components() {
		if c.OnDemand && r.correction == nil {
			continue // it never ran
		}
		used = append(used, results.Resource{Component: c.Name, StartS: r.started})
	}
	for _, server := range r.instance.Servers() {
		disk, err := server.Disk(ctx)
		if err != nil {
			return nil, fmt.Errorf("disk space of the %s: %w", server.Role, err)
		}
		used = append(used, results.Resource{Component: server.Role, StartS: server.StartS, DiskBytes: &disk})
	}
	used = append(used, results.Resource{Component: "harness"})
	for i := range used {
		account(&used[i], samples, from)
	}
	return used, nil
}

// account fills in what a component used from a sample on, in the samples that have it: those of a container may lack it
// when its engine did not answer. Its counter counts from the latest sample up to that one, or the first after it.
func account(u *results.Resource, samples []observe.Sample, from int) {
	has := func(s observe.Sample) bool { _, ok := s.CPU[u.Component]; return ok }
	first := from
	for first >= 0 && !has(samples[first]) {
		first--
	}
	if first < 0 {
		first = from + slices.IndexFunc(samples[from:], has)
	}
	for _, s := range samples[from:] {
		if !has(s) {
			continue
		}
		u.CPUS = new((s.CPU[u.Component] - samples[first].CPU[u.Component]).Seconds())
		if u.MaxRSSBytes == nil || *u.MaxRSSBytes < s.RSS[u.Component] {
			u.MaxRSSBytes = new(s.RSS[u.Component])
		}
	}
}

// extra is what all components and servers used from one time to another beyond their rate between warm and from: CPU in seconds,
// and the highest memory beyond that of the last sample before. Nil where a sample is missing. The harness is no part of it.
func extra(samples []observe.Sample, warm, from, to time.Duration) (cpu *float64, memory *int64) {
	total := func(s observe.Sample) (cpu time.Duration, rss int64) {
		for name, used := range s.CPU {
			if name != "harness" {
				cpu += used
				rss += s.RSS[name]
			}
		}
		return cpu, rss
	}
	var first, last, end *observe.Sample
	var highest int64
	for i := range samples {
		s := &samples[i]
		switch {
		case s.CPU == nil || s.At < warm:
		case s.At <= from:
			if first == nil {
				first = s
			}
			last = s
		default:
			if end == nil || end.At < to { // the first sample at or after the end is the last to count
				end = s
				_, rss := total(*s)
				highest = max(highest, rss)
			}
		}
	}
	if first == nil || end == nil || first == last {
		return nil, nil
	}
	began, _ := total(*first)
	before, rss := total(*last)
	after, _ := total(*end)
	rate := (before - began).Seconds() / (last.At - first.At).Seconds()
	beyond := (after - before).Seconds() - rate*(end.At-last.At).Seconds()
	more := max(0, highest-rss)
	return &beyond, &more
}
