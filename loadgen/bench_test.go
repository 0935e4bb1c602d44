package loadgen

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"lkbench/scenarios"
)

func BenchmarkSyntheticEvent(b *testing.B) {
	source, schedule := mustSynthetic(b, catalogued(b, "spike"))
	buf, n := make([]byte, 0, 1<<10), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		source.Event(n%schedule.Len(), buf)
		n++
	}
}

func BenchmarkCSVEvent(b *testing.B) {
	c := mustCSV(b, csvScenario(b, disordered(1000), ""))
	buf, n := make([]byte, 0, 1<<10), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		c.Event(n%100, buf)
		n++
	}
}

func BenchmarkScheduleIntended(b *testing.B) {
	schedule, n := mustSchedule(b, catalogued(b, "spike")), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		schedule.Intended(n % schedule.Len())
		n++
	}
}

func BenchmarkScheduleDue(b *testing.B) {
	schedule, t := mustSchedule(b, catalogued(b, "spike")), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		schedule.Due(t % schedule.End())
		t += 12_345_678
	}
}

// BenchmarkLedger is both marks of an event, and its part of writing the page.
func BenchmarkLedger(b *testing.B) {
	const events = 100_000_000
	w, err := NewLedgerWriter(filepath.Join(b.TempDir(), "ledger"), events)
	if err != nil {
		b.Fatal(err)
	}
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		w.Sent(n, time.Millisecond)
		w.Acked(n, 3, int64(n), time.Millisecond)
		n++
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// nullSender acknowledges at once.
type nullSender struct{ offset int64 }

func (s *nullSender) Send(_ uint64, _, _ []byte, done func(int32, int64, error)) {
	done(0, s.offset, nil)
	s.offset++
}

func (s *nullSender) Flush(context.Context) error { return nil }

// BenchmarkGenerator sends as fast as it can: a schedule on which everything is due at once, into nothing. The time is per event.
func BenchmarkGenerator(b *testing.B) {
	s := catalogued(b, "spike")
	// b.N events, ten nanoseconds apart.
	s.Warmup, s.Load = 0, []scenarios.Step{{For: scenarios.Duration(time.Duration(b.N) * 10), Rate: scenarios.Rate{PerS: 100e6}}}
	g, _ := newGenerator(b, s, &nullSender{}, NewClock(time.Now()), 256<<20)
	b.ReportAllocs()
	b.ResetTimer()
	if err := g.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	if sent := g.Progress().Acked; sent != int64(b.N) {
		b.Fatalf("%d events sent, not %d", sent, b.N)
	}
}
