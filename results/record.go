// Package results is what a run leaves: the record, the files beside it, and the statistics in them. It knows nothing of
// how a run is made, so that every report can be rebuilt from a saved folder.
package results

import "time"

// SchemaVersion is the version of run.json that this program writes. Readers refuse versions they do not know.
const SchemaVersion = 2

// Status is the outcome of a run. Its zero value is Unverified: a run nobody judged has not passed.
type Status string

const (
	Unverified      Status = ""                 // written as "unverified"
	Passed          Status = "passed"           // every answer right, every threshold met, the measurement valid
	ThresholdFailed Status = "threshold_failed" // an expectation of the scenario was not met
	Invalid         Status = "invalid"          // the measurement cannot be trusted
	Incorrect       Status = "incorrect"        // the system lost, duplicated or corrupted data
)

// Verdict is the judgement of a run with its reasons, the worst first. A passed run has none.
type Verdict struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons"`
}

// Record is run.json. Units are in the names of the fields; null means not measured or not supported by the count.
type Record struct {
	SchemaVersion int                 `json:"schema_version"`
	RunID         string              `json:"run_id"`
	Arch          string              `json:"arch"`
	Engine        string              `json:"engine"`
	Infra         string              `json:"infra"`
	InfraLabel    string              `json:"infra_label"` // e.g. "single copy; broker without fsync"
	Scenario      string              `json:"scenario"`
	Seed          uint64              `json:"seed"`
	StartedAt     time.Time           `json:"started_at"`
	DurationS     float64             `json:"duration_s"`  // from the first intended send after warm-up to the last
	StartS        float64             `json:"start_s"`     // from the command to the first intended send
	FinishS       float64             `json:"finish_s"`    // from the last intended send to the verdict
	Interrupted   bool                `json:"interrupted"` // the user ended the run before its load was over
	Drained       bool                `json:"drained"`     // every component reached the end of the topic within Limits.DrainS
	Limits        Limits              `json:"limits"`
	Verdict       Verdict             `json:"verdict"`
	Load          Load                `json:"load"`
	Data          *Data               `json:"data,omitempty"`
	ThroughputS   float64             `json:"throughput_per_s"` // events processed by every component, per second of the measured load and its drain; 0 if it did not drain
	Latency       Latencies           `json:"latency_ms"`
	Freshness     Summary             `json:"freshness_ms"` // age of the oldest acknowledged event missing from an answer, at the query
	Correctness   Correctness         `json:"correctness"`
	Observer      Observer            `json:"observer"`
	Phases        []Phase             `json:"phases"`
	Faults        []Fault             `json:"faults"`
	Restarts      []Restart           `json:"restarts"`
	Batch         []Batch             `json:"batch"`
	Reprocess     []Reprocess         `json:"reprocess"`
	Resources     []Resource          `json:"resources"`
	Environment   Environment         `json:"environment"`
	Thresholds    []Threshold         `json:"thresholds"`
	Positions     []ComponentPosition `json:"positions"`
}

// Limits are the bounds beyond which a measurement is invalid. They are saved with the run, so that it is judged again by
// the same ones. A limit that is zero allows nothing.
type Limits struct {
	ScheduleDelayP999MS float64 `json:"schedule_delay_p999_ms"`
	ObserverLagMS       float64 `json:"observer_lag_ms"`     // highest
	OfferedShortfall    float64 `json:"offered_shortfall"`   // share of the offered events or rate that may be missing
	InFlightBytes       int64   `json:"in_flight_max_bytes"` // sent but not acknowledged
	DrainS              float64 `json:"drain_s"`
}

// Load says what was offered and what became of it, after warm-up; Warmup events are counted apart.
type Load struct {
	OfferedPerS     float64 `json:"offered_per_s"`
	SentPerS        float64 `json:"sent_per_s"`
	Offered         int64   `json:"offered"` // events the schedule intended
	Sent            int64   `json:"sent"`
	Acked           int64   `json:"acked"`
	Indeterminate   int64   `json:"indeterminate"` // sent, outcome unknown
	Warmup          int64   `json:"warmup"`
	ScheduleDelay   Summary `json:"schedule_delay_ms"`   // actual minus intended send
	InFlightLimited bool    `json:"in_flight_limited"`   // the bound on unacknowledged bytes was reached
	InFlightBytes   int64   `json:"in_flight_max_bytes"` // highest seen
}

// Data describes the file of real rows that fed the run.
type Data struct {
	Path          string  `json:"path"`
	SHA256        string  `json:"sha256"`
	Rows          int64   `json:"rows"`
	BadRows       int64   `json:"bad_rows"`
	BadLines      []int64 `json:"bad_lines"` // the first hundred, by line number in the file
	Repeats       int64   `json:"repeats"`   // how often the file was started again from its first row
	OrderOfEvents string  `json:"order"`     // event_time or file
}

// Latencies keeps the series apart; see docs/measuring.md.
type Latencies struct {
	Alert       Summary            `json:"alert"`        // intended send to seen by the observer: never too short
	AlertCommit Summary            `json:"alert_commit"` // intended send to the server's commit, before its flush: never too long; count 0 by sequence
	AlertByRule map[string]Summary `json:"alert_by_rule"`
	Ack         Summary            `json:"ack"`   // actual send to acknowledgement
	Query       Summary            `json:"query"` // intended query to answer
}

// Correctness counts rows of the served views against the oracle's, and answers to probes.
type Correctness struct {
	Expected   int64 `json:"expected"`
	Observed   int64 `json:"observed"`
	Missing    int64 `json:"missing"`
	Duplicate  int64 `json:"duplicate"`
	Wrong      int64 `json:"wrong"`
	Unexpected int64 `json:"unexpected"`
	BrokerLost int64 `json:"broker_lost"` // acknowledged but not in the log
	BrokerCut  int64 `json:"broker_cut"`  // acknowledged events that the broker has thrown away before the end; not a fault by itself
	// BrokerCutUnknown counts places among the thrown away records that no acknowledged event holds: what stood there cannot be known.
	BrokerCutUnknown   int64        `json:"broker_cut_unknown"`
	BrokerDuplicate    int64        `json:"broker_duplicate"` // one acknowledged send more than once in the log
	BrokerCorrupt      int64        `json:"broker_corrupt"`   // in the log with other bytes than were sent
	ForeignRecords     int64        `json:"foreign_records"`  // in the log, never sent by this run
	MalformedSent      int64        `json:"malformed_sent"`   // malformed records in the log
	DeadLettered       int64        `json:"dead_lettered"`    // of them, found on the dead-letter topic
	LateExpected       int64        `json:"late_expected"`    // late events by the oracle
	LateCounted        int64        `json:"late_counted"`     // late events by the architecture
	Answers            int64        `json:"answers"`          // probe queries answered
	RightAnswers       int64        `json:"right_answers"`    // nothing acknowledged was missing
	StaleAnswers       int64        `json:"stale_answers"`    // right for an earlier prefix
	WrongAnswers       int64        `json:"wrong_answers"`    // right for no prefix
	FailedQueries      int64        `json:"failed_queries"`   // probe queries without an answer
	WrongAnswerSeconds int64        `json:"wrong_answer_seconds"`
	Differences        []Difference `json:"differences"` // the first of them
}

// Difference is one row in which a view and the oracle differ.
type Difference struct {
	View     string `json:"view"`
	Kind     string `json:"kind"` // missing, duplicate, wrong, unexpected
	Key      string `json:"key"`
	Expected string `json:"expected,omitempty"`
	Observed string `json:"observed,omitempty"`
}

// How the observer learned what became visible.
const (
	MethodLog      = "write-ahead log"
	MethodSequence = "sequence" // by reading the tables again and again
)

// Observer says how well the run was watched.
type Observer struct {
	Method       string  `json:"method"`        // MethodLog or MethodSequence
	MethodReason string  `json:"method_reason"` // why not by the log; empty for the log
	ResolutionMS float64 `json:"resolution_ms"` // time between two looks; 0 for the log, which tells of each commit
	Alerts       int64   `json:"alerts"`        // distinct alerts seen, warm-up included
	// Lag is how much too long alert latencies can be: commit to seen, or by sequence from the look before to the answer.
	Lag      Summary `json:"lag_ms"`
	MaxLagMS float64 `json:"max_lag_ms"`
	// ClockOffsetMS is by how much the server's clock was ahead of the harness's; commit times are corrected by it. ClockErrorMS bounds its
	// error, with the drift during the run. Null by sequence, which needs no clock of the server, and where it could not be measured.
	ClockOffsetMS *float64 `json:"clock_offset_ms"`
	ClockErrorMS  *float64 `json:"clock_error_ms"`
	Undecoded     int64    `json:"undecoded"` // rows whose transaction id is not one of ours
	// AlertsServed is the number of rows in the view anomalies at the end: an observer that saw fewer has missed some.
	AlertsServed int64 `json:"alerts_served"`
	// Reprocessed counts the alerts that were never seen to become visible and stand in the view because history was corrected.
	Reprocessed int64 `json:"reprocessed"`
	// Missed counts the alerts that stand in the view and that were never seen to become visible, but for those of Reprocessed.
	Missed  int64         `json:"missed"`
	Gaps    []ObserverGap `json:"gaps"`              // times without a connection
	Failure string        `json:"failure,omitempty"` // why the observer or the probes stopped before the end
}

// ObserverGap is a time in which the observer had no connection; what became visible in it counts as seen at its end.
type ObserverGap struct {
	LostS  float64  `json:"lost_s"` // seconds from the first intended send
	BackS  *float64 `json:"back_s"` // null: it never came back
	Reason string   `json:"reason"`
	Alerts int64    `json:"alerts"` // that were found afterwards
}

// Phase is a span of the run, in seconds from the first intended send (warm-up starts at 0).
type Phase struct {
	Name  string  `json:"name"` // warm-up, baseline, fault, recovery, drain
	FromS float64 `json:"from_s"`
	ToS   float64 `json:"to_s"`
}

// Fault is one fault of the scenario and what became of it. Times are seconds from the first intended send.
type Fault struct {
	Kind       string   `json:"kind"`
	Target     string   `json:"target"`     // as the scenario names it
	Components []string `json:"components"` // what that was here: components and servers
	How        string   `json:"how"`        // by what means: "signal", "dialer", "sql", …
	What       string   `json:"what"`       // what was done, in words with figures
	PlannedAtS float64  `json:"planned_at_s"`
	// InjectedAtS is when it took effect; null: it never did, and the run is invalid.
	InjectedAtS *float64  `json:"injected_at_s"`
	EndedAtS    *float64  `json:"ended_at_s"` // when its cause was taken away
	Failure     string    `json:"failure,omitempty"`
	Recovery    *Recovery `json:"recovery"` // null: it had no effect
}

// Recovery is how the system got over one fault; see docs/measuring.md, "Recovery". It is never one number.
type Recovery struct {
	// Baseline is what the bands were taken from: "control" (the same seconds of a run without faults, ControlRun) or "before the fault".
	Baseline   string  `json:"baseline"`
	ControlRun string  `json:"control_run,omitempty"`
	ObservedS  float64 `json:"observed_s"` // from the injection to the end of the observation, or to the next fault
	// Spans count from the injection.
	Detection     Span `json:"detection"`      // until the supervisor or the fault itself saw the target gone; not measured for faults that end nothing
	FirstOutput   Span `json:"first_output"`   // until the first alert after the longest silence that the fault caused; 0: it caused none
	LagBack       Span `json:"lag_back"`       // until lag was back in its band, and stayed for the hold time
	P99Back       Span `json:"p99_back"`       // likewise alert p99
	FreshnessBack Span `json:"freshness_back"` // likewise freshness
	AllRight      Span `json:"all_right"`      // until the first answer from which on none was wrong, failed or staler than the band allows

	DowntimeS          *float64 `json:"downtime_s"` // sum of the time without any processed event while events were offered
	PeakLag            *int64   `json:"peak_lag"`
	PeakP99MS          *float64 `json:"peak_p99_ms"`
	ExcessEventSeconds *float64 `json:"excess_event_seconds"` // area of lag above its baseline: events × seconds of extra waiting
	WrongAnswers       int64    `json:"wrong_answers"`
	FailedQueries      int64    `json:"failed_queries"`
	Notes              []string `json:"notes"` // what a reader must know: gaps in the samples, recovered before the fault ended, recovered twice, …
}

// Span is a time until something happened. Censored: it had not happened when the observation ended, S after the injection, so
// the true time is longer. A null S was not measured, and Why says why; zero is a measured value.
type Span struct {
	S        *float64 `json:"s"`
	Censored bool     `json:"censored"`
	Why      string   `json:"why,omitempty"`
}

// Reprocess is one correction of history. Times are seconds from the first intended send; null: not reached, or not measured.
type Reprocess struct {
	Rules        map[string]string `json:"rules"` // the changed ones, by their name in the scenario
	RequestedAtS float64           `json:"requested_at_s"`
	StartedAtS   *float64          `json:"started_at_s"`
	SwitchedAtS  *float64          `json:"switched_at_s"` // as seen from outside: the first look that found it
	DoneAtS      *float64          `json:"done_at_s"`
	Attempts     int               `json:"attempts"`
	Events       int64             `json:"events"`
	EventsPerS   *float64          `json:"events_per_s"` // from start to switch
	FirstRight   Span              `json:"first_right"`  // from the request to the first answer that only the new rules explain
	AllRight     Span              `json:"all_right"`    // from the request to the last answer that only the old rules explain
	// Of probes between request and AllRight that neither explains.
	WrongAnswers int64 `json:"wrong_answers"`
	// Alerts are those that were first seen by looking, after the switch: history under the new rules. They are in no latency.
	Alerts int64 `json:"alerts"`

	ExtraCPUS         *float64 `json:"extra_cpu_s"`         // of all components and servers from request to done, beyond the rate before
	ExtraMemoryBytes  *int64   `json:"extra_memory_bytes"`  // highest sum of resident memory while it ran, beyond that just before
	ExtraDiskBytes    *int64   `json:"extra_disk_bytes"`    // highest space of the database while it ran, beyond that just before
	AlertP99BeforeMS  *float64 `json:"alert_p99_before_ms"` // from warm-up to the request
	AlertP99DuringMS  *float64 `json:"alert_p99_during_ms"` // from the request to the switch
	FreshnessBeforeMS *float64 `json:"freshness_before_ms"` // p99, likewise
	FreshnessDuringMS *float64 `json:"freshness_during_ms"`
}

// Restart is a component's process that ended and was started again by the supervisor.
type Restart struct {
	Component string  `json:"component"`
	EndedAtS  float64 `json:"ended_at_s"`
	Reason    string  `json:"reason"`
	DelayS    float64 `json:"delay_s"`
}

// Batch is one published generation of the batch layer.
type Batch struct {
	Generation  int64   `json:"generation"`
	StartedAtS  float64 `json:"started_at_s"`
	PublishedS  float64 `json:"published_at_s"`
	Rows        int64   `json:"rows"`
	ChangedRows int64   `json:"changed_rows"`
	Mode        string  `json:"mode"`
	WaitS       float64 `json:"wait_s"`
	ReadS       float64 `json:"read_s"`
	WriteS      float64 `json:"write_s"`
	PublishS    float64 `json:"publish_s"`
	// AgeS is how old the batch view was when this generation replaced it: from the start of the generation before.
	AgeS *float64 `json:"age_s"`
	// RealtimeRows is how many realtime rows it took over: how far the realtime part had grown.
	RealtimeRows *int64 `json:"realtime_rows"`
}

// Resource is what a component's processes, or its container, used over the measured load and its drain.
type Resource struct {
	// Component is one of the architecture's, "broker" (of several "broker-1", …), "database" or "harness". Servers that are
	// not lkbench's own are not accounted and are not here.
	Component   string   `json:"component"`
	CPUS        *float64 `json:"cpu_s"`         // null: not known
	MaxRSSBytes *int64   `json:"max_rss_bytes"` // null: not known
	DiskBytes   *int64   `json:"disk_bytes"`    // null for what keeps no files of its own
	StartS      float64  `json:"start_s"`       // from its start to ready; 0 for the harness
}

// Environment is what must be equal for two runs to be comparable, and what is needed to run it again.
type Environment struct {
	Command          []string          `json:"command"`
	Version          string            `json:"version"`
	GoVersion        string            `json:"go_version"`
	OS               string            `json:"os"`
	Arch             string            `json:"arch"`
	Kernel           string            `json:"kernel"`
	CPU              string            `json:"cpu"`
	Cores            int               `json:"cores"`
	MemoryBytes      int64             `json:"memory_bytes"`
	Kafka            string            `json:"kafka"`
	KafkaSettings    map[string]string `json:"kafka_settings"`
	Postgres         string            `json:"postgres"`
	PostgresSettings map[string]string `json:"postgres_settings"`
	Settings         map[string]string `json:"settings"` // commit interval, restart delay, clients of Kafka, …
	// Cannot is what the infrastructure does not allow lkbench to do; each can follow "lkbench cannot".
	Cannot []string `json:"cannot"`
}

// Threshold is one expectation of the scenario and how it came out. Value is null if it could not be measured, which
// is never a pass.
type Threshold struct {
	Expression string   `json:"expression"`
	Value      *float64 `json:"value"` // in Unit
	Unit       string   `json:"unit"`  // "ms", "s", "events/s" or "" for counts
	Met        bool     `json:"met"`
	Why        string   `json:"why,omitempty"` // of a value that is null, such as "censored: not within 23.4 s"
}

// ComponentPosition is how far a component had come at the end, over all partitions.
type ComponentPosition struct {
	Component   string `json:"component"`
	Processed   int64  `json:"processed"`
	Late        int64  `json:"late"`
	Duplicates  int64  `json:"duplicates"`
	DeadLetters int64  `json:"dead_letters"`
}

// Summary is a latency block, in milliseconds. A percentile q is null unless at least ten samples lie beyond it
// (count × (1−q) ≥ 10). Overflow counts samples above the histogram's range; Negative those below zero; neither is
// in the percentiles, and both are zero in a sound measurement.
type Summary struct {
	Count    int64    `json:"count"`
	Min      *float64 `json:"min"`
	Mean     *float64 `json:"mean"`
	P50      *float64 `json:"p50"`
	P90      *float64 `json:"p90"`
	P95      *float64 `json:"p95"`
	P99      *float64 `json:"p99"`
	P999     *float64 `json:"p999"`
	Max      *float64 `json:"max"`
	Overflow int64    `json:"overflow"`
	Negative int64    `json:"negative"`
}
