package scenarios

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// checkReadsBack writes a scenario and parses what was written.
func checkReadsBack(t *testing.T, s *Scenario) {
	t.Helper()
	text, err := s.Marshal()
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	back, err := Parse("scenario.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Fatalf("(-written +read)\n%s\n%s", diff, text)
	}
}

// TestTextsReadBack holds texts that YAML could take for something else.
func TestTextsReadBack(t *testing.T) {
	for _, text := range []string{"", "? A", "- a", "a: b", "a #b", "#", "true", "null", "~", "1e3", "0x10", "1s", "'a'", `"`, `\`, " a ", "[a]", "{", "&a", "*a", "!a", "|", "%", "@", "é🏦"} {
		s, err := Load("spike", "description="+strconv.Quote(text))
		if err != nil || s.Description != text {
			t.Fatalf("%q: %+v, %v", text, s, err)
		}
		checkReadsBack(t, s)
	}
}

// TestReadsBack draws scenarios from all that is valid: each is accepted, is the same after writing and reading, and its
// rules are valid for internal/bank.
func TestReadsBack(t *testing.T) {
	duration := func(t *rapid.T, name string, low, high time.Duration) Duration {
		return Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, name))
	}
	rupees := func(t *rapid.T, name string) float64 {
		return float64(rapid.Int64Range(0, 100*maxRupees).Draw(t, name)) / 100
	}
	share := func(t *rapid.T, name string, high float64) Share {
		return Share(rapid.Float64Range(0, high).Draw(t, name))
	}
	printable := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return isLine(string(r)) }))
	rapid.Check(t, func(t *rapid.T) {
		const micro = time.Microsecond
		s := &Scenario{
			Name: rapid.StringMatching(namePattern.String()).Draw(t, "name"), Description: printable.Draw(t, "description"),
			Seed: rapid.Uint64().Draw(t, "seed"), TimeScale: 1, LoadScale: 1, Partitions: rapid.IntRange(1, 64).Draw(t, "partitions"),
			Events: Events{
				Source: "csv", File: "f" + printable.Draw(t, "file"), Order: rapid.SampledFrom([]string{"file", "event_time"}).Draw(t, "order"),
				Speed: rapid.Float64Range(0.001, 1e6).Draw(t, "speed"), Customers: rapid.IntRange(1, 50_000_000).Draw(t, "customers"),
				Skew: rapid.Float64Range(0, 10).Draw(t, "skew"), HotKey: share(t, "hot", 1), Boundary: share(t, "boundary", 0.5),
				Disorder:   Disorder{share(t, "disorder", 0.5), duration(t, "max", 1, 8760*time.Hour)},
				Late:       Late{share(t, "late", 0.5), duration(t, "by", 1, 8760*time.Hour)},
				Duplicates: share(t, "duplicates", 0.25), Malformed: share(t, "malformed", 0.25),
			},
			Warmup:  duration(t, "warmup", 0, time.Hour),
			Queries: Queries{rapid.Float64Range(0, 10_000).Draw(t, "queries")},
			Lambda:  Lambda{duration(t, "batch", time.Millisecond, time.Hour)},
			Native:  Native{duration(t, "commit", 0, time.Minute)},
			Rules: Rules{
				RelativePercent: rapid.IntRange(0, 100_000).Draw(t, "percent"), AbsoluteINR: rupees(t, "absolute"), PremiumINR: rupees(t, "premium"),
				VelocityCount: rapid.IntRange(1, 1_000_000_000).Draw(t, "velocity"), FrequentCount: rapid.IntRange(0, 1_000_000_000).Draw(t, "frequent"),
				Window:       duration(t, "window", 1, 1000) * Duration(time.Second),
				Watermark:    duration(t, "watermark", 0, 24*time.Hour/micro) * Duration(micro),
				DedupHorizon: duration(t, "horizon", 0, 24*time.Hour/micro) * Duration(micro),
			},
			Drain:  duration(t, "drain", time.Second, time.Hour),
			Limits: Limits{duration(t, "delay", micro, time.Hour), duration(t, "lag", micro, time.Hour), share(t, "shortfall", 1), rapid.IntRange(1, 65_536).Draw(t, "mib")},
		}
		if rapid.Bool().Draw(t, "missing given") {
			missing := share(t, "missing", 1)
			s.Events.Missing = &missing
		}
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			step := Step{For: duration(t, "for", time.Second, time.Hour)}
			switch rapid.IntRange(0, 2).Draw(t, "shape") {
			case 0:
				step.Rate.PerS = rapid.Float64Range(1, 100_000).Draw(t, "rate")
			case 1:
				step.From.PerS, step.To.PerS = rapid.Float64Range(2, 100_000).Draw(t, "from"), rapid.Float64Range(0, 100_000).Draw(t, "to")
			case 2:
				step.From.PerS = rapid.Float64Range(2, 100_000).Draw(t, "from")
			}
			s.Load = append(s.Load, step)
		}
		for range rapid.IntRange(0, 3).Draw(t, "expectations") {
			m := rapid.SampledFrom(Metrics()).Draw(t, "metric")
			value := map[string]string{"ms": "1m30.5s", "count": "3", "seconds": "7", "per second": "1e3"}[m.Unit]
			e, err := parseExpect(m.Name + rapid.SampledFrom(operators).Draw(t, "op") + value)
			if err != nil {
				t.Fatal(err)
			}
			s.Expect = append(s.Expect, e)
		}

		text, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("scenario.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("(-written +read)\n%s\n%s", diff, text)
		}
		rules := bankRules(back.Rules)
		if err := rules.Validate(); err != nil {
			t.Fatal(err)
		}
		if float64(rules.AbsolutePaise)/100 != s.Rules.AbsoluteINR {
			t.Fatalf("%v rupees became %d paise", s.Rules.AbsoluteINR, rules.AbsolutePaise)
		}
	})
}
