// Package architectures is the contract between lkbench and an architecture under test: what it needs, which processes
// it consists of, and what it tells about itself. The telling is used for progress and lag only; whether the answers are
// right is judged from outside.
package architectures

import (
	"context"
	"time"

	"lkbench/internal/bank"
	"lkbench/internal/kafka"
	"lkbench/internal/network"
)

// Environment is what an architecture is given to work with. It is passed to every component process as JSON on its
// standard input, never on a command line, because Postgres may carry a password.
type Environment struct {
	Kafka       kafka.Cluster `json:"kafka"`
	Topic       string        `json:"topic"`        // the stream of transactions
	DeadLetters string        `json:"dead_letters"` // where malformed records go; as many partitions as Topic
	Partitions  int32         `json:"partitions"`
	Postgres    string        `json:"postgres"` // connection string
	Rules       bank.Rules    `json:"rules"`
	Settings    Settings      `json:"settings"`
	// Conditions are what a fault does to a component's connections from the first one on, by their far side; nil: nothing.
	Conditions map[string]network.Conditions `json:"conditions,omitempty"`
	// Network is what the connections of a component's process go over. The process makes its own; nil is a good one.
	Network *network.Network `json:"-"`
}

// Settings are the knobs of an implementation that a scenario may turn.
type Settings struct {
	CommitInterval time.Duration `json:"commit_interval_ns"` // shortest time between two commits of a stream component
	BatchEvery     time.Duration `json:"batch_every_ns"`     // from the start of one batch generation to the start of the next
}

// Architecture is a way to keep the served views (anomalies, customer_windows, customer_profiles) up to date.
type Architecture interface {
	// Name is how the architecture is called on the command line and in every record.
	Name() string
	// Deploy creates the tables and views of a fresh database. It starts no process.
	Deploy(ctx context.Context, env Environment) (System, error)
	// Components are the processes the architecture consists of, in the order to start them.
	Components() []Component
}

// Component is one process of an architecture, which can be killed on its own.
type Component struct {
	Name string
	// Roles are what a fault can target it by beside its name: "stream" for what follows the topic, "speed" and "ingest" where a
	// stream layer is of two parts, "batch" for what computes history anew.
	Roles []string
	// Consumes says that the component reads the topic: it is ready when Progress has its position in every partition,
	// and the run is drained when all such positions have reached the end.
	Consumes bool
	// OnDemand says that the component runs only when Reprocessor.Reprocess was called, until it ends by itself with exit code 0.
	OnDemand bool
	// Becomes names the component whose place one on demand takes when its answers are switched to: from then on its process is
	// that component's, and the former one is not started again. Empty: it takes none.
	Becomes string
	// Run does the component's work until ctx ends (then it returns nil) or it cannot go on (then the supervisor
	// starts it again). It is called in a process of its own.
	Run func(ctx context.Context, env Environment) error
}

// System is a deployed architecture, looked at from the harness.
type System interface {
	// Progress says how far every component has durably come. It reads one small table.
	Progress(ctx context.Context) (Progress, error)
	// AlertTables are the tables (not views) whose inserted rows make an alert visible in the view anomalies, without those
	// that only repeat what another has shown. Each has at least the columns transaction_id and rule. An alert that
	// comes through none of them is missed by the observer, and the run is invalid.
	AlertTables() []string
	// Batches lists the published batch generations so far, oldest first; none for an architecture without a batch layer.
	Batches(ctx context.Context) ([]Batch, error)
	// Close releases the connection of the System; it stops nothing.
	Close()
}

// Progress is how far an architecture has come.
type Progress struct {
	Positions []Position `json:"positions"`
	// Cut is, per partition, the offset below which the batch layer answers (and de-duplicates for ever); nil without one.
	Cut []int64 `json:"cut,omitempty"`
}

// Position is what one component has durably done with one partition.
type Position struct {
	Component   string `json:"component"`
	Partition   int32  `json:"partition"`
	Next        int64  `json:"next"`         // offset of the first record not processed yet
	Late        int64  `json:"late"`         // events that came after the watermark had passed their window
	Duplicates  int64  `json:"duplicates"`   // deliveries of a TransactionID already counted
	DeadLetters int64  `json:"dead_letters"` // malformed records
}

// Batch is one published batch generation. Durations are in seconds.
type Batch struct {
	Generation  int64     `json:"generation"`
	StartedAt   time.Time `json:"started_at"`
	PublishedAt time.Time `json:"published_at"`
	Rows        int64     `json:"rows"`         // master rows read
	ChangedRows int64     `json:"changed_rows"` // result rows written
	Mode        string    `json:"mode"`         // "changes" or "full"
	WaitS       float64   `json:"wait_s"`       // until the master dataset had reached the cut
	ReadS       float64   `json:"read_s"`       // read and compute, which run together
	WriteS      float64   `json:"write_s"`      // staging the result
	PublishS    float64   `json:"publish_s"`    // the publishing transaction
	// RealtimeRows are the realtime rows that the generation took over.
	RealtimeRows int64 `json:"realtime_rows"`
}

// Reprocessor is a System that can correct history while it serves. What was asked for is in the database, so it is carried out
// whatever ends meanwhile.
type Reprocessor interface {
	System
	// Reprocess asks for all events to be processed again under the given rules, and for the answers to be switched to in one
	// transaction. What is not served any more goes after the grace time. It returns when the request stands.
	Reprocess(ctx context.Context, rules bank.Rules, grace time.Duration) error
	// Reprocessing says how far the last request has come; nil without one.
	Reprocessing(ctx context.Context) (*Reprocessing, error)
}

// Reprocessing is how far a request to correct history has come, by the architecture's own account. Times are of the clock
// of the process that did it; nil: not yet.
type Reprocessing struct {
	RequestedAt time.Time  `json:"requested_at"`
	StartedAt   *time.Time `json:"started_at,omitempty"`  // the first event was about to be read
	SwitchedAt  *time.Time `json:"switched_at,omitempty"` // the new answers are served
	DoneAt      *time.Time `json:"done_at,omitempty"`     // the former ones are gone
	Events      int64      `json:"events"`                // processed again so far; after the switch, by then
	Attempts    int        `json:"attempts"`              // how often a process has begun or taken up the work
}
