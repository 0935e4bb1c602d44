package scenarios

import "time"

// defaults is a scenario with everything that a file may leave out.
func defaults() Scenario {
	return Scenario{
		Seed: 1, TimeScale: 1, LoadScale: 1, Partitions: 4,
		Events: Events{
			Source: sourceSynthetic, Order: orderEventTime, Speed: 60, Customers: 100_000, Skew: 1, Boundary: 0.001,
		},
		Warmup:  Duration(5 * time.Second),
		Queries: Queries{Rate: 50},
		Recovery: Recovery{
			Hold: Duration(2 * time.Second), Before: Duration(10 * time.Second), LagFactor: 1.5, LagFloor: Duration(100 * time.Millisecond),
			LatencyFactor: 1.5, LatencyFloor: Duration(50 * time.Millisecond),
		},
		Lambda: Lambda{BatchEvery: Duration(15 * time.Second)},
		Native: Native{CommitInterval: Duration(10 * time.Millisecond)},
		Rules: Rules{
			RelativePercent: 50, AbsoluteINR: 50_000, VelocityCount: 3,
			Window: Duration(5 * time.Minute), Watermark: Duration(2 * time.Minute), DedupHorizon: Duration(time.Hour),
			PremiumINR: 15_000, FrequentCount: 10,
		},
		Drain: Duration(time.Minute),
		Limits: Limits{
			ScheduleDelayP999: Duration(100 * time.Millisecond), ObserverLag: Duration(time.Second),
			OfferedShortfall: 0.01, InFlightMiB: 256,
		},
	}
}
