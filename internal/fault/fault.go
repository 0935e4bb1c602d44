// Package fault injects what can go wrong: one kind a file, each a plain struct that says what it did, when it took effect
// and when it ended. A fault that did not take effect is an error; it never counts as survived.
package fault

import (
	"context"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
	"lkbench/internal/network"
)

// Fault is one fault, ready to be injected.
type Fault interface {
	// Inject does the fault, waits until it is over and undoes what must be undone; that also when ctx ends. The outcome holds
	// what is known, also beside an error.
	Inject(ctx context.Context, w *World) (Outcome, error)
}

// Outcome is what a fault did. Times are since the origin of the run.
type Outcome struct {
	Components []string      // what it was done to
	How        string        // by what means: "signal", "cgroup", "dialer", "sql", "kafka", "disk", "docker"
	What       string        // in words with figures, such as "SIGKILL to process 4711, gone after 0.3 ms"
	Effect     time.Duration // when it took effect; negative: it did not
	Detected   time.Duration // when the target's end was noticed; negative: it ended nothing
	End        time.Duration // when its cause was taken away
}

// World is what faults can touch.
type World struct {
	// Targets are the processes behind a name: of a role, a component or a server. The names are those of Names.
	Targets  func(name string) []Target
	Brokers  []*infra.Server
	Database *infra.Server // nil on servers of somebody else
	Kafka    kafka.Cluster
	Topic    string
	Postgres string
	// Consumes says whether a component reads the topic: a former process of such a one must be fenced.
	Consumes func(component string) bool
	Now      func() time.Duration // since the origin of the run
	// Processed is how many events every component has durably processed, Acked how many were acknowledged.
	Processed func(ctx context.Context) (int64, error)
	Acked     func() int64
}

// Target is a component's process or a server. What is done to it is done to what runs under its name at that time.
type Target interface {
	Name() string
	// PIDs are the roots of its process trees now; none while it is down, or where it is a container.
	PIDs() []int32
	// Signal returns when the signal has taken effect. After Kill and Stop the target stays down until Start.
	Signal(ctx context.Context, signal infra.Signal) error
	// Start starts what Signal has ended, and waits: for a server until it answers, for a component until its process runs.
	Start(ctx context.Context) error
}

// Component is a Target that is a process of ours.
type Component interface {
	Target
	// Release leaves the start of a killed component to the supervisor, after its usual delay.
	Release()
	// Replace starts another process of the component beside the one that runs now, which becomes the caller's: the supervisor
	// knows it no more.
	Replace(ctx context.Context) (former Former, err error)
	// Network sets the conditions of its connections to a far side, also of processes started later, and returns when they hold.
	Network(ctx context.Context, to string, c network.Conditions) error
}

// Former is a process that another has taken the place of.
type Former interface {
	PID() int
	Signal(ctx context.Context, signal infra.Signal) error
	Done() <-chan struct{}
	Err() error // how it ended; nil before Done is closed
}
