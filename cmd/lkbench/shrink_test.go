package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/results"
	"lkbench/scenarios"
)

// savedRun writes a run's folder as far as shrink reads it.
func savedRun(t *testing.T, change func(*results.Record)) string {
	t.Helper()
	parent := t.TempDir()
	folder, err := results.Create(parent, "run")
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := scenarios.Load("steady")
	if err != nil {
		t.Fatal(err)
	}
	text, err := scenario.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.Write("scenario.yaml", text); err != nil {
		t.Fatal(err)
	}
	record := &results.Record{
		SchemaVersion: results.SchemaVersion, RunID: "run", Arch: "kappa", Engine: "native", Infra: "embedded",
		Verdict: results.Verdict{Status: results.Incorrect, Reasons: []string{"lost"}}, Faults: []results.Fault{{Kind: "crash"}},
	}
	change(record)
	dir, err := folder.Commit(record)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestShrinkRefuses(t *testing.T) {
	whole := savedRun(t, func(*results.Record) {})
	damaged := savedRun(t, func(*results.Record) {})
	if err := os.WriteFile(filepath.Join(damaged, "scenario.yaml"), []byte("name: other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "takes one run's folder"},
		{[]string{t.TempDir()}, exitUsage, "is no run's folder"},
		{[]string{"--tries=0", whole}, exitUsage, "--tries is between 1 and 1000, not 0"},
		{[]string{"--infra=moon", whole}, exitUsage, `no infra "moon"`},
		{[]string{damaged}, exitFailed, "scenario.yaml"},
		{[]string{savedRun(t, func(r *results.Record) { r.Verdict = results.Verdict{Status: results.Passed} })}, exitUsage, "is passed: there is no failure"},
		{[]string{savedRun(t, func(r *results.Record) { r.Interrupted = true })}, exitUsage, "was interrupted"},
		{[]string{savedRun(t, func(r *results.Record) { r.Faults = nil })}, exitUsage, "had no faults"},
		{[]string{savedRun(t, func(r *results.Record) { r.Arch = "gamma" })}, exitUsage, `no architecture "gamma"`},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"shrink"}, c.args...), strings.NewReader(""), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%v: exit code %d, %s%s; want %d and %q", c.args, code, &out, &errs, c.code, c.want)
		}
	}
}

// simulatedRuns is a system whose runs end with a verdict that is a function of their faults and of how often the same was tried.
func simulatedRuns(t *testing.T, tries int, verdict func(kinds []string, try int) results.Status) *shrinking {
	t.Helper()
	arch, err := architecture("kappa")
	if err != nil {
		t.Fatal(err)
	}
	scenario := &scenarios.Scenario{}
	for i, kind := range []string{"crash", "pause", "stop", "zombie", "reset"} {
		scenario.Faults = append(scenario.Faults, scenarios.Fault{At: scenarios.Duration(time.Duration(i) * time.Second), Kind: kind, Target: "stream"})
	}
	tried, runs, parent := map[string]int{}, 0, t.TempDir()
	return &shrinking{
		arch: arch, scenario: scenario, status: results.Incorrect, tries: tries, note: t.Logf,
		run: func(_ context.Context, s *scenarios.Scenario) (*results.Record, string, error) {
			var kinds []string
			for _, f := range s.Faults {
				kinds = append(kinds, f.Kind)
			}
			key := strings.Join(kinds, " ")
			tried[key]++
			runs++
			dir := filepath.Join(parent, fmt.Sprint(runs))
			status := verdict(kinds, tried[key])
			return &results.Record{Verdict: results.Verdict{Status: status, Reasons: []string{"reason " + key}}}, dir, os.Mkdir(dir, 0o755)
		},
	}
}

// both says whether the two faults that it takes are there.
func both(kinds []string) bool {
	return slices.Contains(kinds, "pause") && slices.Contains(kinds, "reset")
}

func TestShrinkFindsTheFaults(t *testing.T) {
	want := "faults:\n- at: 1s\n  kind: pause\n  target: stream\n- at: 4s\n  kind: reset\n  target: stream\n"
	for name, verdict := range map[string]func([]string, int) results.Status{
		"always": func(kinds []string, _ int) results.Status {
			if both(kinds) {
				return results.Incorrect
			}
			return results.Passed
		},
		"every third time": func(kinds []string, try int) results.Status {
			if both(kinds) && try%3 == 0 {
				return results.Incorrect
			}
			return results.Passed
		},
		"others fail otherwise": func(kinds []string, _ int) results.Status {
			if both(kinds) {
				return results.Incorrect
			}
			return results.Invalid
		},
	} {
		s := simulatedRuns(t, 3, verdict)
		var out bytes.Buffer
		if err := s.search(t.Context(), &out); err != nil || !strings.HasSuffix(out.String(), want) || !strings.Contains(out.String(), "# 2 of 5 faults still make kappa incorrect: reason pause reset\n") {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
		// Of all the folders one is left.
		if left, err := os.ReadDir(filepath.Dir(s.dir)); err != nil || len(left) != 1 {
			t.Errorf("%s: %d folders are left, %v", name, len(left), err)
		}
	}
}

func TestShrinkWithoutAnEnd(t *testing.T) {
	var out bytes.Buffer
	never := simulatedRuns(t, 2, func([]string, int) results.Status { return results.Passed })
	err := never.search(t.Context(), &out)
	if exit, ok := err.(*exitError); !ok || exit.code != exitInvalid || !strings.Contains(err.Error(), "did not make it incorrect again in 2 tries") || out.Len() > 0 {
		t.Errorf("a failure that does not come again: %v %s", err, &out)
	}
	always := simulatedRuns(t, 2, func([]string, int) results.Status { return results.Incorrect })
	if err := always.search(t.Context(), &out); err != nil || !strings.Contains(out.String(), "# 0 of 5 faults") || !strings.HasSuffix(out.String(), "faults: []\n") {
		t.Errorf("a failure without any fault: %v %s", err, &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := simulatedRuns(t, 2, func(kinds []string, _ int) results.Status {
		if len(kinds) > 0 {
			return results.Incorrect
		}
		cancel()
		return results.Passed
	})
	out.Reset()
	err = interrupted.search(ctx, &out)
	if exit, ok := err.(*exitError); !ok || exit.code != exitInterrupted || out.Len() > 0 {
		t.Errorf("interrupted: %v %s", err, &out)
	}
}

// TestRandomTargetsStayWhatTheyWere: a draw depends on the place in the list.
func TestRandomTargetsStayWhatTheyWere(t *testing.T) {
	planned := []scenarios.Fault{
		{At: scenarios.Duration(time.Second), Kind: "crash", Target: "random"}, {At: scenarios.Duration(2 * time.Second), Kind: "crash", Target: "random"},
		{At: scenarios.Duration(3 * time.Second), Kind: "pause", Target: "all"},
	}
	happened := []results.Fault{
		{PlannedAtS: 3, Kind: "pause", Target: "all", Components: []string{"speed", "ingest"}},
		{PlannedAtS: 2, Kind: "crash", Target: "random", Components: []string{"batch"}},
		{PlannedAtS: 1, Kind: "crash", Target: "random", Components: []string{"speed"}},
	}
	var got []string
	for _, f := range resolved(planned, happened) {
		got = append(got, f.Target)
	}
	if !slices.Equal(got, []string{"speed", "batch", "all"}) || planned[0].Target != "random" {
		t.Errorf("%v", got)
	}
}
