// Package network makes the connections of a component worse, as a fault of the network between it and Kafka or PostgreSQL
// would: a wrapper around what a dialer returns, which delays, slows, swallows or cuts what passes. The harness sets the
// conditions of a component's process; the process says when they hold.
package network

import "time"

// The far sides of a component's connections.
const (
	Kafka    = "kafka"
	Postgres = "postgres"
)

// The directions of traffic, seen from the component.
const (
	Both = "both"
	Out  = "out"
	In   = "in"
)

// Conditions are what the connections to one far side suffer in one direction or both. The zero value is a good network.
type Conditions struct {
	Direction string        `json:"direction,omitempty"` // Both, Out or In; "" is Both
	Latency   time.Duration `json:"latency_ns,omitempty"`
	Jitter    time.Duration `json:"jitter_ns,omitempty"` // each piece is delayed by Latency plus or minus up to this, evenly, in order
	KiBPerS   int           `json:"kib_per_s,omitempty"` // 0: no limit
	Drop      bool          `json:"drop,omitempty"`      // nothing passes and nothing fails; new connections hang
	Reset     bool          `json:"reset,omitempty"`     // open connections are reset once; new ones work
	Partition bool          `json:"partition,omitempty"` // Drop in both directions, and new connections are refused when they time out
}
