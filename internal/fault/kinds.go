package fault

import (
	"fmt"
	"strings"
	"time"

	"lkbench/scenarios"
)

// The kinds of fault, as scenarios name them.
const (
	KindCrash       = "crash"
	KindStop        = "stop"
	KindPause       = "pause"
	KindRestartLoop = "restart-loop"
	KindZombie      = "zombie"
	KindCPU         = "cpu"
	KindMemory      = "memory"
	KindLatency     = "latency"
	KindBandwidth   = "bandwidth"
	KindDrop        = "drop"
	KindReset       = "reset"
	KindPartition   = "partition"
	KindDiskFull    = "disk-full"
	KindDiskSlow    = "disk-slow"
	KindConnections = "connections"
	KindLock        = "lock"
	KindVacuum      = "vacuum"
	KindSlowQuery   = "slow-query"
	KindLeaderMove  = "leader-move"
	KindTopicFull   = "topic-full"
)

// Of a fault that does not say.
const (
	defaultView     = "customer_profiles"
	defaultSessions = 4
)

// The groups of kinds, by what they are done to.
var (
	processKinds  = []string{KindCrash, KindStop, KindPause, KindRestartLoop, KindZombie, KindCPU, KindMemory}
	networkKinds  = []string{KindLatency, KindBandwidth, KindDrop, KindReset, KindPartition}
	databaseKinds = []string{KindDiskFull, KindDiskSlow, KindConnections, KindLock, KindVacuum, KindSlowQuery}
	kafkaKinds    = []string{KindLeaderMove, KindTopicFull}
)

// New is a fault of a scenario, ready to be injected. Its target is not random any more: see Resolve.
func New(f scenarios.Fault) (Fault, error) {
	lasts := time.Duration(f.For)
	view, sessions := f.View, f.Sessions
	if view == "" {
		view = defaultView
	}
	if sessions == 0 {
		sessions = defaultSessions
	}
	switch f.Kind {
	case KindCrash:
		return Crash{Target: f.Target, For: lasts}, nil
	case KindStop:
		return Stop{Target: f.Target, For: lasts}, nil
	case KindPause:
		return Pause{Target: f.Target, For: lasts}, nil
	case KindRestartLoop:
		return RestartLoop{Target: f.Target, Times: f.Times, Every: time.Duration(f.Every)}, nil
	case KindZombie:
		return Zombie{Target: f.Target, For: lasts}, nil
	case KindCPU:
		return CPU{Target: f.Target, Share: float64(f.Share), For: lasts}, nil
	case KindMemory:
		return Memory{Target: f.Target, MiB: f.MiB, For: lasts}, nil
	case KindDiskFull:
		return DiskFull{For: lasts}, nil
	case KindDiskSlow:
		return DiskSlow{For: lasts}, nil
	case KindConnections:
		return Connections{For: lasts}, nil
	case KindLock:
		return Lock{View: view, For: lasts}, nil
	case KindVacuum:
		return Vacuum{View: view, For: lasts}, nil
	case KindSlowQuery:
		return SlowQuery{View: view, Sessions: sessions, For: lasts}, nil
	case KindLeaderMove:
		return LeaderMove{}, nil
	case KindTopicFull:
		return TopicFull{For: lasts}, nil
	}
	if f := newNetwork(f); f != nil {
		return f, nil
	}
	return nil, unknownKind(f.Kind)
}

func unknownKind(kind string) error {
	return fmt.Errorf("fault kind %q is unknown: expected one of %s", kind, strings.Join(scenarios.Kinds(), ", "))
}
