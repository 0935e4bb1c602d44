package scenarios

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRandomFaults: whatever the seed, the count, the time and the kinds, the faults that are drawn are valid as if somebody
// had written them; so they are again after scaling.
func TestRandomFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.IntRange(1, 60).Draw(t, "seconds")
		kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(drawable()), 0, len(drawable()), rapid.ID).Draw(t, "kinds")
		count, seed := rapid.IntRange(1, seconds).Draw(t, "count"), rapid.Uint64().Draw(t, "seed")
		end := 5*time.Second + time.Duration(seconds)*time.Second + time.Duration(rapid.IntRange(0, 999_999_999).Draw(t, "more"))
		text := fmt.Sprintf("load: [{for: 70s, rate: 100}]\nfaults: {random: {count: %d, between: [5s, %v], kinds: %s}}", count, end, list(kinds))
		sets := []string{fmt.Sprint("seed=", seed)}
		if scale := rapid.SampledFrom([]string{"1", "0.1", "0.37", "3"}).Draw(t, "scale"); scale != "1" {
			sets = append(sets, "time_scale="+scale)
		}
		s, err := Parse("x.yaml", []byte(text), sets...)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Faults) != count || !slices.IsSortedFunc(s.Faults, func(a, b Fault) int { return int(a.At - b.At) }) {
			t.Fatalf("%d faults, not %d in order: %v", len(s.Faults), count, s.Faults)
		}
		written, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("x.yaml", written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatal(diff)
		}
		if len(sets) == 1 {
			for _, f := range s.Faults {
				if f.At < Duration(5*time.Second) || f.End() > Duration(end) || f.End()-f.At > Duration(longestDrawn) {
					t.Fatalf("%s is not within 5s and %v, or too long", f.text(), end)
				}
				if len(kinds) > 0 && !slices.Contains(kinds, f.Kind) {
					t.Fatalf("%s was not asked for", f.Kind)
				}
			}
		}
	})
}

func list(items []string) string {
	text := "["
	for i, item := range items {
		if i > 0 {
			text += ", "
		}
		text += item
	}
	return text + "]"
}

// TestRandomFaultsBySeed: the same seed gives the same faults, scaled with the scenario; another seed others. A seed of their own
// goes before that of the scenario.
func TestRandomFaultsBySeed(t *testing.T) {
	load := func(sets ...string) *Scenario {
		s, err := Load("chaos", sets...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := load("seed=7")
	if diff := cmp.Diff(one, load("seed=7")); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(one.Faults, load("seed=8").Faults) {
		t.Error("seeds 7 and 8 give the same faults")
	}
	if own := load("seed=8", "faults.random.seed=7"); !cmp.Equal(one.Faults, own.Faults) {
		t.Error("the faults' own seed does not count")
	}
	halved := load("seed=7", "time_scale=0.5")
	for i, f := range halved.Faults {
		want := one.Faults[i]
		want.At, want.For, want.Every = want.At/2, want.For/2, want.Every/2
		if diff := cmp.Diff(want, f, cmp.Comparer(func(a, b Duration) bool { return a-b <= 1 && b-a <= 1 })); diff != "" {
			t.Errorf("faults[%d] (-want +got)\n%s", i, diff)
		}
	}
}

// TestRandomFaultsReachEverything: over some seeds each usual kind comes, on every kind of target, and some faults overlap.
func TestRandomFaultsReachEverything(t *testing.T) {
	seen, overlaps := map[string]bool{}, 0
	for seed := range 200 {
		s, err := Load("chaos", fmt.Sprint("seed=", seed))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.Faults {
			seen[f.Kind], seen[f.Kind+" "+f.Target+f.To] = true, true
			if i > 0 && f.At < s.Faults[i-1].End() {
				overlaps++
			}
		}
	}
	for _, want := range append(slices.Clone(usualKinds), "crash broker", "crash database", "pause broker", "pause database", "crash random", "drop randomkafka", "reset randompostgres") {
		if !seen[want] {
			t.Errorf("no %s in 200 seeds", want)
		}
	}
	if overlaps < 100 {
		t.Errorf("%d overlaps in 200 seeds", overlaps)
	}
}

func TestClashes(t *testing.T) {
	const second = Duration(time.Second)
	fault := func(kind, target, to string) Fault {
		return Fault{At: 10 * second, For: 2 * second, Kind: kind, Target: target, To: to}
	}
	for _, c := range []struct {
		a, b Fault
		want bool
	}{
		{fault("crash", "stream", ""), fault("pause", "stream", ""), true},
		{fault("crash", "stream", ""), fault("pause", "speed", ""), true},
		{fault("crash", "speed", ""), fault("pause", "ingest", ""), false},
		{fault("crash", "batch", ""), fault("pause", "stream", ""), false},
		{fault("crash", "all", ""), fault("pause", "batch", ""), true},
		{fault("crash", "random", ""), fault("cpu", "stream", ""), true},
		{fault("crash", "stream", ""), fault("cpu", "replayer", ""), true},
		{fault("crash", "replayer", ""), fault("cpu", "writer", ""), false},
		{fault("crash", "all", ""), fault("crash", "broker", ""), false},
		{fault("crash", "random", ""), fault("crash", "database", ""), false},
		{fault("crash", "serving", ""), fault("pause", "database", ""), true},
		{fault("crash", "broker", ""), fault("pause", "broker-2", ""), true},
		{fault("crash", "broker-1", ""), fault("pause", "broker-2", ""), false},
		{fault("crash", "broker", ""), fault("pause", "database", ""), false},
		{fault("drop", "stream", "kafka"), fault("latency", "stream", "kafka"), true},
		{fault("drop", "stream", "kafka"), fault("latency", "stream", "postgres"), false},
		{fault("drop", "speed", "kafka"), fault("latency", "ingest", "kafka"), false},
		{fault("drop", "stream", "kafka"), fault("pause", "stream", ""), true},
		{fault("drop", "stream", "kafka"), fault("zombie", "all", ""), true},
		{fault("drop", "stream", "kafka"), fault("crash", "stream", ""), false},
		{fault("drop", "stream", "kafka"), fault("pause", "database", ""), false},
		{fault("drop", "stream", "kafka"), fault("topic-full", "", ""), true},
		{fault("disk-full", "", ""), fault("crash", "database", ""), true},
		{fault("lock", "", ""), fault("connections", "", ""), true},
		{fault("lock", "", ""), fault("pause", "serving", ""), true},
		{fault("lock", "", ""), fault("crash", "stream", ""), false},
		{fault("leader-move", "", ""), fault("crash", "broker", ""), true},
		{fault("topic-full", "", ""), fault("crash", "stream", ""), true},
		{fault("topic-full", "", ""), fault("crash", "broker", ""), true},
		{fault("topic-full", "", ""), fault("lock", "", ""), false},
	} {
		if c.a.clashes(c.b) != c.want || c.b.clashes(c.a) != c.want {
			t.Errorf("%s and %s clash: %v and %v, want %v", c.a.text(), c.b.text(), c.a.clashes(c.b), c.b.clashes(c.a), c.want)
		}
		after := c.b
		after.At = c.a.End() + 1
		if c.a.clashes(after) || after.clashes(c.a) {
			t.Errorf("%s clashes with %s after it", c.a.text(), after.text())
		}
	}
}

// TestRandomFaultsWhereItIsCrowded: between others that leave 400 ms each, a fault of 600 ms becomes short and finds a place.
func TestRandomFaultsWhereItIsCrowded(t *testing.T) {
	const second, ms = Duration(time.Second), Duration(time.Millisecond)
	r := Random{Between: [2]Duration{10 * second, 20 * second}}
	var others []Fault
	for i := range Duration(10) {
		others = append(others, Fault{Kind: "pause", Target: "all", At: 10*second + i*second, For: 600 * ms})
	}
	for _, f := range []Fault{{Kind: "zombie", Target: "random", For: 600 * ms}, {Kind: "restart-loop", Target: "random", Times: 3, Every: 200 * ms}} {
		got := r.place(rand.New(rand.NewPCG(1, 2)), f, others)
		if slices.ContainsFunc(others, got.clashes) || got.At < r.Between[0] || got.End() > r.Between[1] || got.End()-got.At != 300*ms {
			t.Errorf("%s found no place", got.text())
		}
	}
}

// TestSetsOfRandomFaults: a list on the command line replaces what was to be drawn.
func TestSetsOfRandomFaults(t *testing.T) {
	s, err := Load("chaos", "faults=[]")
	if err != nil || len(s.Faults) != 0 {
		t.Errorf("%v, %v", s, err)
	}
	s, err = Load("crash-stream", "faults={random: {count: 1, between: [20s, 30s], kinds: [drop]}}")
	if err != nil || len(s.Faults) != 1 || s.Faults[0].Kind != "drop" {
		t.Errorf("%v, %v", s, err)
	}
}
