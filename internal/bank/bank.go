// Package bank is the workload: the transaction, how a record on the topic becomes one, the rules that raise
// anomalies, and the arithmetic of windows. It is what both architectures share; the oracle uses only its
// types. The rules of decoding are written out in docs/workload.md.
package bank

import "time"

// Paise is an amount of money in integer paise (1 rupee = 100 paise).
type Paise int64

// MaxPaise bounds what a record may carry, in either direction (100 billion rupees): a larger number makes the record
// malformed, so that no sum of a history can leave int64.
const MaxPaise Paise = 10_000_000_000_000

// MaxText is the longest identifier or text field in bytes; a longer one makes the record malformed.
const MaxText = 256

// Micros is an instant in microseconds since the Unix epoch, UTC: PostgreSQL's resolution.
type Micros int64

// Time returns the instant as a time.Time in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Transaction is one decoded event. The byte slices may refer to the record they were decoded from.
type Transaction struct {
	ID, Customer          []byte // never empty
	DOB, Gender, Location []byte // nil: missing (absent, null or empty)
	Balance               Paise  // of the account before the transaction; meaningless without HasBalance
	HasBalance            bool
	Amount                Paise // positive: leaves the account
	EventTime             Micros
}

// The rules an anomaly can name.
const (
	HighValueRelative = "high_value_relative"
	HighValueAbsolute = "high_value_absolute"
	OverdraftAttempt  = "overdraft_attempt"
	Velocity          = "velocity"
)

// Rules are the thresholds of detection and the time bounds of the stream. All comparisons are made in integers.
type Rules struct {
	RelativePercent int64         `json:"relative_percent"` // high_value_relative: amount × 100 > percent × balance
	AbsolutePaise   Paise         `json:"absolute_paise"`   // high_value_absolute: |amount| > this
	VelocityCount   int64         `json:"velocity_count"`   // velocity: the transaction that is this many-th in its window
	Window          time.Duration `json:"window_ns"`        // tumbling event-time window
	Watermark       time.Duration `json:"watermark_ns"`     // how far event time may lie behind the newest before it counts as late
	DedupHorizon    time.Duration `json:"dedup_horizon_ns"` // how long stream layers remember a TransactionID, in event time
	PremiumPaise    Paise         `json:"premium_paise"`    // segment premium: average amount above this
	FrequentCount   int64         `json:"frequent_count"`   // segment frequent: more transactions than this
}

// DefaultRules are the thresholds of the thesis prototype, made consistent between the architectures.
func DefaultRules() Rules {
	return Rules{
		RelativePercent: 50, AbsolutePaise: 5_000_000, VelocityCount: 3,
		Window: 5 * time.Minute, Watermark: 2 * time.Minute, DedupHorizon: time.Hour,
		PremiumPaise: 1_500_000, FrequentCount: 10,
	}
}
