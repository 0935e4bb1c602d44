// Package scenarios is what a scenario is: its types, how a file becomes one, what makes it valid, and the catalogue.
package scenarios

import "time"

// Duration is a time.Duration that YAML reads and writes as "1m30s".
type Duration time.Duration

// Share is a fraction between 0 and 1.
type Share float64

// Scenario is one experiment as written by a person, with every default filled in.
type Scenario struct {
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Seed        uint64   `yaml:"seed"`
	TimeScale   float64  `yaml:"time_scale"` // multiplies warmup, load durations and batch_every; applied by Parse, so always 1 in a parsed scenario
	Partitions  int      `yaml:"partitions"` // default 4
	Events      Events   `yaml:"events"`
	Warmup      Duration `yaml:"warmup"` // at the first rate of the load; measured by nothing
	Load        []Step   `yaml:"load"`
	Queries     Queries  `yaml:"queries"`
	Faults      []Fault  `yaml:"faults"` // must be empty in this version
	Lambda      Lambda   `yaml:"lambda"`
	Native      Native   `yaml:"native"`
	Rules       Rules    `yaml:"rules"`
	Drain       Duration `yaml:"drain"` // how long after the load the architecture may take to finish; default 60s
	Limits      Limits   `yaml:"limits"`
	Expect      []Expect `yaml:"expect"`
}

// Events says where the events come from and how untidy they are. Duplicates, malformed and boundary events exclude each
// other, so their shares add up to 1 at most, and so do late and disorder.
type Events struct {
	Source     string   `yaml:"source"`         // synthetic (default) or csv
	File       string   `yaml:"file,omitempty"` // for csv, from the working directory; the flag --data sets it
	Order      string   `yaml:"order"`          // for csv: event_time (default) or file
	Speed      float64  `yaml:"speed"`          // event time runs this many times as fast as the wall clock; default 60
	Customers  int      `yaml:"customers"`
	Skew       float64  `yaml:"skew"`     // exponent of the Zipf law by which customers are drawn; 0 is uniform
	HotKey     Share    `yaml:"hot_key"`  // share of events that belong to one customer, on top of the skew
	Disorder   Disorder `yaml:"disorder"` // events whose event time lies a little before their turn
	Duplicates Share    `yaml:"duplicates"`
	Malformed  Share    `yaml:"malformed"`
	Late       Late     `yaml:"late"`
	Missing    *Share   `yaml:"missing,omitempty"` // share of events without balance, and as many without location; default as in the profile
	Boundary   Share    `yaml:"boundary"`          // events that lie exactly on a rule's threshold, or one paisa beside it; default 0.01
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

// Step is one piece of the load: constant (Rate) or a ramp (From and To), in events per second.
type Step struct {
	For  Duration `yaml:"for"`
	Rate float64  `yaml:"rate,omitempty"`
	From float64  `yaml:"from,omitempty"`
	To   float64  `yaml:"to,omitempty"`
}

// Queries is the open schedule of probe queries.
type Queries struct {
	Rate float64 `yaml:"rate"` // per second
}

// Fault is one planned fault; this version refuses any.
type Fault map[string]any

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
