package oracle

import (
	"testing"

	"lkbench/results"
)

func TestCleanEvidenceIsClean(t *testing.T) {
	for _, lambda := range []bool{false, true} {
		b := oddStream(lambda)
		j := b.judge(t, b.simulate(b.rules, ""))
		if v := verdict(j); v.Status == results.Incorrect {
			t.Errorf("lambda %v: %v\n%+v", lambda, v.Reasons, j.Correctness)
		}
		t.Logf("%+v", j.Correctness)
	}
}
