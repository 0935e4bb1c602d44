package loadgen

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

// untidy is a stream of a minute with everything that can be wrong with events, whose horizon is ten seconds of it.
func untidy() *scenarios.Scenario {
	s := ordinary(60_000)
	s.Events.Customers, s.Events.Skew = 5000, 1
	s.Events.Disorder = scenarios.Disorder{Share: 0.3, Max: seconds(90)}
	s.Events.Late = scenarios.Late{Share: 0.1, By: seconds(600)}
	s.Events.Duplicates, s.Events.Malformed, s.Events.Boundary, s.Events.Repeats = 0.02, 0.02, 0.02, 0.05
	s.Rules.DedupHorizon = seconds(600)
	return s
}

// Followed as docs/workload.md says, with the greatest event time of each partition: every repetition comes beyond the horizon.
func TestRepeatsComeBeyondTheHorizon(t *testing.T) {
	s := untidy()
	source, schedule := mustSynthetic(t, s)
	const partitions = 8
	var newest [partitions]bank.Micros
	var repeats, late float64
	nearest, farthest := bank.Micros(math.MaxInt64), bank.Micros(0)
	// Ten minutes of horizon, ten of lateness, and the turns in which the partitions keep up.
	const from = 20_000 + settledTurns
	for n := range schedule.Len() {
		e := source.Event(n, nil)
		if e.Kind&Malformed != 0 {
			continue
		}
		var tx bank.Transaction
		if err := bank.Decode(e.Value, &tx); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		m := &newest[murmur2(e.Key)&0x7fffffff%partitions]
		*m = max(*m, tx.EventTime)
		if e.Kind&Repeated == 0 {
			continue
		}
		repeats++
		earlier := source.Event(e.Original, nil)
		if n < from || e.Original >= n || !bytes.Equal(earlier.Value, e.Value) || !bytes.Equal(earlier.Key, e.Key) || earlier.Kind != e.Kind&^Repeated || earlier.Original != e.Original {
			t.Fatalf("event %d is no repetition of event %d", n, e.Original)
		}
		age := *m - tx.EventTime
		if age <= bank.Micros(time.Duration(s.Rules.DedupHorizon)/time.Microsecond) {
			t.Fatalf("event %d repeats event %d, which is only %v old", n, e.Original, time.Duration(age)*time.Microsecond)
		}
		nearest, farthest = min(nearest, age), max(farthest, age)
		if e.Kind&Late != 0 {
			late++
		}
	}
	if want := 0.05 * float64(schedule.Len()-from); math.Abs(repeats/want-1) > 0.1 {
		t.Errorf("%v repetitions, want about %.0f", repeats, want)
	}
	if nearest > 22*60*1e6 || farthest < 55*60*1e6 || late == 0 {
		t.Errorf("repetitions are %v to %v old, %v of late events", time.Duration(nearest)*time.Microsecond, time.Duration(farthest)*time.Microsecond, late)
	}
	// A stream that is shorter than the horizon has none.
	s.Rules.DedupHorizon = seconds(3600)
	source, _ = mustSynthetic(t, s)
	for n := range schedule.Len() {
		if e := source.Event(n, nil); e.Kind&Repeated != 0 {
			t.Fatalf("event %d repeats event %d", n, e.Original)
		}
	}
}

// Oversized values are malformed for nothing but their size, and are all of the size that a broker takes.
func TestOversized(t *testing.T) {
	s := untidy()
	s.Events.Oversized = 0.01
	source, schedule := mustSynthetic(t, s)
	reasons, oversized := map[string]int{}, 0
	var buf []byte
	for n := range schedule.Len() / 10 {
		e := source.Event(n, buf[:0])
		buf = e.Key[:0]
		if (len(e.Value) > 1000) != (e.Kind&Oversized != 0) {
			t.Fatalf("event %d, kind %b, has %d bytes", n, e.Kind, len(e.Value))
		}
		if e.Kind&Oversized == 0 {
			continue
		}
		oversized++
		err := bank.Decode(e.Value, new(bank.Transaction))
		if err == nil || e.Kind&Malformed == 0 || e.Kind&(Duplicate|Repeated) != 0 || len(e.Value) != oversizedValue || !bytes.HasPrefix(e.Value, []byte("{")) || len(e.Key) < 8 {
			t.Fatalf("event %d, kind %b, of %d bytes: %v", n, e.Kind, len(e.Value), err)
		}
		reasons[err.(*bank.Malformed).Reason]++
	}
	if oversized < 30 || oversized > 90 {
		t.Errorf("%d oversized events", oversized)
	}
	for _, reason := range []string{"not JSON", "CustLocation is longer than 256 bytes", "TransactionAmountINR is out of range"} {
		if reasons[reason] < 5 {
			t.Errorf("malformed because %s: %d; all: %v", reason, reasons[reason], reasons)
		}
	}
}

// In a burst the share of events raises alerts; all others, and everything outside of bursts, is as without it.
func TestBurst(t *testing.T) {
	s := untidy()
	s.Events.Malformed, s.Events.Late.Share, s.Warmup = 0, 0, seconds(5)
	calm, _ := mustSynthetic(t, s)
	s.Events.Burst = &scenarios.Burst{Every: seconds(20), For: seconds(4), Share: 0.5}
	source, schedule := mustSynthetic(t, s)
	rules := bank.DefaultRules()
	raised := map[string]float64{}
	var inside, bursting float64
	for n := range schedule.Len() {
		e := source.Event(n, nil)
		at := schedule.Intended(n)
		burst := at >= 25*time.Second && at < 29*time.Second || at >= 45*time.Second && at < 49*time.Second
		if again := e.Kind&(Duplicate|Repeated) != 0; burst && !again {
			inside++
		} else if !again {
			if without := calm.Event(n, nil); e.Kind&Bursting != 0 || !bytes.Equal(e.Value, without.Value) {
				t.Fatalf("event %d, due at %v, kind %b, was %s: %s", n, at, e.Kind, without.Value, e.Value)
			}
		}
		if e.Kind&Bursting == 0 || e.Original != n {
			continue
		}
		bursting++
		var tx bank.Transaction
		if err := bank.Decode(e.Value, &tx); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		found := false
		for _, rule := range rules.Check(&tx) {
			raised[rule]++
			found = found || rule == bank.HighValueAbsolute || rule == bank.OverdraftAttempt
		}
		if !found || e.Kind&Boundary != 0 {
			t.Fatalf("event %d, kind %b, raises no alert: %s", n, e.Kind, e.Value)
		}
	}
	if share := bursting / inside; math.Abs(share/0.5-1) > 0.1 { // of those that are not at a limit
		t.Errorf("%.3f of the events in a burst raise alerts", share)
	}
	if raised[bank.HighValueAbsolute] < 0.4*bursting || raised[bank.OverdraftAttempt] < 0.4*bursting {
		t.Errorf("alerts of %v events: %v", bursting, raised)
	}
}

func TestUntidyRefuses(t *testing.T) {
	for want, change := range map[string]func(*scenarios.Scenario){
		"repeats and oversized add up to 1.1": func(s *scenarios.Scenario) { s.Events.Repeats, s.Events.Oversized = 0.5, 0.6 },
		"a share is -0.5":                     func(s *scenarios.Scenario) { s.Events.Repeats = -0.5 },
		"a share is NaN":                      func(s *scenarios.Scenario) { s.Events.Oversized = scenarios.Share(math.NaN()) },
		"lasts 3s every 2s":                   func(s *scenarios.Scenario) { s.Events.Burst = &scenarios.Burst{Every: seconds(2), For: seconds(3)} },
		"lasts 0s every 2s":                   func(s *scenarios.Scenario) { s.Events.Burst = &scenarios.Burst{Every: seconds(2)} },
		"burst.share is 2": func(s *scenarios.Scenario) {
			s.Events.Burst = &scenarios.Burst{Every: seconds(2), For: seconds(1), Share: 2}
		},
		"dedup_horizon is -1s": func(s *scenarios.Scenario) { s.Rules.DedupHorizon = seconds(-1) },
	} {
		s := ordinary(10)
		change(s)
		if _, err := NewSynthetic(s, mustSchedule(t, s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}

// As TestSyntheticGolden, of all that is wrong with events together.
func TestUntidyGolden(t *testing.T) {
	s := untidy()
	s.Events.Oversized, s.Events.Burst = 0.0005, &scenarios.Burst{Every: seconds(20), For: seconds(4), Share: 0.5}
	source, schedule := mustSynthetic(t, s)
	const golden = "23ad5841910d1f8813cb474a26402134285576b27abe50bee893c95bc7aa6dda"
	if got := hashEvents(source, schedule.Len()); got != golden {
		t.Errorf("the untidy stream hashes to %s, want %s", got, golden)
	}
}

// A file's rows are repeated and spoilt like synthetic events.
func TestCSVUntidy(t *testing.T) {
	s := csvScenario(t, disordered(1000), "")
	s.Load = []scenarios.Step{constant(1000, 20*time.Second)}
	s.Events.Repeats, s.Events.Oversized, s.Rules.DedupHorizon = 0.1, 0.001, seconds(300)
	c := mustCSV(t, s)
	repeats, oversized := 0, 0
	for n := range uint64(20_000) {
		e := c.Event(n, nil)
		if e.Kind&Oversized != 0 {
			oversized++
			if err := bank.Decode(e.Value, new(bank.Transaction)); err == nil || len(e.Value) != oversizedValue {
				t.Fatalf("event %d of %d bytes: %v", n, len(e.Value), err)
			}
		}
		if e.Kind&Repeated == 0 {
			continue
		}
		repeats++
		if earlier := c.Event(e.Original, nil); n-e.Original < 5000 || !bytes.Equal(e.Value, earlier.Value) {
			t.Fatalf("event %d is no repetition of event %d", n, e.Original)
		}
	}
	if repeats < 1200 || repeats > 1600 || oversized < 5 { // a tenth of those after the first six seconds
		t.Errorf("%d repetitions, %d oversized events", repeats, oversized)
	}
	for want, change := range map[string]func(*scenarios.Events){
		"events.burst":   func(e *scenarios.Events) { e.Burst = &scenarios.Burst{Every: seconds(2), For: seconds(1), Share: 0.1} },
		"events.repeats": func(e *scenarios.Events) { e.Order = orderFile },
	} {
		changed := *s
		change(&changed.Events)
		if _, err := OpenCSV(&changed, mustSchedule(t, &changed)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}
