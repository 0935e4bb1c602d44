package native

import (
	"fmt"
	"os"
	"testing"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
	"lkbench/internal/runner"
	"lkbench/results"
	"lkbench/scenarios"
)

// TestCrashStreamCatches: a stream that commits its offsets before its results is found by the catalogue's scenario crash-stream,
// run as the program runs it, within twenty seeds.
func TestCrashStreamCatches(t *testing.T) {
	infratest.NeedPostgres(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range 20 {
		scenario, err := scenarios.Load("crash-stream", fmt.Sprint("seed=", seed), "time_scale=0.1", "load_scale=0.5", "limits.schedule_delay_p999=30s",
			"limits.observer_lag=30s", "limits.offered_shortfall=0.9", "expect=[]")
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := runner.Run(t.Context(), runner.Config{
			Scenario: scenario, Architecture: broken{name: "offsets-first"}, Engine: "native", Provider: infra.Embedded{}, Brokers: 1,
			Executable: executable, Out: t.TempDir(), Commanded: time.Now(), Write: func(string, *results.Record) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := results.ReadRecord(outcome.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict.Status == results.Incorrect {
			t.Logf("caught with seed %d: %v", seed, r.Verdict.Reasons)
			return
		}
		if len(r.Faults) != 1 || r.Faults[0].InjectedAtS == nil {
			t.Errorf("seed %d: no crash: %+v", seed, r.Faults)
		}
	}
	t.Error("a stream that commits offsets before results has passed crash-stream with twenty seeds")
}
