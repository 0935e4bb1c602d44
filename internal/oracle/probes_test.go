package oracle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/internal/bank"
	"lkbench/loadgen"
	"lkbench/results"
)

// probeBed is a run of four events of one customer at 0, 1, 2 and 3 ms; the last is not acknowledged.
func probeBed() (*bed, *evidence) {
	b := &bed{rules: bank.DefaultRules()}
	for n, amount := range []string{"1.00", "2.00", "4.00", "8.00"} {
		b.add(0, "A", event(n, "A", amount, "null", "null", clock(time.Duration(n)*time.Minute)))
	}
	b.turns[3].status = loadgen.Indeterminate
	e := b.simulate(b.rules, "")
	e.probes = nil
	return b, e
}

func TestProbesKnown(t *testing.T) {
	profile := func(count int64, amount int64, average string) answer {
		last := start2016.Add(time.Duration(count-1) * time.Minute).UnixMicro()
		return answer{View: viewProfiles.name, Found: true, Transactions: count, AmountPaise: amount, AverageAmount: average, Segment: "standard", LastEventTime: last}
	}
	window := func(count, amount int64) answer {
		return answer{View: viewWindows.name, WindowStart: start2016.UnixMicro(), Found: true, Transactions: count, AmountPaise: amount}
	}
	// Event n is due at n ms, sent 0.1 ms and acknowledged 0.5 ms later.
	for _, c := range []struct {
		name           string
		answer         answer
		sent, answered int64 // µs
		want           string
		age            time.Duration
	}{
		{"nothing was acknowledged yet", answer{View: viewProfiles.name}, 450, 500, "right", 0},
		{"the first is missing", answer{View: viewProfiles.name}, 700, 800, "stale", 700 * time.Microsecond},
		{"all that was acknowledged is there", profile(1, 100, "1.00"), 1_499, 1_600, "right", 0},
		{"more than was acknowledged is there", profile(2, 300, "1.50"), 1_300, 1_400, "right", 0},
		{"one was sent only after the answer", profile(2, 300, "1.50"), 1_000, 1_099, "wrong", 0},
		{"the second and third are missing", profile(1, 100, "1.00"), 2_600, 2_700, "stale", 1_600 * time.Microsecond},
		{"the fourth is missing but was never acknowledged", profile(3, 700, "2.33"), 9_000, 9_100, "right", 0},
		{"the fourth is there", profile(4, 1500, "3.75"), 9_000, 9_100, "right", 0},
		{"the second was counted without the first", profile(1, 200, "2.00"), 9_000, 9_100, "wrong", 0},
		{"one was counted twice", profile(5, 1600, "3.20"), 9_000, 9_100, "wrong", 0},
		{"a window with all", window(4, 1500), 9_000, 9_100, "right", 0},
		{"a window that lacks two", window(2, 300), 9_000, 9_100, "stale", 7_000 * time.Microsecond},
		{"a window with a lost update", window(2, 500), 9_000, 9_100, "wrong", 0},
		{"no row of a window", answer{View: viewWindows.name, WindowStart: start2016.UnixMicro()}, 9_000, 9_100, "stale", 9_000 * time.Microsecond},
		{"no row of a window without events", answer{View: viewWindows.name, WindowStart: 0}, 9_000, 9_100, "right", 0},
		{"an error", answer{View: viewWindows.name, Error: "timeout"}, 9_000, 9_100, "failed", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, e := probeBed()
			a := c.answer
			a.Customer, a.IntendedUS, a.SentUS, a.AnsweredUS = "A", 200_000, c.sent, c.answered
			e.probes = []answer{a}
			j := b.judge(t, e)
			got := map[string]int64{
				"right": j.Correctness.RightAnswers, "stale": j.Correctness.StaleAnswers,
				"wrong": j.Correctness.WrongAnswers, "failed": j.Correctness.FailedQueries,
			}
			if got[c.want] != 1 {
				t.Fatalf("%v, want %s: %+v", got, c.want, j.Correctness.Differences)
			}
			if c.want == "right" || c.want == "stale" {
				// The histogram keeps three digits.
				if f := j.Freshness.Quantile(1); j.Freshness.Count() != 1 || f < c.age || f > c.age+c.age/500 {
					t.Errorf("freshness %v (%d samples), want %v", f, j.Freshness.Count(), c.age)
				}
			} else if j.Freshness.Count() != 0 {
				t.Error("freshness of an answer that has none")
			}
		})
	}
}

// TestWrongAnswerSeconds: three wrong answers in two different seconds, and none of them in freshness.
func TestWrongAnswerSeconds(t *testing.T) {
	b, e := probeBed()
	for _, at := range []int64{1_000_000, 1_999_999, 2_000_000} {
		e.probes = append(e.probes, answer{View: viewWindows.name, Customer: "A", Found: true, Transactions: 9, SentUS: at, AnsweredUS: at})
	}
	e.probes = append(e.probes, answer{View: viewWindows.name, Customer: "A", IntendedUS: 99_999, SentUS: 3_000_000, AnsweredUS: 3_000_000})
	j := b.judge(t, e)
	if c := j.Correctness; c.WrongAnswers != 3 || c.WrongAnswerSeconds != 2 || c.Answers != 4 || c.RightAnswers != 1 {
		t.Errorf("%+v", c)
	}
	if n := j.Freshness.Count(); n != 0 {
		t.Errorf("%d samples of freshness; the one good answer was asked during warm-up", n)
	}
}

// TestProbeAcrossACut: an answer may show a repetition that a later batch generation takes back, or not.
func TestProbeAcrossACut(t *testing.T) {
	b := &bed{rules: bank.DefaultRules()}
	b.add(0, "A", event(0, "A", "1.00", "null", "null", clock(0)))
	b.add(0, "A", event(1, "A", "2.00", "null", "null", clock(2*time.Hour)))
	b.again(0)
	b.add(0, "A", event(3, "A", "4.00", "null", "null", clock(2*time.Hour)))
	e := b.simulate(b.rules, "")
	e.cut = []int64{3}
	e.views, e.probes = [3][][]string{}, nil
	for _, amount := range []int64{100 + 200 + 100 + 400, 100 + 200 + 400, 200 + 100 + 400} {
		count := int64(4)
		if amount == 700 {
			count = 3
		}
		a := answer{View: viewProfiles.name, Customer: "A", Found: true, Transactions: count, AmountPaise: amount,
			AverageAmount: string(appendDecimal(nil, average(amount, count))), Segment: "standard",
			LastEventTime: start2016.Add(2 * time.Hour).UnixMicro(), SentUS: 9_000, AnsweredUS: 9_000}
		e.probes = append(e.probes, a)
	}
	// The third has four transactions, but not these.
	e.probes[2].Transactions = 4
	if c := b.judge(t, e).Correctness; c.RightAnswers != 2 || c.WrongAnswers != 1 {
		t.Errorf("%d right, %d wrong, want 2 and 1: %+v", c.RightAnswers, c.WrongAnswers, c.Differences)
	}
}

func TestDifferencesAreSpread(t *testing.T) {
	b := oddStream(false)
	e := b.simulate(b.rules, "")
	e.views[0], e.views[1] = nil, nil
	e.views[2] = append(e.views[2], e.views[2][0])
	first := b.judge(t, e).Correctness.Differences
	kinds := map[string]int{}
	for _, d := range first {
		kinds[d.View+" "+d.Kind]++
	}
	if len(first) != maxDifferences || kinds["anomalies missing"] == 0 || kinds["customer_windows missing"] == 0 || kinds["customer_profiles duplicate"] != 1 {
		t.Errorf("%d differences: %v", len(first), kinds)
	}
	if diff := cmp.Diff(first, b.judge(t, e).Correctness.Differences); diff != "" {
		t.Errorf("judged twice, the lists differ:\n%s", diff)
	}
	want := results.Difference{View: "customer_profiles", Kind: "duplicate", Key: e.views[2][0][0]}
	for _, d := range first {
		if d.Kind == "duplicate" && (d.Key != want.Key || !strings.Contains(d.Expected, "transactions=") || d.Observed != d.Expected) {
			t.Errorf("%+v", d)
		}
	}
}

// TestFreshnessSkipsTheUnacknowledged: of what an answer lacks, an event that was never acknowledged has no age.
func TestFreshnessSkipsTheUnacknowledged(t *testing.T) {
	b, _ := probeBed()
	b.turns[0].status = loadgen.Indeterminate
	e := b.simulate(b.rules, "")
	e.probes = []answer{{View: viewProfiles.name, Customer: "A", IntendedUS: 200_000, SentUS: 9_000, AnsweredUS: 9_100}}
	j := b.judge(t, e)
	if got := j.Freshness.Quantile(1).Round(10 * time.Microsecond); j.Correctness.StaleAnswers != 1 || got != 8*time.Millisecond {
		t.Errorf("freshness %v, want 8ms, the age of the second event: %+v", got, j.Correctness)
	}
}
