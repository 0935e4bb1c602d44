package loadgen

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Status is what is known about the sending of an event.
type Status uint8

const (
	NotSent       Status = iota // the run ended before its turn
	Indeterminate               // sent, but never acknowledged: it may be in the log, even twice
	Acknowledged                // the broker has taken it
)

// Entry is what the ledger knows about an event. Partition, Offset and Ack mean something for acknowledged events only.
type Entry struct {
	Status    Status
	Partition int32
	Offset    int64
	Delay     time.Duration // from the intended to the actual send; in microseconds, at most 2^32−1 of them
	Ack       time.Duration // from the actual send to the acknowledgement; likewise
}

// Ledger is a ledger opened for reading. It is mapped into memory, not read, and may be used from several goroutines.
type Ledger struct {
	mapped []byte
	count  uint64
}

// OpenLedger opens a ledger that a LedgerWriter has closed. A file that is not one, or is damaged, is an error.
func OpenLedger(path string) (*Ledger, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	defer file.Close()
	l, err := mapLedger(file)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	return l, nil
}

func mapLedger(file *os.File) (*Ledger, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	var header [ledgerHeader]byte
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, ledgerHeader), header[:]); err != nil {
		return nil, fmt.Errorf("its %d bytes are too few for a header; the file was cut off", size)
	}
	if magic := header[:4]; string(magic) != ledgerMagic {
		return nil, fmt.Errorf("it begins with %q instead of %q: not a ledger, or the run ended before it was closed", magic, ledgerMagic)
	}
	if v := binary.LittleEndian.Uint32(header[4:]); v != ledgerVersion {
		return nil, fmt.Errorf("it has version %d; this program reads version %d", v, ledgerVersion)
	}
	count := binary.LittleEndian.Uint64(header[8:])
	if count > MaxEvents || size != ledgerHeader+int64(count)*ledgerEntry {
		return nil, fmt.Errorf("its header counts %d events, which does not fit its %d bytes: the file was changed or cut off", count, size)
	}
	mapped, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map it into memory: %w", err)
	}
	l := &Ledger{mapped: mapped, count: count}
	for n := range count {
		if s := mapped[ledgerHeader+n*ledgerEntry]; s > byte(Acknowledged) {
			l.Close()
			return nil, fmt.Errorf("event %d has the unknown status %d: the file was changed", n, s)
		}
	}
	return l, nil
}

// Len is the number of events up to the last one that was sent.
func (l *Ledger) Len() uint64 { return l.count }

// Entry is what became of event n. From Len on, nothing was sent.
func (l *Ledger) Entry(n uint64) Entry {
	if n >= l.count {
		return Entry{}
	}
	at := ledgerHeader + n*ledgerEntry
	e := l.mapped[at : at+ledgerEntry : at+ledgerEntry]
	return Entry{
		Status: Status(e[0]), Partition: int32(e[1]),
		Offset: int64(binary.LittleEndian.Uint16(e[2:]))<<32 | int64(binary.LittleEndian.Uint32(e[12:])),
		Delay:  time.Duration(binary.LittleEndian.Uint32(e[4:])) * time.Microsecond,
		Ack:    time.Duration(binary.LittleEndian.Uint32(e[8:])) * time.Microsecond,
	}
}

// Close releases the mapping; the ledger must not be used afterwards.
func (l *Ledger) Close() error { return syscall.Munmap(l.mapped) }
