// Package archtest is the conformance suite that every implementation of architectures.Architecture passes: its
// components run as processes of their own and are killed, doubled and cut off from Kafka and PostgreSQL while a stream
// with every oddity passes through, and in the end the oracle must find every answer right. A test package uses it so:
//
//	func TestMain(m *testing.M)        { archtest.Main(m, New()) }
//	func TestConformance(t *testing.T) { archtest.Test(t, New()) }
//
// Other providers than the embedded one are tried with archtest.On.
package archtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"lkbench/architectures"
	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// componentVerb is the hidden verb under which a test binary runs one component.
const componentVerb = "__component"

// Main is the body of TestMain: the test binary is also the program whose hidden verbs run the components of archs, the
// broker and the guard of PostgreSQL.
func Main(m *testing.M, archs ...architectures.Architecture) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	var err error
	switch os.Args[1] {
	case proc.GuardVerb:
		os.Exit(proc.Guard(os.Args[2:], os.Stdin))
	case infra.BrokerVerb:
		err = infra.Broker(context.Background(), os.Stdin, os.Stdout)
	case componentVerb:
		err = component(archs, os.Args[2], os.Args[3])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// component runs one component until its life line closes.
func component(archs []architectures.Architecture, arch, name string) error {
	var env architectures.Environment
	ctx, err := proc.LifelineServing(context.Background(), os.Stdin, env.Begin)
	if err != nil {
		return err
	}
	for _, a := range archs {
		for _, c := range a.Components() {
			if a.Name() == arch && c.Name == name {
				return c.Run(ctx, env)
			}
		}
	}
	return fmt.Errorf("no component %s of %s was given to archtest.Main", name, arch)
}

// seeds is how many random plans of kills an implementation must survive, if nothing else is said.
const seeds = 20

// plan is how the suite is run.
type plan struct {
	provider infra.Provider
	seeds    int
	brief    bool
}

// Option changes how the suite is run.
type Option func(*plan)

// On has the trials share an instance of this provider instead of the embedded one. The test binary is the program that the
// provider is given.
func On(provider infra.Provider) Option { return func(p *plan) { p.provider = provider } }

// Seeds sets how many random plans of kills are tried, instead of 20.
func Seeds(n int) Option { return func(p *plan) { p.seeds = n } }

// Briefly leaves out the trials that try the rules and the replacement of components once more: they do not depend on what
// Kafka and PostgreSQL run on.
func Briefly() Option { return func(p *plan) { p.brief = true } }

// Test runs the suite. What the provider's instance has no servers for is skipped, with the reason.
func Test(t *testing.T, arch architectures.Architecture, options ...Option) {
	p := plan{provider: infra.Embedded{}, seeds: seeds}
	for _, o := range options {
		o(&p)
	}
	w := newWorld(t, p.provider)
	run := func(name string, c conditions) {
		t.Run(name, func(t *testing.T) {
			if err := w.trial(t, arch, c); err != nil {
				t.Fatal(err)
			}
		})
	}
	run("undisturbed", conditions{})
	if len(w.instance.Servers()) > 0 {
		run("crash of PostgreSQL", conditions{disturb: (*trial).crashDatabase, crashes: true})
		run("restart of PostgreSQL", conditions{disturb: (*trial).restartDatabase, crashes: true})
		run("crash of Kafka", conditions{disturb: (*trial).crashBroker, crashes: true})
	} else {
		t.Logf("crashes and restarts of servers are not tried: %s has none of its own; it says it cannot: %q", p.provider.Name(), w.instance.Cannot)
	}
	if !p.brief {
		run("backlog", conditions{backlog: true, disturb: (*trial).kills, sets: []string{"load.0.rate=30000", "load.0.for=600ms", "events.speed=3000"}})
		for _, c := range arch.Components() {
			if c.OnDemand {
				continue
			}
			// Longer: a process notices that it was replaced when it commits, for which there must be something left to do.
			run("two copies of "+c.Name, conditions{
				disturb: func(tr *trial) error { return tr.doubles(c) }, crashes: true,
				sets: []string{"load.0.for=4s", "load.0.rate=1500", "events.speed=450"},
			})
		}
		run("short horizon", conditions{disturb: (*trial).kills, sets: []string{"rules.dedup_horizon=2m", "rules.window=1m"}})
		run("horizon within a window", conditions{disturb: (*trial).kills, sets: []string{"rules.dedup_horizon=20s"}})
	}
	kills := func(name string, c conditions) {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(p.seeds) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					t.Parallel()
					c := c // the trials run beside each other
					c.seed = seed
					if err := w.trial(t, arch, c); err != nil {
						t.Fatal(err)
					}
				})
			}
		})
	}
	kills("kills", conditions{disturb: (*trial).kills})
	run("reprocess", conditions{reprocess: true, crashes: true})
	run("reprocess, promoted late", conditions{reprocess: true, crashes: true, late: true})
	if !p.brief {
		run("reprocess with a backlog", conditions{reprocess: true, crashes: true, backlog: true, sets: []string{"load.0.rate=30000", "load.0.for=600ms", "events.speed=3000"}})
		run("a second reprocess after the first", conditions{reprocess: true, crashes: true, twice: true})
	}
	kills("reprocess under kills", conditions{reprocess: true, crashes: true, late: true, disturb: (*trial).kills})
}

// CatchesReprocess fails the test unless the suite shows that an architecture which works as long as nothing is processed again
// does that wrongly. Nothing is killed: it is wrong by itself.
func CatchesReprocess(t *testing.T, broken architectures.Architecture) {
	w := newWorld(t, infra.Embedded{})
	if err := w.trial(t, broken, conditions{}); err != nil {
		t.Fatalf("the broken architecture does not even work while nothing is processed again: %v", err)
	}
	for seed := range uint64(seeds) {
		err := w.trial(t, broken, conditions{seed: seed, reprocess: true, crashes: true})
		if errors.As(err, new(incorrect)) || errors.As(err, new(fellBack)) || errors.As(err, new(misreported)) {
			t.Logf("caught with seed %d: %.200s", seed, err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s is broken, but %d seeds have not shown it", broken.Name(), seeds)
}

// Catches fails the test unless the suite's random kills show that the architecture is broken. It is how the suite
// proves itself.
func Catches(t *testing.T, broken architectures.Architecture) {
	w := newWorld(t, infra.Embedded{})
	// Nothing leaves the horizon: what is caught is what the kills did.
	long := []string{"rules.dedup_horizon=1h"}
	if err := w.trial(t, broken, conditions{sets: long}); err != nil {
		t.Fatalf("the broken architecture does not even work undisturbed: %v", err)
	}
	for seed := range uint64(seeds) {
		err := w.trial(t, broken, conditions{seed: seed, sets: long, disturb: (*trial).kills})
		if errors.As(err, new(incorrect)) {
			t.Logf("caught with seed %d", seed)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s is broken, but %d seeds of random kills have not shown it", broken.Name(), seeds)
}
