// Package scenarios is what a scenario is: its types, how a file becomes one, what makes it valid, and the catalogue.
package scenarios

import "time"

// Duration is a time.Duration that YAML reads and writes as "1m30s".
type Duration time.Duration

// Share is a fraction between 0 and 1.
type Share float64

// Scenario is one experiment as written by a person, with every default filled in.
type Scenario struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Seed        uint64 `yaml:"seed"`
	// TimeScale multiplies what takes wall-clock time: warmup, load, bursts, faults, reprocess, recovery and batch_every. LoadScale
	// multiplies every absolute rate of the load, and the events of a replay. Parse applies both, so they are 1 in a parsed scenario.
	TimeScale  float64     `yaml:"time_scale"`
	LoadScale  float64     `yaml:"load_scale"`
	Partitions int         `yaml:"partitions"` // default 4
	Events     Events      `yaml:"events"`
	Warmup     Duration    `yaml:"warmup"` // at the first rate of the load; measured by nothing
	Load       []Step      `yaml:"load"`
	Queries    Queries     `yaml:"queries"`
	Faults     []Fault     `yaml:"faults"`    // in a file also {random: {...}}, see Random; then Parse puts the drawn ones here
	Reprocess  []Reprocess `yaml:"reprocess"` // one at most
	Recovery   Recovery    `yaml:"recovery"`
	Lambda     Lambda      `yaml:"lambda"`
	Native     Native      `yaml:"native"`
	Rules      Rules       `yaml:"rules"`
	Drain      Duration    `yaml:"drain"` // how long after the load the architecture may take to finish; default 60s
	Limits     Limits      `yaml:"limits"`
	Expect     []Expect    `yaml:"expect"`
}

// Events says where the events come from and how untidy they are. Duplicates, repeats, malformed, oversized
// and boundary events exclude each other, so their shares add up to 1 at most, and so do late and disorder.
type Events struct {
	Source     string   `yaml:"source"`         // synthetic (default) or csv
	File       string   `yaml:"file,omitempty"` // for csv, from the working directory; the flag --data sets it
	Order      string   `yaml:"order"`          // for csv: event_time (default) or file
	Speed      float64  `yaml:"speed"`          // event time runs this many times as fast as the wall clock; default 60
	Customers  int      `yaml:"customers"`
	Skew       float64  `yaml:"skew"`              // exponent of the Zipf law by which customers are drawn; 0 is uniform
	HotKey     Share    `yaml:"hot_key"`           // share of events that belong to one customer, on top of the skew
	Disorder   Disorder `yaml:"disorder"`          // events whose event time lies a little before their turn
	Duplicates Share    `yaml:"duplicates"`        // delivered again soon, within the dedup horizon
	Repeats    Share    `yaml:"repeats,omitempty"` // delivered again beyond the dedup horizon, where a stream counts them twice and a master dataset does not
	Malformed  Share    `yaml:"malformed"`
	Oversized  Share    `yaml:"oversized,omitempty"` // malformed values of a mebibyte, less what a broker needs for itself
	Burst      *Burst   `yaml:"burst,omitempty"`     // of anomalies
	Late       Late     `yaml:"late"`
	Missing    *Share   `yaml:"missing,omitempty"` // share of events without balance, and as many without location; default as in the profile
	Boundary   Share    `yaml:"boundary"`          // events that lie exactly on a rule's threshold, or one paisa beside it; default 0.001
}

// Burst makes a share of the events of a span raise alerts, again and again.
type Burst struct {
	Every Duration `yaml:"every"` // of wall-clock time, from the end of warm-up
	For   Duration `yaml:"for"`
	Share Share    `yaml:"share"`
}

// Disorder moves the event time of a share of events back by up to Max of event time.
type Disorder struct {
	Share Share    `yaml:"share"`
	Max   Duration `yaml:"max"`
}

// Late moves the event time of a share of events back by By of event time.
type Late struct {
	Share Share    `yaml:"share"`
	By    Duration `yaml:"by"`
}

// Step is one piece of the load. Without a shape it is constant (Rate) or a ramp (From and To). Shapes:
//
//	spike    from Rate up to Peak within Rise, there for Hold, back within Fall; all of it lasts For, the rest at Rate
//	step     from From to To in Steps equal steps
//	diurnal  one day in For: Rate at its beginning and end, Peak in the middle, along a cosine
//	poisson  random arrivals with the mean Rate
//	replay   Events events that are due at once, sent as fast as the driver can; For bounds it
type Step struct {
	Shape  string   `yaml:"shape,omitempty"`
	For    Duration `yaml:"for"`
	Rate   Rate     `yaml:"rate,omitempty"`
	From   Rate     `yaml:"from,omitempty"`
	To     Rate     `yaml:"to,omitempty"`
	Peak   Rate     `yaml:"peak,omitempty"`
	Rise   Duration `yaml:"rise,omitempty"`
	Hold   Duration `yaml:"hold,omitempty"`
	Fall   Duration `yaml:"fall,omitempty"`
	Steps  int      `yaml:"steps,omitempty"`
	Events int      `yaml:"events,omitempty"`
}

// The shapes of a Step; the empty one is constant or a ramp.
const (
	ShapeSpike   = "spike"
	ShapeStep    = "step"
	ShapeDiurnal = "diurnal"
	ShapePoisson = "poisson"
	ShapeReplay  = "replay"
)

// Rate is a number of events per second. YAML reads and writes it as a number, or as a share of the measured capacity such
// as 60%; one with a share has no PerS until Scenario.Resolve gives it one.
type Rate struct {
	PerS  float64
	Share Share // 0: the rate is absolute
}

// Queries is the open schedule of probe queries.
type Queries struct {
	Rate float64 `yaml:"rate"` // per second
}

// Fault is one planned fault. Which fields a kind uses, and which it needs, stands in docs/scenarios.md; the others must be
// left out.
type Fault struct {
	At     Duration `yaml:"at"`               // since the first intended send, warm-up included, as all times of a record
	Kind   string   `yaml:"kind"`             // see package internal/fault
	Target string   `yaml:"target,omitempty"` // a role (broker, database, stream, speed, ingest, batch, serving, all, random) or the name of a component or server
	For    Duration `yaml:"for,omitempty"`    // how long it lasts; 0 where the kind has an end of its own

	Times     int      `yaml:"times,omitempty"`     // restart-loop: how many crashes
	Every     Duration `yaml:"every,omitempty"`     // restart-loop: from one crash to the next
	Share     Share    `yaml:"share,omitempty"`     // cpu: what is taken from the target
	MiB       int      `yaml:"mib,omitempty"`       // memory: the limit
	To        string   `yaml:"to,omitempty"`        // network: the far side, kafka or postgres
	Direction string   `yaml:"direction,omitempty"` // network: both (default), out (from the target) or in
	Mean      Duration `yaml:"mean,omitempty"`      // latency: added to every packet one way
	Jitter    Duration `yaml:"jitter,omitempty"`    // latency: spread evenly around the mean, at most as large
	KiBPerS   int      `yaml:"kib_per_s,omitempty"` // bandwidth
	View      string   `yaml:"view,omitempty"`      // lock, vacuum, slow-query: a served view; default customer_profiles
	Sessions  int      `yaml:"sessions,omitempty"`  // slow-query: how many at once
}

// Random asks for faults to be drawn: Count of them from Kinds (all that need no setting of their own where it is empty), each
// within Between, which count as At does. The same seed draws the same ones.
type Random struct {
	Seed    uint64      `yaml:"seed"` // 0: the scenario's
	Count   int         `yaml:"count"`
	Between [2]Duration `yaml:"between"`
	Kinds   []string    `yaml:"kinds"`
}

// Reprocess corrects history while the system serves: all events so far are processed again under the changed rules, and the
// answers are switched to.
type Reprocess struct {
	At    Duration   `yaml:"at"`              // the request, as Fault.At
	Grace Duration   `yaml:"grace"`           // how long the old answers are kept after the switch; default 5s
	Rules RuleChange `yaml:"rules,omitempty"` // what is not given stays; nothing given: the same again
}

// RuleChange names the rules that can change while a stream runs. Windows, watermark and horizon shape the state and cannot.
type RuleChange struct {
	RelativePercent *int     `yaml:"relative_percent,omitempty"`
	AbsoluteINR     *float64 `yaml:"absolute_inr,omitempty"`
	VelocityCount   *int     `yaml:"velocity_count,omitempty"`
	PremiumINR      *float64 `yaml:"premium_inr,omitempty"`
	FrequentCount   *int     `yaml:"frequent_count,omitempty"`
}

// Recovery says when a value counts as recovered: it is back in the band of the time before the fault, and stays there for Hold.
// The band's upper edge is the baseline's 99th percentile times Factor, at least Floor above the baseline's median.
type Recovery struct {
	Hold          Duration `yaml:"hold"`           // default 2s
	Before        Duration `yaml:"before"`         // how much of the time before the fault is the baseline; default 10s
	LagFactor     float64  `yaml:"lag_factor"`     // default 1.5
	LagFloor      Duration `yaml:"lag_floor"`      // of events at the offered rate; default 100ms
	LatencyFactor float64  `yaml:"latency_factor"` // of alert p99 and of freshness; default 1.5
	LatencyFloor  Duration `yaml:"latency_floor"`  // default 50ms
}

// Lambda are the settings of the Lambda architecture.
type Lambda struct {
	BatchEvery Duration `yaml:"batch_every"` // default 15s
}

// Native are the settings of the native engine.
type Native struct {
	CommitInterval Duration `yaml:"commit_interval"` // default 10ms
}

// Rules are the thresholds of detection; money in rupees with at most two decimals.
type Rules struct {
	RelativePercent int      `yaml:"relative_percent"` // 50
	AbsoluteINR     float64  `yaml:"absolute_inr"`     // 50000
	VelocityCount   int      `yaml:"velocity_count"`   // 3
	Window          Duration `yaml:"window"`           // 5m
	Watermark       Duration `yaml:"watermark"`        // 2m
	DedupHorizon    Duration `yaml:"dedup_horizon"`    // 1h
	PremiumINR      float64  `yaml:"premium_inr"`      // 15000
	FrequentCount   int      `yaml:"frequent_count"`   // 10
}

// Limits make a measurement invalid when they are passed.
type Limits struct {
	ScheduleDelayP999 Duration `yaml:"schedule_delay_p999"` // default 100ms
	ObserverLag       Duration `yaml:"observer_lag"`        // highest; default 1s
	OfferedShortfall  Share    `yaml:"offered_shortfall"`   // sent may be this share below offered; default 0.01
	InFlightMiB       int      `yaml:"in_flight_mib"`       // bytes sent but not acknowledged; default 256
}

// Expect is one expectation such as "alert.p99 < 2s": Metric, Op (one of < <= > >= ==), and Value in the metric's unit
// (milliseconds for latencies). YAML reads and writes its Text.
type Expect struct {
	Text   string
	Metric string
	Op     string
	Value  float64
}
