// Package native holds the helpers of the native engine: a stream component reads the topic by itself, decides which
// transactions count, folds them by key and writes results and offsets in one PostgreSQL transaction. Kappa's stream and
// Lambda's speed and ingest are three sinks on the same loop. docs/internals.md, "Native engine", has the reasons.
package native

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
)

// Schema creates the table offsets. Deploy runs it once in a fresh database, before any component starts.
//
//go:embed schema.sql
var Schema string

// ErrReplaced says that another process of the same component has taken over; this one must end and not come back by
// itself. Nothing of its last batch is in the database.
var ErrReplaced = errors.New("replaced: another process has taken over this component's offsets")

// Config says what a stream component does with the topic.
type Config struct {
	Component   string // key in table offsets
	Environment architectures.Environment
	// Detect: leave out duplicates within the horizon, count late events and the transactions of each window. Without it every well-formed
	// record is accepted, and the component keeps no state that would have to be rebuilt.
	Detect bool
	// DeadLetters: produce malformed records to the dead-letter topic and count them. Without it they are passed over;
	// exactly one component of an architecture sets it.
	DeadLetters bool
	// Begin, where it is set, completes the config in the transaction in which the component takes its rows of table offsets
	// over. From then on no other process can commit as this component, so what is read there holds until that changes.
	// Only Sink, Windows and the thresholds of Environment.Rules may be set. It may be called more than once. Its error ends
	// the component, and nothing was taken over.
	Begin func(ctx context.Context, tx pgx.Tx, config *Config) error
	// Beside, where it is set, runs beside the component from when it has taken its rows over, or has succeeded another; it ends
	// when its context does.
	Beside func(ctx context.Context)
	// Windows is the table or view that completes Event.Count, see Unsettled; empty: the view customer_windows.
	Windows string
	// Unsettled leaves Event.Count open for events whose window is older than the counts held: the sink gets them with
	// Event.Unsettled. Without it Windows decides, which must hold exactly what was written before.
	Unsettled bool
	// Fold: fold the events of every batch by key, under backlog while the batch before is written; see Batch.Fold.
	Fold bool
	Sink Sink
}

// Sink writes what a batch changes. It is called by one goroutine at a time.
type Sink interface {
	// Write writes the results of b in tx, which commits them together with the offsets. At that moment the component's
	// rows in table offsets are locked by tx. After a lost connection Write is called again with the same batch and
	// another transaction, so it must not change b or remember that it was called. An error that is not a lost
	// connection, a deadlock or a serialization failure ends the component.
	Write(ctx context.Context, tx pgx.Tx, b *Batch) error
}

// Batch is what one commit makes visible: the accepted transactions since the last commit.
type Batch struct {
	// Events are in the order of the log within each partition.
	Events []Event
	// Epoch is the column epoch of the component's rows in table offsets, read under the lock of the present
	// transaction: a batch plan of Lambda that has committed is seen here, one that has not must wait for this commit.
	Epoch int64
	// Fold is the fold of all Events; nil without Config.Fold.
	Fold *Fold

	positions []position // one for each partition that advanced
	letters   []letter   // malformed records to produce before the commit
	unsettled []int      // events whose velocity the served view decides, see settle
	bytes     int        // of the records the events refer to
}

// Event is one accepted transaction. Its byte slices refer to the fetched record and stay valid while its batch does.
type Event struct {
	bank.Transaction
	Partition int32
	Offset    int64
	Window    bank.Micros // start of the window EventTime lies in
	// Count is how many transactions its customer's window has with this one, in log order: at velocity_count it raises an
	// alert (only with Config.Detect). It is 0 while that is open, which it is in the sink only if Unsettled.
	Count     int64
	Unsettled bool // Count stays open (only with Config.Unsettled)
}
