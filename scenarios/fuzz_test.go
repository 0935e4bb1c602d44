package scenarios

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse looks for a panic, for an error that says nothing, and for an accepted scenario that does not read back.
func FuzzParse(f *testing.F) {
	for _, e := range Catalogue() {
		f.Add(e.Text, "time_scale=0.2")
	}
	f.Add("load: [{for: 5s, rate: 1e3}]", "events.skew=1e-7")
	f.Add("load: [{for: 5s, from: 0, to: 1e+6}]\nwarmup: 0", `description="a: \"b\" # c"`)
	f.Add("load: [{for: 5s, rate: 50%}]", "load.0.rate=100")
	f.Add("load: [{shape: spike, for: 9s, rate: 50%, peak: 0.10000000000000001%, hold: 1s}]", "load_scale=3")
	f.Add("load: [{for: 60s, rate: 5}]\nfaults: {random: {count: 6, between: [10s, 50s]}}", "faults.random.seed=7")
	f.Add("load: [{for: 60s, rate: 5}]\nfaults: [{at: 10s, kind: latency, target: stream, to: kafka, for: 1s, mean: 1ms}]", "faults.0.jitter=1ms")
	f.Add("load: [{for: 60s, rate: 5}]\nreprocess: [{at: 10s}]", "reprocess.0.rules.absolute_inr=30000")
	f.Add("load:\n- &a {for: 5s, rate: 1}\n- *a\n", "expect=[throughput >= 4000, alert.p99 < 1m30s]")
	f.Add("events: {missing: 0.25, source: csv, file: a b.csv}\nload: [{for: 1h, rate: 0.001}]", "seed=18446744073709551615")
	f.Add("- {<<: *x}\n? [a]\n: !!str |\n  b\n", "load=[")
	f.Fuzz(func(t *testing.T, text, set string) {
		s, err := Parse("fuzz.yaml", []byte(text), set)
		if err == nil {
			checkReadsBack(t, s)
			if resolved, err := s.Resolve(1000); err == nil {
				checkReadsBack(t, resolved)
			}
			return
		}
		var bad *Error
		if !errors.As(err, &bad) || len(bad.Problems) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		for _, p := range bad.Problems {
			if !strings.HasPrefix(p, "fuzz.yaml") && !strings.HasPrefix(p, "--set "+set) {
				t.Fatalf("a problem without its place: %s", p)
			}
		}
	})
}
