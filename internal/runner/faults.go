package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lkbench/architectures"
	"lkbench/internal/fault"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

// undoWithin bounds what a fault may take, beyond its own length, until it has taken effect and is undone: a server's recovery
// after a crash is part of it.
const undoWithin = 3 * time.Minute

// site is where the faults of a run are to take place.
func (cfg *Config) site() fault.Site {
	s := fault.Here()
	s.Arch, s.Infra, s.Brokers = cfg.Architecture.Name(), cfg.Provider.Name(), cfg.Brokers
	for _, c := range cfg.Architecture.Components() {
		s.Components = append(s.Components, fault.SiteComponent{Name: c.Name, Roles: c.Roles, OnDemand: c.OnDemand, Kafka: c.Consumes || c.OnDemand})
	}
	return s
}

// injection is one fault of a run and what became of it.
type injection struct {
	plan    scenarios.Fault // with its target resolved
	target  string          // as the scenario names it
	touches []string        // the components and servers that it is done to
	fault   fault.Fault
	outcome fault.Outcome
	err     error
	done    bool
	over    chan struct{} // closed when it is done
}

// follows says that a fault was planned to begin after the end of another of the same component or server. It then waits for that
// to be really over: one that ends a moment late would undo it.
func (in *injection) follows(other *injection) bool {
	return other.plan.At < in.plan.At && other.plan.End() <= in.plan.At && slices.ContainsFunc(in.touches, func(name string) bool { return slices.Contains(other.touches, name) })
}

// CheckFaults refuses faults that cannot be injected here, and a reprocess of an architecture that has none, before anything
// starts. Any error is an *InputError.
func CheckFaults(cfg *Config) error {
	_, err := cfg.plan()
	return err
}

// plan resolves the faults of the scenario.
func (cfg *Config) plan() ([]*injection, error) {
	if len(cfg.Scenario.Faults) == 0 {
		return nil, nil
	}
	site := cfg.site()
	var plan []*injection
	var problems []error
	for i, f := range cfg.Scenario.Faults {
		in := &injection{plan: fault.Resolve(f, site, cfg.Scenario.Seed, i), target: f.Target, over: make(chan struct{})}
		in.touches = site.Touches(in.plan)
		err := fault.Check(in.plan, site)
		if err == nil {
			in.fault, err = fault.New(in.plan)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("scenario %s: faults[%d]: %w", cfg.Scenario.Name, i, err))
		}
		plan = append(plan, in)
	}
	if _, err := fault.Disk(cfg.Scenario.Faults); err != nil {
		problems = append(problems, fmt.Errorf("scenario %s: %w", cfg.Scenario.Name, err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, &InputError{err}
	}
	return plan, nil
}

// world is what the faults of this run can touch.
func (r *run) world() *fault.World {
	return &fault.World{
		Targets: r.targets, Brokers: r.instance.Brokers, Database: r.instance.Database,
		Kafka: r.instance.Kafka, Topic: r.topic(), Postgres: r.instance.Postgres, Now: r.now, Consumes: r.consumes,
		Processed: r.processed, Acked: func() int64 { return r.load.generator.Progress().Acked },
	}
}

// consumes says whether a component reads the topic.
func (r *run) consumes(component string) bool {
	return slices.ContainsFunc(r.Architecture.Components(), func(c architectures.Component) bool { return c.Name == component && c.Consumes })
}

// targets finds what goes by a name: a role, a component or a server.
func (r *run) targets(name string) []fault.Target {
	var found []fault.Target
	for _, s := range r.instance.Servers() {
		database := s == r.instance.Database
		if s.Role == name || name == "database" && database || name == "serving" && database || name == "broker" && !database {
			found = append(found, server{s})
		}
	}
	for _, c := range r.Architecture.Components() {
		if c.Name == name || slices.Contains(c.Roles, name) || name == "all" && !c.OnDemand {
			found = append(found, member{r.supervisor, c.Name})
		}
	}
	return found
}

// faults injects what was planned, each fault at its time. It returns when all are over and undone.
func (r *run) faults(ctx context.Context) {
	var injections sync.WaitGroup
	world := r.world()
	for _, in := range r.injections {
		injections.Go(func() {
			defer close(in.over)
			if !r.sleepUntil(ctx, time.Duration(in.plan.At)) {
				return
			}
			for _, other := range r.injections {
				if in.follows(other) {
					<-other.over
				}
			}
			limited, cancel := context.WithTimeoutCause(ctx, time.Duration(in.plan.End()-in.plan.At)+undoWithin,
				fmt.Errorf("the fault was not over %v after its time", undoWithin))
			defer cancel()
			outcome, err := in.fault.Inject(limited, world)
			r.mu.Lock()
			in.outcome, in.err, in.done = outcome, err, true
			r.mu.Unlock()
		})
	}
	injections.Wait()
}

// sleepUntil waits until a time since origin; false if ctx ended before.
func (r *run) sleepUntil(ctx context.Context, at time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(at - r.now()):
		return true
	}
}

// active describes the faults that are under way, for the progress display.
func (r *run) active() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, in := range r.injections {
		if now >= time.Duration(in.plan.At) && !in.done {
			return "fault: " + describe(in.plan.Kind, in.plan.Target)
		}
	}
	return ""
}

func describe(kind, target string) string {
	if target == "" {
		return kind
	}
	return kind + " " + target
}

// record gives what run.json says of the fault; without recovery yet.
func (in *injection) record() results.Fault {
	f := results.Fault{
		Kind: in.plan.Kind, Target: in.target, Components: in.outcome.Components, How: in.outcome.How, What: in.outcome.What,
		PlannedAtS: time.Duration(in.plan.At).Seconds(),
	}
	if f.Components == nil {
		f.Components = []string{}
	}
	switch {
	case !in.done:
		f.Failure = "the run ended before it"
	case in.err != nil:
		f.Failure = in.err.Error()
	}
	if in.done && in.outcome.Effect >= 0 && in.outcome.How != "" {
		f.InjectedAtS, f.EndedAtS = seconds(in.outcome.Effect), seconds(in.outcome.End)
	} else if f.Failure == "" {
		f.Failure = "it did not take effect"
	}
	return f
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// phases are the spans of a run: warm-up and baseline of the schedule, from the first fault on fault while any is under way
// and recovery while none is, and the drain from the end of the load until done.
func phases(schedule *loadgen.Schedule, faults []results.Fault, end, done time.Duration) []results.Phase {
	warm, last := schedule.WarmupEnd().Seconds(), end.Seconds()
	spans := []results.Phase{}
	add := func(name string, from, to float64) {
		if to = min(to, last); to > from {
			spans = append(spans, results.Phase{Name: name, FromS: from, ToS: to})
		}
	}
	add("warm-up", 0, warm)
	injected := slices.DeleteFunc(slices.Clone(faults), func(f results.Fault) bool { return f.InjectedAtS == nil })
	slices.SortStableFunc(injected, func(a, b results.Fault) int {
		if *a.InjectedAtS < *b.InjectedAtS {
			return -1
		}
		return 1
	})
	at, before := min(warm, last), "baseline"
	for i := 0; i < len(injected); {
		from, to := *injected[i].InjectedAtS, *injected[i].EndedAtS
		for i++; i < len(injected) && *injected[i].InjectedAtS <= to; i++ {
			to = max(to, *injected[i].EndedAtS)
		}
		add(before, at, from)
		add("fault", max(at, from), to)
		at, before = max(at, to), "recovery"
	}
	add(before, at, last)
	return append(spans, results.Phase{Name: "drain", FromS: last, ToS: done.Seconds()})
}

// onDemand names the components of an architecture that run only while history is corrected.
func onDemand(arch architectures.Architecture) []architectures.Component {
	return slices.DeleteFunc(slices.Clone(arch.Components()), func(c architectures.Component) bool { return !c.OnDemand })
}
