package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lkbench/internal/capacity"
	"lkbench/internal/infra"
	"lkbench/internal/runner"
	"lkbench/scenarios"
)

// TestSavedCapacityIsTaken: for the same machine and settings nothing is measured again; under other settings what is saved does not
// count.
func TestSavedCapacityIsTaken(t *testing.T) {
	arch, err := architecture("kappa")
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := scenarios.Load("steady")
	if err != nil {
		t.Fatal(err)
	}
	base := runner.Config{Engine: "native", Provider: infra.Embedded{}, Out: t.TempDir()}
	search := &capacitySearch{base: base, arch: arch, objective: []string{defaultObjective}, start: defaultStart, seconds: defaultProbe}
	key, err := search.key()
	if err != nil {
		t.Fatal(err)
	}
	if key.Machine.Cores == 0 || key.Settings["partitions"] != "4" || key.Settings["commit_interval"] != "10ms" || key.Settings["brokers"] != "1" {
		t.Errorf("%+v", key)
	}
	if _, err := capacity.Save(base.Out, capacity.File{Key: key, MeasuredAt: time.Now(), Result: capacity.Result{Rate: 12345}}); err != nil {
		t.Fatal(err)
	}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	// Lambda's interval says nothing of Kappa.
	scenario.Lambda.BatchEvery *= 2
	rate, err := capacityOf(t.Context(), base, arch, scenario, note)
	if err != nil || rate != 12345 || len(notes) != 1 || !strings.Contains(notes[0], "12345 events/s, as measured before") {
		t.Errorf("%v, %v, %q", rate, err, notes)
	}
	for name, change := range map[string]func(*capacitySearch){
		"partitions": func(s *capacitySearch) { s.sets = []string{"partitions=8"} }, "brokers": func(s *capacitySearch) { s.base.Provider = infra.Local{Brokers: 3} },
		"objective": func(s *capacitySearch) { s.objective = []string{"alert.p99 < 1s"} }, "recoverable": func(s *capacitySearch) { s.recoverable = time.Second },
	} {
		other := *search
		change(&other)
		key, err := other.key()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, found := capacity.Saved(base.Out, key); found {
			t.Errorf("another %s, and the same capacity", name)
		}
	}
}

// TestScenarioOfATry: the load and the crash stand where they should.
func TestScenarioOfATry(t *testing.T) {
	s := &capacitySearch{seconds: 20, recoverable: 5 * time.Second, sets: []string{"warmup=3s", "partitions=8"}}
	scenario, err := s.scenario(1234)
	if err != nil {
		t.Fatal(err)
	}
	// After the crash: 5 s, the hold of 2 s, and one more.
	if len(scenario.Faults) != 1 || time.Duration(scenario.Faults[0].At) != 23*time.Second || time.Duration(scenario.Load[0].For) != 28*time.Second ||
		scenario.Load[0].Rate.PerS != 1234 || scenario.Partitions != 8 || len(scenario.Expect) != 0 || time.Duration(scenario.Drain) != probeDrain {
		t.Errorf("%+v", scenario)
	}
	s = &capacitySearch{seconds: 20, objective: []string{"alert.p99 < 200ms", "throughput > 5"}, sets: []string{"drain=5s"}}
	if scenario, err = s.scenario(10); err != nil || len(scenario.Faults) != 0 || len(scenario.Expect) != 2 || scenario.Expect[0].Text != "alert.p99 < 200ms" ||
		time.Duration(scenario.Drain) != 5*time.Second || time.Duration(scenario.Load[0].For) != 20*time.Second {
		t.Errorf("%v: %+v", err, scenario)
	}
}
