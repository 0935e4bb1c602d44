package loadgen

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// writeLedger marks events as the entries say.
func writeLedger(t testing.TB, path string, capacity uint64, entries []Entry) {
	t.Helper()
	w, err := NewLedgerWriter(path, capacity)
	if err != nil {
		t.Fatal(err)
	}
	for n, e := range entries {
		w.Sent(uint64(n), e.Delay)
	}
	for n, e := range entries {
		if e.Status == Acknowledged {
			w.Acked(uint64(n), e.Partition, e.Offset, e.Ack)
		} else {
			w.Failed(uint64(n))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLedgerReadsBackWhatWasMarked(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		path := filepath.Join(dir, "ledger")
		defer os.Remove(path)
		micros := rapid.Int64Range(0, math.MaxUint32)
		entries := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Entry {
			e := Entry{Status: Indeterminate, Delay: time.Duration(micros.Draw(r, "delay")) * time.Microsecond}
			if rapid.Bool().Draw(r, "acked") {
				e.Status, e.Partition, e.Offset = Acknowledged, rapid.Int32Range(0, 255).Draw(r, "partition"), rapid.Int64Range(0, maxOffset).Draw(r, "offset")
				e.Ack = time.Duration(micros.Draw(r, "ack")) * time.Microsecond
			}
			return e
		}), 0, 50).Draw(r, "entries")
		writeLedger(t, path, uint64(len(entries))+5, entries)
		l, err := OpenLedger(path)
		if err != nil {
			r.Fatal(err)
		}
		defer l.Close()
		if l.Len() != uint64(len(entries)) {
			r.Fatalf("Len %d, want %d", l.Len(), len(entries))
		}
		for n, want := range entries {
			if got := l.Entry(uint64(n)); got != want {
				r.Fatalf("entry %d is %+v, want %+v", n, got, want)
			}
		}
		if got := l.Entry(l.Len()); got != (Entry{}) {
			r.Fatalf("beyond its end: %+v", got)
		}
	})
}

func TestLedgerSaturates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	writeLedger(t, path, 2, []Entry{
		{Status: Acknowledged, Delay: 2 * time.Hour, Ack: 3 * time.Hour},
		{Status: Acknowledged, Delay: -time.Second, Ack: -time.Second},
	})
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if e := l.Entry(0); e.Delay != math.MaxUint32*time.Microsecond || e.Ack != e.Delay {
		t.Errorf("%+v", e)
	}
	if e := l.Entry(1); e.Delay != 0 || e.Ack != 0 {
		t.Errorf("%+v", e)
	}
}

// Marks come from several goroutines at once, in an order unlike the sending.
func TestLedgerConcurrentMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	const events, workers = 5*pageEntries + 17, 4
	w, err := NewLedgerWriter(path, events)
	if err != nil {
		t.Fatal(err)
	}
	var queues [workers]chan uint64
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan uint64, 100)
		wg.Go(func() {
			for n := range queues[i] {
				if n%10 == 3 {
					w.Failed(n)
				} else {
					w.Acked(n, int32(n%7), int64(n/7), time.Duration(n)*time.Microsecond)
				}
			}
		})
	}
	for n := range uint64(events) {
		w.Sent(n, time.Duration(n)*time.Microsecond)
		if n >= 100 || n%10 != 5 { // these never get an outcome, so their page is the only one that is not used again
			queues[n%workers] <- n
		}
	}
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for n := range uint64(events) {
		want := Entry{Status: Indeterminate, Delay: time.Duration(n) * time.Microsecond}
		if n%10 != 3 && (n >= 100 || n%10 != 5) {
			want = Entry{Acknowledged, int32(n % 7), int64(n / 7), want.Delay, want.Delay}
		}
		if got := l.Entry(n); got != want {
			t.Fatalf("entry %d is %+v, want %+v", n, got, want)
		}
	}
}

// Memory is bounded by what is in flight, not by the length of the run.
func TestLedgerMemory(t *testing.T) {
	const events, inFlight = 100 * pageEntries, 1000
	w, err := NewLedgerWriter(filepath.Join(t.TempDir(), "ledger"), events)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(events) {
		w.Sent(n, 0)
		if n >= inFlight {
			w.Acked(n-inFlight, 0, int64(n), 0)
		}
		if n%inFlight > 0 {
			continue
		}
		held := 0
		for i := range w.pages {
			if w.pages[i].Load() != nil {
				held++
			}
		}
		if held > 2 {
			t.Fatalf("%d pages are held at event %d, with %d in flight", held, n, inFlight)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLedgerWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger")
	for _, c := range []struct {
		want      string
		partition int32
		offset    int64
	}{{"partition 256", 256, 0}, {"partition -1", -1, 0}, {"offset 281474976710656", 0, 1 << 48}, {"offset -1", 0, -1}} {
		os.Remove(path)
		w, err := NewLedgerWriter(path, 1)
		if err != nil {
			t.Fatal(err)
		}
		w.Sent(0, 0)
		w.Acked(0, c.partition, c.offset, 0)
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that contains %q and the path", err, c.want)
		}
	}
	if _, err := NewLedgerWriter(path, 1); err == nil {
		t.Error("an existing file was overwritten")
	}
	if _, err := NewLedgerWriter(filepath.Join(dir, "none", "ledger"), 1); err == nil {
		t.Error("a file in no folder")
	}
}

// damaged are ledgers that must be refused, made from a good one.
func damaged(good []byte) map[string][]byte {
	edit := func(change func([]byte)) []byte {
		b := append([]byte(nil), good...)
		change(b)
		return b
	}
	return map[string][]byte{
		"too few for a header":   good[:15],
		"0 bytes are too few":    {},
		"not a ledger":           edit(func(b []byte) { b[0] = 'x' }),
		"before it was closed":   edit(func(b []byte) { clear(b[:ledgerHeader]) }),
		"has version 2":          edit(func(b []byte) { b[4] = 2 }),
		"changed or cut off":     good[:len(good)-1],
		"counts 2 events":        good[:len(good)-ledgerEntry],
		"counts 3 events":        edit(func(b []byte) { b[8] = 3 }),
		"counts 1152921504":      edit(func(b []byte) { binary.LittleEndian.PutUint64(b[8:], 1<<60) }),
		"does not fit its 33":    append(edit(func([]byte) {}), 0)[:33],
		"the unknown status 3":   edit(func(b []byte) { b[ledgerHeader] = 3 }),
		"event 1 has the unknow": edit(func(b []byte) { b[ledgerHeader+ledgerEntry] = 255 }),
	}
}

func goodLedger(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	writeLedger(t, path, 2, []Entry{{Status: Acknowledged, Partition: 3, Offset: 77, Delay: 1000, Ack: 2000}, {Status: Indeterminate}})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return good
}

func TestLedgerDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	for want, content := range damaged(goodLedger(t)) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := OpenLedger(path); err == nil {
			l.Close()
			t.Errorf("opened, want an error that contains %q", want)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %q, want one that contains %q and the path", err, want)
		}
	}
	if _, err := OpenLedger(path + "-none"); err == nil {
		t.Error("opened a file that does not exist")
	}
}

func FuzzOpenLedger(f *testing.F) {
	good := goodLedger(f)
	f.Add(good)
	for _, b := range damaged(good) {
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "ledger")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLedger(path)
		if err != nil {
			return
		}
		defer l.Close()
		if want := ledgerHeader + int(l.Len())*ledgerEntry; len(content) != want {
			t.Errorf("%d events from %d bytes", l.Len(), len(content))
		}
		for n := range l.Len() {
			if e := l.Entry(n); e.Status > Acknowledged || e.Offset < 0 || e.Partition < 0 {
				t.Errorf("entry %d: %+v", n, e)
			}
		}
	})
}
