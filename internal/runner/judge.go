package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lkbench/internal/bank"
	"lkbench/internal/oracle"
	"lkbench/loadgen"
	"lkbench/results"
	"lkbench/scenarios"
)

// scenarioFile is the scenario as resolved, in the folder of a run.
const scenarioFile = "scenario.yaml"

// Verify judges a saved run again from its files alone and holds the outcome against the saved one. data is where a CSV
// file of the run is now, if not where the record says. It fails if the folder is damaged, if what the events were made
// from is not there, or if the outcome differs.
func Verify(ctx context.Context, dir, data string) (*results.Record, error) {
	if err := results.VerifyChecksums(dir); err != nil {
		return nil, err
	}
	saved, err := results.ReadRecord(dir)
	if err != nil {
		return nil, err
	}
	if saved.Interrupted {
		// Nothing was judged: there is only the record's own verdict to confirm.
		return saved, sameVerdict(dir, saved, results.Decide(saved))
	}
	scenario, err := scenarios.Load(filepath.Join(dir, scenarioFile))
	if err != nil {
		return nil, err
	}
	if data != "" {
		scenario.Events.File = data
	}
	schedule, err := loadgen.NewSchedule(scenario)
	if err != nil {
		return nil, err
	}
	source, err := loadgen.OpenSource(scenario, schedule)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the file that fed the run is not there any more; name it with --data: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if now := dataOf(source, 0); now != nil && (saved.Data == nil || now.SHA256 != saved.Data.SHA256) {
		return nil, fmt.Errorf("%s is not the file that fed the run %s: their SHA-256 differ", scenario.Events.File, dir)
	}
	again := *saved
	again.Reprocess = slices.Clone(saved.Reprocess)
	// Recovery stays as it was measured, against a control that may not be there any more.
	unchanged := func(*oracle.Judgement) error { return nil }
	if _, err := judge(dir, &again, scenario, schedule, source, unchanged); err != nil {
		return nil, err
	}
	// As they are written: what JSON does not tell apart, such as a list that is empty or absent, is no difference.
	now, err := results.EncodeRecord(&again)
	if err != nil {
		return nil, err
	}
	before, err := results.EncodeRecord(saved)
	if err != nil {
		return nil, err
	}
	if err := sameVerdict(dir, saved, again.Verdict); err != nil {
		return nil, err
	}
	if line := firstDifference(before, now); line != "" {
		return nil, fmt.Errorf("%s: judged again, run.json would differ in %s", dir, line)
	}
	return &again, nil
}

// firstDifference gives the first line in which two texts differ, as "old instead of new"; "" if they are the same.
func firstDifference(before, now []byte) string {
	old, found := strings.Split(string(before), "\n"), strings.Split(string(now), "\n")
	for i := range max(len(old), len(found)) {
		if i >= len(old) || i >= len(found) {
			return "its length"
		}
		if old[i] != found[i] {
			return fmt.Sprintf("%q instead of %q", strings.TrimSpace(found[i]), strings.TrimSpace(old[i]))
		}
	}
	return ""
}

func sameVerdict(dir string, saved *results.Record, again results.Verdict) error {
	if again.Status != saved.Verdict.Status || !slices.Equal(again.Reasons, saved.Verdict.Reasons) {
		return fmt.Errorf("%s: judged again, the verdict is %s %q; run.json says %s %q",
			dir, again.Status, again.Reasons, saved.Verdict.Status, saved.Verdict.Reasons)
	}
	return nil
}

// judge fills in what the oracle finds in the run's folder, what measure makes of it, the thresholds, and the verdict. It
// gives the series of freshness.
func judge(dir string, record *results.Record, scenario *scenarios.Scenario, schedule *loadgen.Schedule, source loadgen.Source,
	measure func(*oracle.Judgement) error) (*results.Histogram, error) {
	j, err := oracle.Judge(dir, oracle.JudgeConfig{
		Rules: rulesOf(scenario.Rules), Change: changeOf(record, scenario), Source: source, Schedule: schedule,
	})
	if err != nil {
		return nil, err
	}
	record.Correctness = j.Correctness
	record.Freshness = j.Freshness.Summary()
	corrected(record, j)
	if err := measure(j); err != nil {
		return nil, err
	}
	record.Thresholds = []results.Threshold{}
	for _, e := range scenario.Expect {
		t := results.Evaluate(e.Metric, e.Op, e.Value, record)
		t.Expression = e.Text
		record.Thresholds = append(record.Thresholds, t)
	}
	record.Verdict = results.Decide(record)
	return j.Freshness, nil
}

// dataOf describes the file behind a source, after so many events were sent; nil if there is none.
func dataOf(source loadgen.Source, sent int64) *results.Data {
	csv, ok := source.(*loadgen.CSV)
	if !ok {
		return nil
	}
	data := csv.Data(uint64(sent))
	return &data
}

// rulesOf turns the rules of a scenario, written in rupees, into those of the workload.
func rulesOf(r scenarios.Rules) bank.Rules {
	return bank.Rules{
		RelativePercent: int64(r.RelativePercent),
		AbsolutePaise:   bank.Paise(r.AbsolutePaise()),
		VelocityCount:   int64(r.VelocityCount),
		Window:          time.Duration(r.Window),
		Watermark:       time.Duration(r.Watermark),
		DedupHorizon:    time.Duration(r.DedupHorizon),
		PremiumPaise:    bank.Paise(r.PremiumPaise()),
		FrequentCount:   int64(r.FrequentCount),
	}
}
