package bench

import (
	"os"
	"strings"
	"testing"

	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// TestStatementsAreTheSinks holds the bare loop's statements against the source of the architectures: a limit of other
// statements would say nothing about them.
func TestStatementsAreTheSinks(t *testing.T) {
	for file, statements := range map[string][]string{
		"kappa/native/sink.go":    {kappaAnomaliesTable, kappaWindowsTable, kappaAnomalies, kappaWindows, kappaParts},
		"lambda/native/speed.go":  {lambdaAnomalies, lambdaWindows, lambdaParts},
		"lambda/native/ingest.go": {lambdaMaster},
	} {
		source, err := os.ReadFile("../../architectures/" + file)
		if err != nil {
			t.Fatal(err)
		}
		version := strings.NewReplacer("anomalies_1 ", "%s ", "anomalies_1\n", "%s\n", "customer_windows_1 ", "%s ", "profile_parts_1 ", "%s ")
		for _, s := range statements {
			s = version.Replace(s)
			if !strings.Contains(string(source), s) {
				t.Errorf("architectures/%s does not hold this statement any more; copy the new one to upserts.go:\n%s", file, s)
			}
		}
	}
}

func TestPrepareFoldsEveryEventOnce(t *testing.T) {
	s, err := constant(1_000, Quick().Hold)
	if err != nil {
		t.Fatal(err)
	}
	const events = 2_500
	for arch, connections := range map[string]int{"kappa": 1, "lambda": 2} {
		writers, n, err := prepare(s, arch, events, 1_000)
		if err != nil {
			t.Fatal(err)
		}
		if n != events || len(writers) != connections {
			t.Fatalf("%s: %d events on %d connections", arch, n, len(writers))
		}
		for _, w := range writers {
			if len(w) != 3 {
				t.Errorf("%s: %d commits of at most 1000 of %d events", arch, len(w), events)
			}
		}
		if connections == 2 {
			rows := 0
			for _, commit := range writers[1] {
				rows += commit[0].rows
			}
			if rows != events {
				t.Errorf("%d rows of the master dataset for %d events", rows, events)
			}
		}
	}
	seen := 0
	if _, err := transactions(s, events, func(e *native.Event) error {
		if e.Count == bank.DefaultRules().VelocityCount {
			seen++
		}
		return nil
	}); err != nil || seen == 0 {
		t.Errorf("%d velocity alerts, %v", seen, err)
	}
}
