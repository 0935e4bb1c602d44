package loadgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The file is described in docs/internals.md, "Ledger".
const (
	ledgerMagic   = "lkbl"
	ledgerVersion = 1
	ledgerHeader  = 16
	ledgerEntry   = 16
	pageEntries   = 4096
	maxOffset     = 1<<48 - 1
)

// LedgerWriter writes down what became of every event. A page of events is written to its place in the file when the outcome
// of all of them is known, so memory is bounded by what is in flight. Different events may be marked at the same time;
// one event is marked Sent first and then, once, Acked or Failed.
type LedgerWriter struct {
	file  *os.File
	pages []atomic.Pointer[page]
	free  sync.Pool
	count atomic.Uint64 // events up to the last one sent

	mu  sync.Mutex
	err error // the first that occurred
}

type page struct {
	open  atomic.Int32 // events whose outcome is not known
	bytes [pageEntries * ledgerEntry]byte
}

// NewLedgerWriter creates the file for at most events events. It must not exist.
func NewLedgerWriter(path string, events uint64) (*LedgerWriter, error) {
	if events > MaxEvents {
		return nil, fmt.Errorf("ledger %s: %d events, more than the possible %d", path, events, uint64(MaxEvents))
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the ledger: %w", err)
	}
	w := &LedgerWriter{file: file, pages: make([]atomic.Pointer[page], (events+pageEntries-1)/pageEntries)}
	w.free.New = func() any { return new(page) }
	return w, nil
}

// Sent marks event n as handed to the producer, delay after its intended time. Only one goroutine may call Sent.
func (w *LedgerWriter) Sent(n uint64, delay time.Duration) {
	slot := &w.pages[n/pageEntries]
	p := slot.Load()
	if p == nil {
		p = w.free.Get().(*page)
		clear(p.bytes[:])
		p.open.Store(pageEntries)
		slot.Store(p)
	}
	e := p.entry(n)
	e[0] = byte(Indeterminate)
	binary.LittleEndian.PutUint32(e[4:], microseconds(delay))
	if n >= w.count.Load() {
		w.count.Store(n + 1)
	}
}

// Acked marks event n as acknowledged at an offset of a partition, ack after its actual send.
func (w *LedgerWriter) Acked(n uint64, partition int32, offset int64, ack time.Duration) {
	if partition < 0 || partition > math.MaxUint8 || offset < 0 || offset > maxOffset {
		w.fail(fmt.Errorf("event %d was acknowledged at partition %d, offset %d; a ledger holds partitions to %d and offsets to %d",
			n, partition, offset, math.MaxUint8, uint64(maxOffset)))
		w.Failed(n)
		return
	}
	p := w.pages[n/pageEntries].Load()
	e := p.entry(n)
	e[0], e[1] = byte(Acknowledged), byte(partition)
	binary.LittleEndian.PutUint16(e[2:], uint16(offset>>32))
	binary.LittleEndian.PutUint32(e[8:], microseconds(ack))
	binary.LittleEndian.PutUint32(e[12:], uint32(offset))
	w.settle(p, n)
}

// Failed marks the outcome of event n as unknown for good: it may be in the log or not.
func (w *LedgerWriter) Failed(n uint64) { w.settle(w.pages[n/pageEntries].Load(), n) }

// settle counts an outcome and writes the page after the last one.
func (w *LedgerWriter) settle(p *page, n uint64) {
	if p.open.Add(-1) > 0 {
		return
	}
	w.write(p, n/pageEntries, pageEntries)
	w.pages[n/pageEntries].Store(nil)
	w.free.Put(p)
}

func (w *LedgerWriter) write(p *page, number uint64, entries int) {
	if _, err := w.file.WriteAt(p.bytes[:entries*ledgerEntry], ledgerHeader+int64(number)*pageEntries*ledgerEntry); err != nil {
		w.fail(err)
	}
}

func (w *LedgerWriter) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// Close writes what is left, events without an outcome as indeterminate, and then the header, without which OpenLedger
// refuses the file. It returns the first error of any write. No mark may follow or still be under way.
func (w *LedgerWriter) Close() error {
	count := w.count.Load()
	for i := range w.pages {
		if p := w.pages[i].Load(); p != nil {
			w.write(p, uint64(i), int(min(pageEntries, count-uint64(i)*pageEntries)))
		}
	}
	header := make([]byte, 0, ledgerHeader)
	header = append(header, ledgerMagic...)
	header = binary.LittleEndian.AppendUint32(header, ledgerVersion)
	header = binary.LittleEndian.AppendUint64(header, count)
	if _, err := w.file.WriteAt(header, 0); err != nil {
		w.fail(err)
	}
	if err := errors.Join(w.err, w.file.Sync(), w.file.Close()); err != nil {
		return fmt.Errorf("write the ledger %s: %w", w.file.Name(), err)
	}
	return nil
}

func (p *page) entry(n uint64) []byte {
	i := n % pageEntries * ledgerEntry
	return p.bytes[i : i+ledgerEntry : i+ledgerEntry]
}

// microseconds saturates; below zero, which the clock rules out, it is zero.
func microseconds(d time.Duration) uint32 {
	return uint32(min(max(0, d/time.Microsecond), math.MaxUint32))
}
