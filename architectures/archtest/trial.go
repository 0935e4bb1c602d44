package archtest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra"
	"lkbench/internal/oracle"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

//go:embed stream.yaml
var stream []byte

const (
	partitions = 4
	// drainWithin bounds how long an architecture may take to finish after the load and the last disturbance.
	drainWithin = 60 * time.Second
	// maxInFlight is far more than a trial sends: a broker that is down must not hold the load up.
	maxInFlight = 64 << 20
)

// conditions are what makes one trial different from another.
type conditions struct {
	seed    uint64
	sets    []string // overrides of stream.yaml
	backlog bool     // the load is over before the components start
	// reprocess: history is processed again under other rules beside disturb, and the architecture is a Reprocessor.
	reprocess bool
	twice     bool                  // it is processed again under the same rules first
	late      bool                  // the process on demand is promoted some time after the switch, by the seed
	disturb   func(tr *trial) error // runs beside the load, or beside catching up with it
	crashes   bool                  // components may end by themselves
}

// incorrect is the oracle's judgement of a trial whose answers are not all right.
type incorrect struct {
	arch        string
	correctness results.Correctness
	logs        string
}

func (i incorrect) Error() string {
	text, err := json.MarshalIndent(i.correctness, "", "  ")
	if err != nil {
		text = []byte(err.Error())
	}
	return fmt.Sprintf("%s gives wrong answers: %s%s", i.arch, text, i.logs)
}

// trial is one stream through one fresh deployment.
type trial struct {
	ctx   context.Context
	world *world
	arch  architectures.Architecture
	conditions
	env      architectures.Environment
	dir      string // the evidence and the logs
	schedule *loadgen.Schedule
	source   loadgen.Source
	load     *loadgen.Generator // once it runs
	system   architectures.System
	keeper   *supervisor
	random   *rand.Rand    // of what disturbs
	chance   *rand.Rand    // of when history is processed again
	length   time.Duration // of the load, or of what stands for it
	origin   time.Time
	change   *oracle.Change // the rules have changed
}

// trial deploys arch afresh, sends the stream through it under the given conditions and has the oracle judge. The error
// is an incorrect, or says what went wrong with the trial itself.
func (w *world) trial(t *testing.T, arch architectures.Architecture, c conditions) (err error) {
	scenario, err := scenarios.Parse("stream.yaml", stream, append([]string{fmt.Sprint("seed=", c.seed)}, c.sets...)...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*drainWithin)
	defer cancel()
	tr := &trial{ctx: ctx, world: w, arch: arch, conditions: c, dir: t.TempDir(), random: rand.New(rand.NewPCG(c.seed, 0)), chance: rand.New(rand.NewPCG(c.seed, 1))}
	if err := tr.prepare(t, scenario); err != nil {
		return err
	}
	defer tr.system.Close()
	if _, able := tr.system.(architectures.Reprocessor); c.reprocess && !able {
		t.Skipf("%s cannot process history again", arch.Name())
	}
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		return tr.keeper.stop()
	}
	defer func() { err = errors.Join(err, stop()) }()

	if !c.backlog {
		if err := tr.launch(); err != nil {
			return err
		}
	}
	if err := tr.drive(c); err != nil {
		return fmt.Errorf("%w%s", err, tr.keeper.tails(arch.Components()))
	}
	// At rest: nothing may change between the looks at topic, tables and progress.
	if err := stop(); err != nil {
		return err
	}
	if err := tr.keeper.crashed(); err != nil && !c.crashes {
		return fmt.Errorf("%w%s", err, tr.keeper.tails(arch.Components()))
	}
	return tr.judge()
}

// prepare makes topics, database and tables.
func (tr *trial) prepare(t *testing.T, s *scenarios.Scenario) (err error) {
	if tr.schedule, err = loadgen.NewSchedule(s); err != nil {
		return err
	}
	tr.length = tr.schedule.End()
	if tr.source, err = loadgen.NewSynthetic(s, tr.schedule); err != nil {
		return err
	}
	name, postgres, err := tr.world.place(t)
	if err != nil {
		return err
	}
	tr.env = architectures.Environment{
		Kafka: tr.world.instance.Kafka, Topic: name, DeadLetters: name + ".dead-letters", Partitions: partitions,
		Postgres: postgres, Rules: rulesOf(s.Rules),
		Settings: architectures.Settings{CommitInterval: time.Duration(s.Native.CommitInterval), BatchEvery: time.Duration(s.Lambda.BatchEvery)},
	}
	if err := infra.CreateTopics(tr.ctx, tr.env.Kafka, partitions, tr.world.instance.Replication, tr.env.Topic, tr.env.DeadLetters); err != nil {
		return err
	}
	if tr.keeper, err = newSupervisor(tr.world.executable, tr.arch, tr.env, tr.dir); err != nil {
		return err
	}
	tr.system, err = tr.arch.Deploy(tr.ctx, tr.env)
	return err
}

func rulesOf(r scenarios.Rules) bank.Rules {
	return bank.Rules{
		RelativePercent: int64(r.RelativePercent), AbsolutePaise: bank.Paise(r.AbsolutePaise()), VelocityCount: int64(r.VelocityCount),
		Window: time.Duration(r.Window), Watermark: time.Duration(r.Watermark), DedupHorizon: time.Duration(r.DedupHorizon),
		PremiumPaise: bank.Paise(r.PremiumPaise()), FrequentCount: int64(r.FrequentCount),
	}
}

// launch starts the components and waits until those that read the topic have taken their places.
func (tr *trial) launch() error {
	consumers := 0
	for _, c := range tr.arch.Components() {
		if c.OnDemand {
			continue
		}
		p, err := tr.keeper.start(c.Name)
		if err != nil {
			return err
		}
		tr.keeper.keep(c, p)
		if c.Consumes {
			consumers++
		}
	}
	return tr.await("the components are ready", func(p architectures.Progress) bool {
		return len(p.Positions) == consumers*partitions
	})
}

// await waits until the architecture's progress is as wanted.
func (tr *trial) await(what string, wanted func(architectures.Progress) bool) error {
	deadline := time.Now().Add(drainWithin)
	for {
		p, err := tr.system.Progress(tr.ctx)
		if err == nil && wanted(p) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v until %s; progress is %+v (%v)", drainWithin, what, p, err)
		}
		select {
		case <-tr.ctx.Done():
			return context.Cause(tr.ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// judge has the oracle look at what is left when everything has come to rest.
func (tr *trial) judge() error {
	err := oracle.CollectAtRest(tr.ctx, oracle.CollectConfig{
		Kafka: tr.env.Kafka, Topic: tr.env.Topic, DeadLetters: tr.env.DeadLetters, Postgres: tr.env.Postgres,
		Dir: tr.dir, Source: tr.source, Events: tr.schedule.Len(),
	}, func(ctx context.Context) (any, error) { return tr.system.Progress(ctx) })
	if err != nil {
		return err
	}
	judgement, err := oracle.Judge(tr.dir, oracle.JudgeConfig{Rules: tr.env.Rules, Change: tr.change, Source: tr.source, Schedule: tr.schedule})
	if err != nil {
		return err
	}
	c := judgement.Correctness
	switch {
	case c.BrokerLost+c.BrokerCorrupt+c.ForeignRecords > 0:
		return fmt.Errorf("the broker lost or changed records: the trial says nothing: %+v", c)
	case c.Expected == 0 || c.MalformedSent == 0 || c.LateExpected == 0 || c.Answers == 0:
		return fmt.Errorf("the stream has not tried everything: %+v", c)
	case c.Missing+c.Duplicate+c.Wrong+c.Unexpected+c.WrongAnswers > 0, c.LateCounted != c.LateExpected:
		return incorrect{tr.arch.Name(), c, tr.keeper.tails(tr.arch.Components())}
	case tr.reprocess && tr.disturb == nil:
		return tr.lettersOnce(c.MalformedSent)
	}
	return nil
}
