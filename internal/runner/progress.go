package runner

import (
	"context"
	"time"

	"lkbench/architectures"
)

// Snapshot is how a run stands, for a person to look at while it goes on.
type Snapshot struct {
	Arch           string
	Phase          string        // start, warm-up, load, drain, verify
	Note           string        // what is being done, where there are no figures yet; the fault that is under way
	Elapsed, Total time.Duration // of warm-up and load together
	Sent           int64         // events so far
	SentPerS       float64       // over the last second or so
	Lag            int64         // acknowledged and not yet processed by every component
	Alerts         int64         // seen in the last seconds
	AlertP50       time.Duration // over the last seconds
	AlertP99       time.Duration
}

// showEvery is the time between two snapshots.
const showEvery = 250 * time.Millisecond

// lookBack is how many whole seconds the latencies of a snapshot cover.
const lookBack = 3

// show hands over snapshots until ctx ends.
func (r *run) show(ctx context.Context) {
	ticker := time.NewTicker(showEvery)
	defer ticker.Stop()
	var sent [1000 / 250]int64 // the counts of the last second
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s := r.snapshot()
		s.SentPerS = float64(s.Sent-sent[i%len(sent)]) / (showEvery * time.Duration(len(sent))).Seconds()
		sent[i%len(sent)] = s.Sent
		r.Progress(s)
	}
}

func (r *run) snapshot() Snapshot {
	elapsed := max(r.now(), 0)
	s := Snapshot{
		Arch: r.Architecture.Name(), Phase: "load", Elapsed: elapsed, Total: r.schedule.End(),
		Sent: r.load.generator.Progress().Sent,
	}
	switch {
	case elapsed < r.schedule.WarmupEnd():
		s.Phase = "warm-up"
	case elapsed > s.Total:
		s.Phase = "drain"
	}
	s.Note = r.active()
	if samples := r.watch.sampler.Samples(); len(samples) > 0 {
		if lag := samples[len(samples)-1].Lag; lag != nil {
			s.Lag = *lag
		}
	}
	if r.watch.follower != nil {
		second := int(elapsed / time.Second)
		if h := r.watch.follower.Latency().Between(second-lookBack, second+1); h.Count() > 0 {
			s.Alerts = h.Count()
			s.AlertP50 = h.Quantile(0.5)
			s.AlertP99 = h.Quantile(0.99)
		}
	}
	return s
}

// processed is the number of records that every component has durably processed.
func processed(arch architectures.Architecture, partitions int, progress architectures.Progress) int64 {
	var total int64
	for _, next := range behind(arch, partitions, progress) {
		total += next
	}
	return total
}

// behind gives, for each partition, the position of the component that is furthest behind.
func behind(arch architectures.Architecture, partitions int, progress architectures.Progress) []int64 {
	consumes := map[string]bool{}
	for _, c := range arch.Components() {
		consumes[c.Name] = c.Consumes
	}
	least := make([]int64, partitions)
	seen := make([]bool, partitions)
	for _, p := range progress.Positions {
		if !consumes[p.Component] || int(p.Partition) >= partitions {
			continue
		}
		if !seen[p.Partition] || p.Next < least[p.Partition] {
			least[p.Partition] = p.Next
		}
		seen[p.Partition] = true
	}
	return least
}
