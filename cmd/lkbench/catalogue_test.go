package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lkbench/results"
	"lkbench/scenarios"
)

// TestCatalogue runs every scenario of the catalogue, a quarter as long and at half the load, on both architectures: each must
// have the verdict that it should have, every fault must have taken effect, and every reprocess must have switched. `make
// scenarios` runs them in full.
func TestCatalogue(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: runs the whole catalogue; make test does")
	}
	for _, entry := range scenarios.Catalogue() {
		if entry.Name == "soak" {
			continue // a share of the capacity, which would be measured first; make soak runs it
		}
		for _, arch := range []string{"lambda", "kappa"} {
			t.Run(entry.Name+"/"+arch, func(t *testing.T) {
				t.Parallel()
				r := catalogueRun(t, entry.Name, arch)
				want := results.Passed
				if entry.Name == "topic-full" {
					want = results.Incorrect
				}
				if r.Verdict.Status != want {
					t.Errorf("verdict %s, want %s: %s", r.Verdict.Status, want, strings.Join(r.Verdict.Reasons, "; "))
				}
				if r.Correctness.Expected == 0 || r.Observer.Alerts == 0 || r.Correctness.Answers == 0 {
					t.Errorf("%d rows expected, %d alerts seen, %d answers: nothing was checked", r.Correctness.Expected, r.Observer.Alerts, r.Correctness.Answers)
				}
				s, err := scenarios.Load(entry.Name)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Faults) != len(s.Faults) || len(r.Reprocess) != len(s.Reprocess) {
					t.Errorf("%d faults and %d reprocesses in the record, %d and %d in the scenario", len(r.Faults), len(r.Reprocess), len(s.Faults), len(s.Reprocess))
				}
				for _, f := range r.Faults {
					if f.InjectedAtS == nil || f.EndedAtS == nil || f.Recovery == nil || f.What == "" || len(f.Components) == 0 {
						t.Errorf("fault %s of %s: %+v", f.Kind, f.Target, f)
					}
				}
				for _, c := range r.Reprocess {
					if c.SwitchedAtS == nil || c.DoneAtS == nil || c.Events == 0 {
						t.Errorf("reprocess: %+v", c)
					}
				}
			})
		}
	}
}

// catalogueRun makes one run and judges it again from its files.
func catalogueRun(t *testing.T, scenario, arch string) *results.Record {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "runs")
	args := append([]string{"run", "--arch=" + arch, "--scenario=" + scenario, "--out=" + dir, "--infra=embedded", "--control=none", "--quiet",
		"--set", "time_scale=0.25", "--set", "load_scale=0.5"}, forgiving...)
	// The exit code is the verdict's, which the test looks at in the record.
	out, _ := exec.CommandContext(t.Context(), "lkbench", args...).CombinedOutput()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("want one run in %s: %v, %v\n%s", dir, found, err, out)
	}
	if said, err := exec.CommandContext(t.Context(), "lkbench", "verify", found[0]).CombinedOutput(); err != nil && !strings.Contains(string(said), string(results.Incorrect)) {
		t.Errorf("verify: %v: %s", err, said)
	}
	r, err := results.ReadRecord(found[0])
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}
