package loadgen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

func catalogued(t testing.TB, name string, sets ...string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Load(name, sets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hashEvents is the SHA-256 over keys and values of the first events, each ended by a zero byte.
func hashEvents(source Source, events uint64) string {
	hash := sha256.New()
	buf := make([]byte, 0, 1<<10)
	for n := range events {
		e := source.Event(n, buf)
		hash.Write(e.Key)
		hash.Write([]byte{0})
		hash.Write(e.Value)
		hash.Write([]byte{0})
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Equal on every run, every machine, for every architecture. A change of this hash makes all earlier runs of a scenario
// incomparable with later ones: change it on purpose only, and say so in the changelog.
func TestSyntheticGolden(t *testing.T) {
	source, _ := mustSynthetic(t, catalogued(t, "spike", "seed=42"))
	const golden = "f0019d7d2132714f513c7dcf331117266ce5159060ea478af01cc62fba3db53b"
	if got := hashEvents(source, 100_000); got != golden {
		t.Errorf("the first 100,000 events of spike with seed 42 hash to %s, want %s", got, golden)
	}
	other, _ := mustSynthetic(t, catalogued(t, "spike", "seed=43"))
	if hashEvents(other, 1000) == hashEvents(source, 1000) {
		t.Error("another seed gives the same events")
	}
}

func TestSyntheticInAnyOrderFromAnyGoroutine(t *testing.T) {
	source, schedule := mustSynthetic(t, catalogued(t, "odd"))
	const events = 4000
	forwards := make([]Event, events)
	for n := range forwards {
		forwards[n] = source.Event(uint64(n), nil)
	}
	if schedule.Len() < events {
		t.Fatal("too short")
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			buf := make([]byte, 0, 1<<10)
			for n := events - 1 - worker; n >= 0; n-- {
				e := source.Event(uint64(n), append(buf, "before"...))
				if want := forwards[n]; !bytes.Equal(e.Key, want.Key) || !bytes.Equal(e.Value, want.Value) || e.Kind != want.Kind || e.Original != want.Original {
					t.Errorf("event %d was %q, now %q", n, want.Value, e.Value)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The oddities of the scenario come as often as it says, and are what they are called.
func TestSyntheticOddities(t *testing.T) {
	s := catalogued(t, "odd", "load.0.for=100s")
	source, schedule := mustSynthetic(t, s)
	rules := bank.DefaultRules()
	kinds := map[Kind]float64{}
	reasons := map[string]int{}
	sides := map[string]int{}
	customers := map[string]float64{}
	var hottest float64
	var buf []byte
	for n := range schedule.Len() {
		e := source.Event(n, buf[:0])
		buf = e.Key[:0]
		for k := Duplicate; k <= Boundary; k <<= 1 {
			if e.Kind&k != 0 {
				kinds[k]++
			}
		}
		customers[string(e.Key)]++
		hottest = max(hottest, customers[string(e.Key)])

		var tx bank.Transaction
		err := bank.Decode(e.Value, &tx)
		if (err != nil) != (e.Kind&Malformed != 0) {
			t.Fatalf("event %d, kind %b: %v: %q", n, e.Kind, err, e.Value)
		}
		if e.Kind&Malformed != 0 && e.Kind&Duplicate != 0 {
			t.Fatalf("event %d repeats a malformed one", n)
		}
		if err != nil {
			reasons[err.(*bank.Malformed).Reason]++
			continue
		}
		id, ok := ParseID(tx.ID)
		if !ok || id != e.Original || !bytes.Equal(tx.Customer, e.Key) {
			t.Fatalf("event %d: original %d, key %s: %s", n, e.Original, e.Key, e.Value)
		}
		if e.Kind&Duplicate != 0 {
			earlier := source.Event(e.Original, nil)
			if e.Original >= n || n-e.Original > farthestDuplicate+100 || !bytes.Equal(earlier.Value, e.Value) || !bytes.Equal(earlier.Key, e.Key) || earlier.Kind != e.Kind&^Duplicate {
				t.Fatalf("event %d is no repetition of event %d", n, e.Original)
			}
		} else if e.Original != n {
			t.Fatalf("event %d has the original %d", n, e.Original)
		}
		due := baseTime + bank.Micros(float64(schedule.Intended(e.Original))*s.Events.Speed/1000)
		switch behind := time.Duration(due-tx.EventTime) * time.Microsecond; {
		case e.Kind&Boundary != 0:
			note(sides, &tx, rules, e.Value)
		case e.Kind&Late != 0 && behind != time.Duration(s.Events.Late.By),
			e.Kind&Disordered != 0 && (behind < 0 || behind > time.Duration(s.Events.Disorder.Max)),
			e.Kind&(Late|Disordered) == 0 && behind != 0:
			t.Fatalf("event %d, kind %b, is %v behind its turn", n, e.Kind, behind)
		}
	}
	all := float64(schedule.Len())
	for k, want := range map[Kind]float64{
		Malformed: 0.02, Duplicate: 0.03, Late: 0.05, Disordered: 0.2, Boundary: 0.05,
		Missing: 1 - 0.9*0.9, // of balance or location; a little less where a boundary event has put a balance in
	} {
		if got := kinds[k] / all; math.Abs(got/want-1) > 0.1 {
			t.Errorf("share of kind %b is %.4f, want %v", k, got, want)
		}
	}
	if got := hottest / all; got < 0.2 || got > 0.35 { // a fifth, and its part of the Zipf law
		t.Errorf("the hot key has a share of %.3f", got)
	}
	for _, reason := range []string{
		"not JSON", "not UTF-8", "missing EventTime", "missing TransactionAmountINR", "CustomerID is empty", "TransactionAmountINR is not a number",
		"CustAccountBalance is not a number", "EventTime is not an RFC 3339 time",
	} {
		if reasons[reason] < 100 {
			t.Errorf("malformed because %s: %d; all reasons: %v", reason, reasons[reason], reasons)
		}
	}
	for _, side := range []string{
		"relative on", "relative above", "relative below", "overdraft on", "overdraft above", "overdraft below",
		"absolute on", "absolute above", "absolute below", "absolute negative on", "absolute negative above", "absolute negative below",
		"rounded to the limit", "rounded beyond the limit", "empty account", "window start", "window end",
	} {
		if sides[side] < 100 {
			t.Errorf("boundary events %q: %d; all: %v", side, sides[side], sides)
		}
	}
}

// note counts on which side of which threshold an event lies.
func note(sides map[string]int, tx *bank.Transaction, rules bank.Rules, value []byte) {
	on := func(name string, beyond bank.Paise) {
		if beyond >= -1 && beyond <= 1 {
			sides[name+" "+[]string{"below", "on", "above"}[beyond+1]]++
		}
	}
	if tx.HasBalance && tx.Balance > 0 {
		if tx.Balance%2 == 0 {
			on("relative", tx.Amount-tx.Balance/2)
		}
		on("overdraft", tx.Amount-tx.Balance)
	}
	on("absolute", tx.Amount-rules.AbsolutePaise)
	on("absolute negative", tx.Amount+rules.AbsolutePaise)
	if bytes.Contains(value, []byte("49999.995,")) && (tx.Amount == rules.AbsolutePaise || tx.Amount == -rules.AbsolutePaise) {
		sides["rounded to the limit"]++
	}
	if bytes.Contains(value, []byte("50000.005,")) && (tx.Amount == rules.AbsolutePaise+1 || tx.Amount == -rules.AbsolutePaise-1) {
		sides["rounded beyond the limit"]++
	}
	if tx.HasBalance && tx.Balance == 0 {
		sides["empty account"]++
	}
	if tx.EventTime == rules.WindowStart(tx.EventTime) {
		sides["window start"]++
	}
	if tx.EventTime+1 == rules.WindowStart(tx.EventTime+1) {
		sides["window end"]++
	}
}

// Customers are drawn by Zipf's law: number of rank r comes in proportion to r^-skew; without skew, all alike.
func TestSyntheticSkew(t *testing.T) {
	for skew, want := range map[string]float64{"0": 1.0 / 1000, "1": 1 / 7.48547} { // the 1000th harmonic number
		s := catalogued(t, "steady", "events.skew="+skew, "events.customers=1000", "events.hot_key=0")
		source, _ := mustSynthetic(t, s)
		const events = 100_000
		counts := map[string]int{}
		most := 0
		for n := range uint64(events) {
			key := string(source.Event(n, nil).Key)
			counts[key]++
			most = max(most, counts[key])
		}
		if skew == "0" {
			most = counts[string(source.Event(0, nil).Key)]
		}
		if sigma := math.Sqrt(events * want); math.Abs(float64(most)-events*want) > 5*sigma {
			t.Errorf("skew %s: %d events of one customer, want about %.0f", skew, most, events*want)
		}
		if len(counts) > 1000 || len(counts) < 700 {
			t.Errorf("skew %s: %d customers", skew, len(counts))
		}
	}
}

// Popular customers together are as rich as all: with the skew of the catalogue, the rules must not fire much more or less often.
func TestSyntheticSkewKeepsRuleShares(t *testing.T) {
	source, _ := mustSynthetic(t, catalogued(t, "spike", "events.malformed=0", "events.duplicates=0", "events.boundary=0"))
	relative, events := 0.0, uint64(200_000)
	for n := range events {
		var tx bank.Transaction
		if err := bank.Decode(source.Event(n, nil).Value, &tx); err != nil {
			t.Fatal(err)
		}
		if tx.HasBalance && 2*tx.Amount > tx.Balance {
			relative++
		}
	}
	if share := relative / float64(events); math.Abs(share/0.113-1) > 0.25 {
		t.Errorf("high_value_relative fires for %.4f of the events", share)
	}
}

func TestSyntheticCustomerIDsAreDistinct(t *testing.T) {
	s, _ := mustSynthetic(t, ordinary(10))
	for _, c := range []struct{ base, modulus, step uint64 }{{1_000_000, 9_000_000, s.idStep}, {10_000_000, 90_000_000, s.idStep}} {
		// A step coprime to the modulus visits every number once.
		if a, b := c.modulus, c.step; func() uint64 {
			for b > 0 {
				a, b = b, a%b
			}
			return a
		}() != 1 {
			t.Errorf("step %d and modulus %d have a common divisor", c.step, c.modulus)
		}
	}
}

func TestPlacesAreDistinct(t *testing.T) {
	_, names := newPlaces()
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			t.Errorf("location %s twice", name)
		}
		seen[name] = true
	}
	if len(names) != 9355 {
		t.Errorf("%d locations, the profile has 9355", len(names))
	}
}

func TestSyntheticDoesNotAllocate(t *testing.T) {
	source, schedule := mustSynthetic(t, catalogued(t, "spike"))
	buf, n := make([]byte, 0, 1<<10), uint64(0)
	if allocs := testing.AllocsPerRun(100_000, func() {
		source.Event(n%schedule.Len(), buf)
		n++
	}); allocs > 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}

func TestSyntheticRefuses(t *testing.T) {
	for want, change := range map[string]func(*scenarios.Scenario){
		"events.customers is 0": func(s *scenarios.Scenario) { s.Events.Customers = 0 },
		"events.skew is -1":     func(s *scenarios.Scenario) { s.Events.Skew = -1 },
		"events.skew is NaN":    func(s *scenarios.Scenario) { s.Events.Skew = math.NaN() },
		"hot_key or missing":    func(s *scenarios.Scenario) { s.Events.HotKey = 2 },
		"events.speed is 0":     func(s *scenarios.Scenario) { s.Events.Speed = 0 },
		"a share is 1.5":        func(s *scenarios.Scenario) { s.Events.Duplicates = 1.5 },
		"add up to 1.2":         func(s *scenarios.Scenario) { s.Events.Duplicates, s.Events.Malformed = 0.6, 0.6 },
		"late and disorder":     func(s *scenarios.Scenario) { s.Events.Late.Share, s.Events.Disorder.Share = 0.6, 0.6 },
		"late.by is -1":         func(s *scenarios.Scenario) { s.Events.Late.By = -1 },
		"a window above 0":      func(s *scenarios.Scenario) { s.Rules.Window = 0 },
	} {
		s := ordinary(10)
		change(s)
		if _, err := NewSynthetic(s, mustSchedule(t, s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}
