package native

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lkbench/internal/bank"
)

// stream draws the events of one partition: disorder, events far too late, deliveries repeated near and far.
func stream(t *rapid.T) (bank.Rules, []Event) {
	rules := bank.DefaultRules()
	rules.Window = time.Duration(rapid.IntRange(1, 5).Draw(t, "window")) * time.Second
	rules.DedupHorizon = time.Duration(rapid.IntRange(0, 20).Draw(t, "horizon")) * time.Second / 2
	rules.Watermark = time.Second
	rules.VelocityCount = int64(rapid.IntRange(1, 3).Draw(t, "velocity"))
	var events []Event
	now := bank.Micros(rapid.IntRange(-20, 20).Draw(t, "begin")) * 1e6
	for n := range rapid.IntRange(1, 120).Draw(t, "events") {
		if n > 0 && rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
			e := events[rapid.IntRange(0, n-1).Draw(t, "of")]
			e.Offset = int64(n)
			events = append(events, e)
			continue
		}
		now += bank.Micros(rapid.IntRange(0, 800_000).Draw(t, "step"))
		e := Event{Offset: int64(n)}
		e.ID = fmt.Appendf(nil, "T%d", n)
		e.Customer = fmt.Appendf(nil, "C%d", rapid.IntRange(0, 3).Draw(t, "customer"))
		e.EventTime = now
		switch rapid.IntRange(0, 9).Draw(t, "order") {
		case 0, 1:
			e.EventTime -= bank.Micros(rapid.IntRange(0, 3_000_000).Draw(t, "disorder"))
		case 2:
			e.EventTime -= bank.Micros(rapid.IntRange(0, 30_000_000).Draw(t, "late"))
		}
		events = append(events, e)
	}
	return rules, events
}

// TestDetectorFollowsTheWorkload holds the detector against docs/workload.md, written out naively.
func TestDetectorFollowsTheWorkload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := stream(t)
		horizon, length := bank.Micros(rules.DedupHorizon.Microseconds()), bank.Micros(rules.Window.Microseconds())
		d := newDetector(rules, noTime)
		newest, remembered, counts := noTime, map[string]bank.Micros{}, map[string]int64{}
		late, duplicates := int64(0), int64(0)
		for _, e := range events {
			newest = max(newest, e.EventTime)
			at, known := remembered[string(e.ID)]
			got := d.see(&e)
			if known && at >= newest-horizon {
				duplicates++
				if got != duplicate {
					t.Fatalf("offset %d is a duplicate, got %v", e.Offset, got)
				}
				continue
			}
			remembered[string(e.ID)] = e.EventTime
			start := rules.WindowStart(e.EventTime)
			if start+length <= newest-bank.Micros(rules.Watermark.Microseconds()) {
				late++
			}
			w := fmt.Sprintf("%s %d", e.Customer, start)
			counts[w]++
			want := counted
			if start < newest-horizon {
				want = unsettled
			}
			if got != want || e.Window != start ||
				want == counted && e.Count != counts[w] || want == unsettled && e.Count != 0 {
				t.Fatalf("offset %d: %v, window %d, count %d; want %v, window %d, count %d",
					e.Offset, got, e.Window, e.Count, want, start, counts[w])
			}
		}
		if d.late != late || d.duplicates != duplicates || d.newest != newest {
			t.Fatalf("late %d, duplicates %d, newest %d; want %d, %d, %d", d.late, d.duplicates, d.newest, late, duplicates, newest)
		}
	})
}

// TestRebuild crashes at any offset: the state rebuilt from the rebuild offset must say about every later record what the
// state without a crash says, and hold the same that is live.
func TestRebuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, events := stream(t)
		whole := newDetector(rules, noTime)
		crash := rapid.IntRange(1, len(events)).Draw(t, "crash")
		rebuild := int64(0)
		for i := range crash {
			e := events[i]
			whole.see(&e)
			if i == crash-1 || rapid.IntRange(0, 9).Draw(t, "commit") == 0 {
				rebuild = whole.floor.offset(whole.newest-whole.horizon, int64(i+1))
			}
		}
		again := newDetector(rules, whole.newest)
		again.late, again.duplicates = whole.late, whole.duplicates
		for i := rebuild; i < int64(crash); i++ {
			e := events[i]
			again.rebuild(&e)
		}
		if a, b := live(whole), live(again); fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("live state %v, rebuilt %v", a, b)
		}
		for i := crash; i < len(events); i++ {
			a, b := events[i], events[i]
			va, vb := whole.see(&a), again.see(&b)
			if va != vb || a.Window != b.Window || a.Count != b.Count {
				t.Fatalf("offset %d: %v count %d; rebuilt: %v count %d", i, va, a.Count, vb, b.Count)
			}
		}
		if whole.late != again.late || whole.duplicates != again.duplicates || whole.newest != again.newest {
			t.Fatal("late, duplicates or newest differ")
		}
	})
}

// live gives what of a state can still matter. Customers and ids of the test are short, so keys do not depend on seeds.
func live(d *detector) map[string]int64 {
	cut, found := d.newest-d.horizon, map[string]int64{}
	for _, s := range d.ids.slots {
		if s.key != (key{}) && s.at >= cut {
			found[fmt.Sprint("id ", s.key)] = int64(s.at)
		}
	}
	for _, s := range d.counts.slots {
		if s.count > 0 && s.window >= cut {
			found[fmt.Sprint("window ", s.customer, s.window)] = s.count
		}
	}
	return found
}

// TestFloorAdvances: the offset to rebuild from follows the stream, by no more than a span behind the horizon.
func TestFloorAdvances(t *testing.T) {
	const horizon = 3_600_000_000
	f := newFloor(horizon)
	for n := range int64(100_000) {
		at := bank.Micros(n) * 1_000_000 // one event a second
		f.see(at, n)
		if n%100 != 0 {
			continue
		}
		got, exact := f.offset(at-horizon, n+1), max(n-3600, 0)
		if got > exact || got < exact-3600/64-1 {
			t.Fatalf("at %d the offset is %d, expected at most %d and little less", n, got, exact)
		}
		if len(f.first) > 66 {
			t.Fatalf("%d spans held", len(f.first))
		}
	}
	if got := f.offset(1<<60, 7); got != 7 || len(f.first) != 0 {
		t.Errorf("with all expired: offset %d, %d spans; want 7, 0", got, len(f.first))
	}
}
