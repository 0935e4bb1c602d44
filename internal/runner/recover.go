package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"lkbench/internal/oracle"
	"lkbench/results"
	"lkbench/results/recovery"
	"lkbench/scenarios"
)

// answersFile holds what became of every probe query, one JSON line each, beside results.TenthsFile: what recovery is measured
// from, of this run and of those that it is the control of.
const answersFile = "answers.jsonl"

// answersOf turns the oracle's judgement into the terms of recovery.
func answersOf(judgement *oracle.Judgement) []recovery.Answer {
	var answers []recovery.Answer
	for _, a := range judgement.Answers {
		answers = append(answers, recovery.Answer{AtMS: a.Intended.Milliseconds(), Kind: recovery.Kind(a.Kind), AgeMS: milliseconds(a.Age)})
	}
	return answers
}

// writeSeen saves the timeline of 100 ms and the answers.
func (r *run) writeSeen(seen recovery.Seen) error {
	tenths, err := r.folder.Create(results.TenthsFile)
	if err != nil {
		return err
	}
	if err := errors.Join(results.WriteTenths(tenths, seen.Tenths), tenths.Close()); err != nil {
		return err
	}
	answers, err := r.folder.Create(answersFile)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(answers)
	for _, a := range seen.Answers {
		if err := lines.Encode(a); err != nil {
			return errors.Join(err, answers.Close())
		}
	}
	return answers.Close()
}

// readControl reads what was seen of a run without faults.
func readControl(dir string) (_ *recovery.Control, err error) {
	record, err := results.ReadRecord(dir)
	if err != nil {
		return nil, err
	}
	c := &recovery.Control{Run: record.RunID}
	tenths, err := os.Open(filepath.Join(dir, results.TenthsFile))
	if err != nil {
		return nil, fmt.Errorf("the run %s cannot be a control: %w", dir, err)
	}
	defer tenths.Close()
	if c.Tenths, err = results.ReadTenths(tenths); err != nil {
		return nil, err
	}
	answers, err := os.Open(filepath.Join(dir, answersFile))
	if err != nil {
		return nil, fmt.Errorf("the run %s cannot be a control: %w", dir, err)
	}
	defer answers.Close()
	for lines := json.NewDecoder(answers); ; {
		var a recovery.Answer
		err := lines.Decode(&a)
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: answer %d: %w", filepath.Join(dir, answersFile), len(c.Answers)+1, err)
		}
		c.Answers = append(c.Answers, a)
	}
}

// recovered measures how the system got over each fault, and puts it into the record.
func (r *run) recovered(judgement *oracle.Judgement) error {
	if r.watch.tenths == nil {
		return nil
	}
	end := max(r.drained, r.schedule.End())
	seen := recovery.Seen{Answers: answersOf(judgement)}
	if f := r.watch.follower; f != nil {
		seen.Tenths = r.watch.tenths.Rows(end, f.Points(), f.Counts().Gaps)
	} else {
		seen.Tenths = r.watch.tenths.Rows(end, nil, nil)
	}
	if err := r.writeSeen(seen); err != nil {
		return err
	}
	whole := recovery.Run{
		Seen: seen, WarmupS: r.schedule.WarmupEnd().Seconds(), EndS: end.Seconds(),
		BeforeS: time.Duration(r.Scenario.Recovery.Before).Seconds(), Bands: bandsOf(r.Scenario.Recovery),
	}
	if r.Control != "" {
		control, err := readControl(r.Control)
		if err != nil {
			return err
		}
		whole.Control = control
	}
	for i, in := range r.injections {
		f := recovery.Fault{InjectedS: r.record.Faults[i].InjectedAtS, EndedS: r.record.Faults[i].EndedAtS}
		if f.InjectedS != nil && in.outcome.Detected >= 0 {
			f.DetectedS = seconds(in.outcome.Detected)
		}
		whole.Faults = append(whole.Faults, f)
	}
	for i, rec := range recovery.Each(whole) {
		r.record.Faults[i].Recovery = rec
	}
	return nil
}

func bandsOf(s scenarios.Recovery) recovery.Bands {
	return recovery.Bands{
		HoldMS: milliseconds(time.Duration(s.Hold)), LagFactor: s.LagFactor, LagFloorMS: milliseconds(time.Duration(s.LagFloor)),
		LatencyFactor: s.LatencyFactor, LatencyFloorMS: milliseconds(time.Duration(s.LatencyFloor)),
	}
}

// corrected puts into the record what the oracle says of a reprocess.
func corrected(record *results.Record, judgement *oracle.Judgement) {
	if len(record.Reprocess) == 0 {
		return
	}
	rec := &record.Reprocess[0]
	requested := time.Duration(rec.RequestedAtS * float64(time.Second))
	after := func(at *time.Duration, why string) results.Span {
		if at == nil {
			return results.Span{Why: why}
		}
		return results.Span{S: seconds(*at - requested)}
	}
	rec.FirstRight = after(judgement.FirstNew, "no query was asked whose answer the new rules change")
	rec.AllRight = after(judgement.LastOld, "no answer after the request was one that only the old rules explain")
	if rec.SwitchedAtS == nil {
		observed := record.Phases[len(record.Phases)-1].ToS - rec.RequestedAtS
		rec.FirstRight = results.Span{S: &observed, Censored: true}
		rec.AllRight = rec.FirstRight
	}
	before, during := results.NewHistogram(), results.NewHistogram()
	warm := time.Duration(0)
	for _, p := range record.Phases {
		if p.Name == "warm-up" {
			warm = time.Duration(p.ToS * float64(time.Second))
		}
	}
	rec.WrongAnswers = 0
	for _, a := range judgement.Answers {
		switched := rec.SwitchedAtS != nil && a.At.Seconds() > *rec.SwitchedAtS
		switch {
		case a.Kind == oracle.AnswerWrong && a.At >= requested:
			rec.WrongAnswers++
		case a.Kind == oracle.AnswerWrong || a.Kind == oracle.AnswerFailed || a.Intended < warm || switched:
		case a.At < requested:
			before.Record(a.Age)
		default:
			during.Record(a.Age)
		}
	}
	rec.FreshnessBeforeMS, rec.FreshnessDuringMS = before.Summary().P99, during.Summary().P99
}

// changeOf tells the oracle of the record's reprocess; nil without one.
func changeOf(record *results.Record, s *scenarios.Scenario) *oracle.Change {
	if len(record.Reprocess) == 0 {
		return nil
	}
	rec := record.Reprocess[0]
	c := &oracle.Change{
		Rules: rulesOf(s.Rules.With(s.Reprocess[0].Rules)), From: time.Duration(rec.RequestedAtS * float64(time.Second)),
		To: time.Duration(record.Phases[len(record.Phases)-1].ToS * float64(time.Second)),
	}
	if at := rec.SwitchedAtS; at != nil {
		c.To, c.Switched = time.Duration(*at*float64(time.Second)), true
	}
	c.To = max(c.To, c.From)
	return c
}
