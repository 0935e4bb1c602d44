package report

import (
	"os"
	"testing"
)

func TestX(t *testing.T) {
	a, b := sample(t, "lambda", 1), sample(t, "kappa", 2)
	Table(os.Stdout, 80, false, a, b)
	b.Record.Correctness.Missing = 3
	b.Record.Verdict.Status = "incorrect"
	b.Record.Verdict.Reasons = []string{"rows missing from the served views: 3; 312480 expected"}
	Table(os.Stdout, 80, true, a, b, a, b)
	Table(os.Stdout, 40, true, a, b)
}
