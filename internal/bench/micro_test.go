package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const printed = `goos: linux
pkg: lkbench/internal/bank
cpu: Some Processor
BenchmarkDecode/usual_order-2   	 4949374	       200.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecode/encoding-json-2 	  551234	      2000 ns/op	     592 B/op	      13 allocs/op
PASS
ok  	lkbench/internal/bank	3.2s
pkg: lkbench/internal/oracle
BenchmarkJudge/400000-2 	       1	 900000000 ns/op	    444444 events/s	 100 B/op	 7 allocs/op
PASS
`

func TestBenchmarks(t *testing.T) {
	all := benchmarks{figures: map[string]map[string]series{}}
	for _, text := range []string{printed, strings.ReplaceAll(printed, "200.0 ns", "250.0 ns")} {
		if err := all.add(text); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]map[string]series{
		"bank.Decode/usual_order":   {"ns/op": {200, 250}, "B/op": {0, 0}, "allocs/op": {0, 0}},
		"bank.Decode/encoding-json": {"ns/op": {2000, 2000}, "B/op": {592, 592}, "allocs/op": {13, 13}},
		"oracle.Judge/400000":       {"ns/op": {9e8, 9e8}, "events/s": {444444, 444444}, "B/op": {100, 100}, "allocs/op": {7, 7}},
	}
	if diff := cmp.Diff(want, all.figures); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := all.write(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "takes 9.00 (8.00–10.0) times as long") {
		t.Error(b.String())
	}
}

func TestNoBenchmarksIsAnError(t *testing.T) {
	empty := benchmarks{figures: map[string]map[string]series{}}
	if err := empty.add("PASS\nok  \tlkbench/internal/bank\t0.1s\n"); err != nil {
		t.Fatal(err)
	}
	if err := empty.write(&strings.Builder{}); err == nil {
		t.Error("no benchmark ran, and that is no error")
	}
}
