package bench

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		values series
		want   string
	}{
		{series{5}, "5.00"},
		{series{3, 1, 2}, "2.00 (1.00–3.00)"},
		{series{4, 1, 2, 3}, "2.50 (1.00–4.00)"},
		{series{1, math.NaN(), 2}, "–"},
		{nil, "–"},
	} {
		if got := c.values.text(number); got != c.want {
			t.Errorf("%v: %q, want %q", c.values, got, c.want)
		}
	}
	// Pair by pair: the machine was twice as slow in the second repetition, and the ratio stays.
	if got := (series{80, 40}).over(series{100, 50}).text(percent); got != "80% (80%–80%)" {
		t.Errorf("ratio %q", got)
	}
}

func TestNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", 0.01234: "0.0123", 1: "1.00", 12.345: "12.3", 123.45: "123", 999.6: "1,000", 1234: "1,230",
		287_456: "287,000", 10_000_000: "10,000,000", -1234: "-1,230",
	} {
		if got := number(value); got != want {
			t.Errorf("%v: %q, want %q", value, got, want)
		}
	}
	if got := number(math.NaN()); got != "–" {
		t.Errorf("what was not measured is %q", got)
	}
	if got := change(1.034); got != "+3.4%" {
		t.Errorf("change %q", got)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := table(&b, []string{"what it is", "events/s"}, [][]string{{"bare", "1,230,000"}, {"ours", "–"}}); err != nil {
		t.Fatal(err)
	}
	want := `| what it is |  events/s |
|:-----------|----------:|
| bare       | 1,230,000 |
| ours       |         – |

`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
