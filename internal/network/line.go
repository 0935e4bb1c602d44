package network

import (
	"sync"
	"time"
)

// line is a delay line: bytes leave it in the order they came, none before its time. It knows no clock.
type line struct {
	pieces []piece
	bytes  int   // of all pieces
	end    error // what follows the last piece, if anything
	endDue time.Time
}

// piece is what was written or arrived at once, without what has left already.
type piece struct {
	data []byte
	due  time.Time
}

// push puts a copy of data at the end of the line.
func (l *line) push(data []byte, due time.Time) {
	if len(data) == 0 {
		return
	}
	l.pieces = append(l.pieces, piece{append([]byte(nil), data...), due})
	l.bytes += len(data)
}

// finish says what comes after the last piece. Only the first time counts.
func (l *line) finish(end error, due time.Time) {
	if l.end == nil {
		l.end, l.endDue = end, due
	}
}

// due is how many bytes may leave at once: those of the first piece. With none, end is what follows them if that is due; else
// they may not leave before until, which is zero for an empty line.
func (l *line) due(now time.Time) (n int, until time.Time, end error) {
	switch {
	case len(l.pieces) > 0 && !now.Before(l.pieces[0].due):
		return len(l.pieces[0].data), time.Time{}, nil
	case len(l.pieces) > 0:
		return 0, l.pieces[0].due, nil
	case l.end != nil && now.Before(l.endDue):
		return 0, l.endDue, nil
	}
	return 0, time.Time{}, l.end
}

// pop takes the first n bytes, at most those of the first piece, out of the line.
func (l *line) pop(n int) []byte {
	first := &l.pieces[0]
	data := first.data[:n]
	if first.data = first.data[n:]; len(first.data) == 0 {
		l.pieces = l.pieces[1:]
	}
	l.bytes -= n
	return data
}

// bucket limits how many bytes pass in a second.
type bucket struct {
	perS float64

	mu   sync.Mutex
	free time.Time // when all that has passed so far would have at this rate
}

// What passes at once is as much as fits slice, and a taker that comes late may make up for at most burst.
const (
	slice = 10 * time.Millisecond
	burst = 20 * time.Millisecond
)

// take lets up to most bytes pass. If it lets none, the taker must wait until the given time.
func (b *bucket) take(now time.Time, most int) (n int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.free) {
		return 0, b.free
	}
	if earliest := now.Add(-burst); b.free.Before(earliest) {
		b.free = earliest
	}
	n = min(most, max(1, int(b.perS*slice.Seconds())))
	b.free = b.free.Add(time.Duration(float64(n) / b.perS * float64(time.Second)))
	return n, time.Time{}
}
