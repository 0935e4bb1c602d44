package loadgen

import (
	"time"

	"lkbench/results"
)

// Progress is how far a Generator has come, warm-up included.
type Progress struct {
	Sent, Acked, Indeterminate int64 // events; what is sent and neither of the others is in flight
	InFlightBytes              int64
}

// Progress may be asked at any time, from any goroutine.
func (g *Generator) Progress() Progress {
	return Progress{
		Sent: g.sent.Load(), Acked: g.acked.Load(), Indeterminate: g.indeterminate.Load(), InFlightBytes: g.inFlight.Load(),
	}
}

// Second is what happened in one second since the origin, warm-up included.
type Second struct{ Offered, Sent, Acked int64 }

// Stats is what a Generator measured. The histograms leave out warm-up.
type Stats struct {
	Load          results.Load
	ScheduleDelay *results.Histogram // actual minus intended send, of all but replayed events
	Ack           *results.Histogram // actual send to acknowledgement
	Seconds       []Second
}

// Stats sums up after Run has returned. Events without an outcome by then count as indeterminate.
func (g *Generator) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	warm, all := int64(g.Schedule.Warmup()), g.sent.Load()
	end, offered := g.Schedule.End(), int64(g.Schedule.Len())
	if g.stopped > 0 && g.stopped < end {
		end, offered = g.stopped, int64(g.Schedule.Due(g.stopped))
	}
	load := results.Load{
		Offered: max(0, offered-warm), Sent: max(0, all-warm), Acked: g.ackedMeasured, Warmup: min(all, warm),
		ScheduleDelay: g.delay.Summary(), InFlightLimited: g.limited, InFlightBytes: g.highest,
	}
	load.Indeterminate = load.Sent - load.Acked
	load.OfferedPerS = perSecond(load.Offered, end-g.Schedule.WarmupEnd())
	// Whoever sends everything but later than intended has sent at a lower rate.
	load.SentPerS = perSecond(load.Sent, max(end, g.lastSend)-g.Schedule.WarmupEnd())

	acks := results.NewHistogram()
	acks.Merge(g.ack)
	return Stats{Load: load, ScheduleDelay: g.delay, Ack: acks, Seconds: g.seconds(end)}
}

func perSecond(count int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(count) / d.Seconds()
}

// seconds puts the series side by side, until the end of the load or the last acknowledgement.
func (g *Generator) seconds(end time.Duration) []Second {
	length := int((end + time.Second - 1) / time.Second)
	series := make([]Second, max(length, len(g.sentBySecond), len(g.ackedBySecond)))
	before := uint64(0)
	for i := range series {
		// The last nanosecond before the next second, since what is due at its beginning belongs to it.
		due := g.Schedule.Due(min(time.Duration(i+1)*time.Second, end) - 1)
		series[i].Offered = int64(due - before)
		before = due
		if i < len(g.sentBySecond) {
			series[i].Sent = g.sentBySecond[i]
		}
		if i < len(g.ackedBySecond) {
			series[i].Acked = g.ackedBySecond[i]
		}
	}
	return series
}
