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

// drawStep draws a step of any shape, with rates of either kind.
func drawStep(t *rapid.T) Step {
	length := Duration(rapid.Int64Range(int64(time.Minute), int64(time.Hour)).Draw(t, "for"))
	rate := func(name string) Rate {
		if rapid.Bool().Draw(t, name+" is a share") {
			return Rate{Share: Share(rapid.Float64Range(1e-9, maxShare).Draw(t, name))}
		}
		return Rate{PerS: rapid.Float64Range(2, 100_000).Draw(t, name)}
	}
	switch shape := rapid.SampledFrom([]string{"", "ramp", "fall", ShapeSpike, ShapeStep, ShapeDiurnal, ShapePoisson}).Draw(t, "shape"); shape {
	case "":
		return Step{For: length, Rate: rate("rate")}
	case "ramp":
		return Step{For: length, From: rate("from"), To: rate("to")}
	case "fall":
		return Step{For: length, From: rate("from")}
	case ShapeSpike:
		return Step{Shape: shape, For: length, Rate: rate("rate"), Peak: rate("peak"), Rise: length / 4, Hold: length / 2, Fall: length / 4}
	case ShapeStep:
		return Step{Shape: shape, For: length, From: rate("from"), To: rate("to"), Steps: rapid.IntRange(2, 1000).Draw(t, "steps")}
	case ShapeDiurnal:
		return Step{Shape: shape, For: length, Rate: rate("rate"), Peak: rate("peak")}
	default:
		return Step{Shape: shape, For: length, Rate: rate("rate")}
	}
}

// drawFaults draws faults of any kind, one after the other.
func drawFaults(t *rapid.T, s *Scenario) []Fault {
	var list []Fault
	const most = 5
	slot := (s.Length() - s.Warmup) / (most + 1)
	for i := range rapid.IntRange(0, most).Draw(t, "faults") {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		f := Fault{At: max(1, s.Warmup) + Duration(i)*slot, Kind: k.name}
		sample := map[string]func(){
			"target":    func() { f.Target = map[targets]string{databaseOnly: "serving", brokerOnly: "broker"}[k.targets] },
			"for":       func() { f.For = slot / 2 },
			"times":     func() { f.Times = 3 },
			"every":     func() { f.Every = slot / 4 },
			"share":     func() { f.Share = Share(rapid.Float64Range(0.01, 1).Draw(t, "taken")) },
			"mib":       func() { f.MiB = 64 },
			"to":        func() { f.To = rapid.SampledFrom(farSides).Draw(t, "far side") },
			"direction": func() { f.Direction = rapid.SampledFrom(directions).Draw(t, "direction") },
			"mean":      func() { f.Mean = Duration(time.Second) },
			"jitter":    func() { f.Jitter = Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "jitter")) },
			"kib_per_s": func() { f.KiBPerS = 100 },
			"view":      func() { f.View = rapid.SampledFrom(views).Draw(t, "view") },
			"sessions":  func() { f.Sessions = 7 },
		}
		for _, name := range k.needs {
			sample[name]()
		}
		for _, name := range k.may {
			if rapid.Bool().Draw(t, name+" given") {
				sample[name]()
			}
		}
		if f.Target == "" && k.has("target") && (k.targets == anyTarget || k.targets == componentOnly) {
			f.Target = rapid.SampledFrom([]string{"stream", "random", "some-name-2"}).Draw(t, "target")
		}
		list = append(list, f)
	}
	return list
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
				Duplicates: share(t, "duplicates", 0.2), Malformed: share(t, "malformed", 0.1), Repeats: share(t, "repeats", 0.1), Oversized: share(t, "oversized", 0.1),
			},
			Warmup:  duration(t, "warmup", 0, time.Hour),
			Queries: Queries{rapid.Float64Range(0, 10_000).Draw(t, "queries")},
			Recovery: Recovery{
				duration(t, "hold", 0, time.Hour), duration(t, "before", time.Millisecond, time.Hour), rapid.Float64Range(1, 1000).Draw(t, "lag factor"), duration(t, "lag floor", 0, time.Hour),
				rapid.Float64Range(1, 1000).Draw(t, "latency factor"), duration(t, "latency floor", 0, time.Hour),
			},
			Lambda: Lambda{duration(t, "batch", time.Millisecond, time.Hour)},
			Native: Native{duration(t, "commit", 0, time.Minute)},
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
		if s.Events.Order == orderFile {
			s.Events.Repeats = 0
		}
		if rapid.Bool().Draw(t, "missing given") {
			missing := share(t, "missing", 1)
			s.Events.Missing = &missing
		}
		if rapid.Bool().Draw(t, "burst given") {
			every := duration(t, "burst every", time.Millisecond, time.Hour)
			s.Events.Burst = &Burst{Every: every, For: max(Duration(time.Millisecond), every/3), Share: share(t, "burst share", 1)}
		}
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			s.Load = append(s.Load, drawStep(t))
		}
		s.Faults = drawFaults(t, s)
		if rapid.Bool().Draw(t, "reprocess given") {
			again := Reprocess{At: max(1, s.Warmup), Grace: duration(t, "grace", 0, time.Hour)}
			if rapid.Bool().Draw(t, "rules given") {
				count, money := rapid.IntRange(1, 1000).Draw(t, "new count"), rupees(t, "new rupees")
				again.Rules = RuleChange{VelocityCount: &count, PremiumINR: &money}
			}
			s.Reprocess = []Reprocess{again}
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
