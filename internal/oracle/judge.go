// Package oracle says whether a run's answers are right. Collect gathers the evidence once, after the drain; Judge works
// from these files alone, so that a saved run can be judged again without any infrastructure. It decodes, counts and
// compares with its own code, written from docs/workload.md, and shares none with the architectures it judges.
package oracle

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lkbench/internal/bank"
	"lkbench/loadgen"
	"lkbench/results"
)

// Schedule says how many events there were to be and when each was to be sent, in time since the origin. A
// *loadgen.Schedule is one.
type Schedule interface {
	Len() uint64
	Intended(n uint64) time.Duration
	WarmupEnd() time.Duration
}

// JudgeConfig is what a judgement needs beside the run's folder: all of it follows from the scenario.
type JudgeConfig struct {
	Rules    bank.Rules     // at the run's start
	Change   *Change        // of the rules; nil without one
	Source   loadgen.Source // of the events the run was made with
	Schedule Schedule
}

// Judgement is what the evidence says. Whether that makes the run incorrect, results.Decide says.
type Judgement struct {
	Correctness results.Correctness
	// Freshness holds, for every answer whose query was intended after warm-up and that was not wrong, the age of the
	// oldest acknowledged event it lacked when the query was sent; zero if it lacked none.
	Freshness *results.Histogram
	// Answers are all of them, warm-up included, in the order in which they were written down.
	Answers []Answer
	// FirstNew is when the first right answer came that only the new rules of a change explain; LastOld when, after the request, the
	// last one came that only the old rules explain, right or wrong. Nil if there was none.
	FirstNew, LastOld *time.Duration
}

// Judge holds the evidence in a run's folder against what docs/workload.md says. It fails if a file is missing or
// damaged; the error names the file.
func Judge(dir string, cfg JudgeConfig) (*Judgement, error) {
	if err := checkRules(cfg.Rules); err != nil {
		return nil, err
	}
	if err := cfg.Change.check(cfg.Rules); err != nil {
		return nil, err
	}
	ledger, err := loadgen.OpenLedger(filepath.Join(dir, ledgerFile))
	if err != nil {
		return nil, err
	}
	defer ledger.Close()
	now, err := load(dir, progressFile, readProgress)
	if err != nil {
		return nil, err
	}
	answers, err := load(dir, probesFile, readAnswers)
	if err != nil {
		return nil, err
	}
	parts, err := foldTopic(dir, cfg, ledger, now, answers)
	if err != nil {
		return nil, err
	}
	var folds []*fold
	for _, p := range parts {
		folds = append(folds, p.fold)
	}

	// Each of these only reads what the others read, and ticks off rows of its own.
	var (
		views     [3]tally
		dead      deadLetterTally
		probes    probeTally
		judgement errgroup.Group
	)
	for i, v := range []struct {
		view
		want expectedRows
	}{
		{viewAnomalies, &expectedAnomalies{place{folds: folds}}},
		{viewWindows, &expectedWindows{place{folds: folds}}},
		{viewProfiles, &expectedProfiles{place{folds: folds}}},
	} {
		judgement.Go(func() (err error) {
			views[i], err = load(dir, v.file(), unpacked(func(r io.Reader, name string) (tally, error) {
				return compareView(r, name, v.view, v.want)
			}))
			return err
		})
	}
	judgement.Go(func() (err error) {
		dead, err = load(dir, deadLettersFile, func(r io.Reader, name string) (deadLetterTally, error) {
			return compareDeadLetters(r, name, parts)
		})
		return err
	})
	judgement.Go(func() error {
		probes = judgeAnswers(answers, folds, timesOf(ledger, cfg.Schedule), cfg)
		return nil
	})
	lost := brokerLosses(ledger, parts)
	if err := judgement.Wait(); err != nil {
		return nil, err
	}
	late, err := now.late()
	if err != nil {
		return nil, err
	}
	return sum(parts, views[:], dead, probes, lost, late), nil
}

// sum puts the outcomes together.
func sum(parts []*part, views []tally, dead deadLetterTally, probes probeTally, lost brokerLoss, late int64) *Judgement {
	c := results.Correctness{
		Missing: dead.missing, Unexpected: dead.unexpected,
		MalformedSent: dead.expected, DeadLettered: dead.found,
		BrokerLost: lost.lost, BrokerDuplicate: lost.duplicate,
		LateCounted: late,
		Answers:     probes.answers, RightAnswers: probes.right, StaleAnswers: probes.stale, WrongAnswers: probes.wrong,
		FailedQueries: probes.failed, WrongAnswerSeconds: probes.wrongSeconds,
	}
	all := differences{groups: lost.differences.groups}
	for _, p := range parts {
		c.BrokerCut += int64(len(p.cut))
		c.BrokerCutUnknown += p.unknown
		c.BrokerCorrupt += p.broker.corrupt
		c.ForeignRecords += p.broker.foreign
		c.LateExpected += p.fold.late
		all.merge(p.broker.differences)
	}
	for _, t := range views {
		c.Expected += t.expected
		c.Observed += t.observed
		c.Missing += t.missing
		c.Duplicate += t.duplicate
		c.Wrong += t.wrong
		c.Unexpected += t.unexpected
		all.merge(t.differences)
	}
	all.merge(dead.differences)
	all.merge(probes.differences)
	c.Differences = all.first()
	return &Judgement{
		Correctness: c, Freshness: probes.freshness, Answers: probes.all, FirstNew: probes.firstNew, LastOld: probes.lastOld,
	}
}

// checkRules refuses rules that have no meaning in PostgreSQL's microseconds.
func checkRules(r bank.Rules) error {
	for _, d := range []time.Duration{r.Window, r.Watermark, r.DedupHorizon} {
		if d < 0 || d%time.Microsecond != 0 {
			return fmt.Errorf("rules: %v is not a whole number of microseconds", d)
		}
	}
	if r.Window == 0 {
		return errors.New("rules: the window is zero")
	}
	return nil
}

// timesOf tells when an event was to be sent, was sent and was acknowledged.
func timesOf(ledger *loadgen.Ledger, schedule Schedule) func(n uint64) moments {
	return func(n uint64) moments {
		if n == noTurn {
			return moments{acked: never}
		}
		e := ledger.Entry(n)
		intended := schedule.Intended(n)
		sent := intended + e.Delay
		m := moments{intended: intended.Microseconds(), sent: sent.Microseconds(), acked: never}
		if e.Status == loadgen.Acknowledged {
			m.acked = (sent + e.Ack).Microseconds()
		}
		return m
	}
}
