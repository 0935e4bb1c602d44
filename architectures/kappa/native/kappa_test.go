package native

import (
	"testing"

	"lkbench/architectures/archtest"
)

func TestMain(m *testing.M) {
	archtest.Main(m, New(), broken{name: "offsets-first"}, broken{name: "results-first", resultsFirst: true})
}

func TestConformance(t *testing.T) { archtest.Test(t, New()) }

// TestSuiteCatches shows that the conformance suite can fail.
func TestSuiteCatches(t *testing.T) {
	for _, b := range []broken{{name: "offsets-first"}, {name: "results-first", resultsFirst: true}} {
		t.Run(b.name, func(t *testing.T) { archtest.Catches(t, b) })
	}
}
