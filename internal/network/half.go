package network

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how much is on its way in one direction of a connection before the writing side must wait: as much as Linux's
// largest send buffer (net.ipv4.tcp_wmem).
const window = 4 << 20

// half is one direction of a connection. While its flow is good, reads and writes are those of the real connection. When it
// becomes bad, a goroutine (the pump) takes over the real connection in this direction: bytes go through the line, and
// deadlines are ours. When it has become good and the line is empty, the pump has ended and all is as before.
type half struct {
	conn        *conn
	flow        func() *flow // nil: good
	setDeadline func(time.Time) error

	mu       sync.Mutex
	direct   int // reads or writes of the real connection that are under way
	shaped   bool
	pump     bool // it runs, or waits for the end of what is direct
	pumping  bool // it has the real connection and its deadline
	line     line
	deadline time.Time     // of the user
	closed   error         // why the user's calls fail: it has closed the connection, or the network has reset it
	cut      bool          // reset: nothing is left to do
	changed  chan struct{} // closed when something above has changed; nil while nobody waits
}

// enter says whether the caller may use the real connection; then it must call leave.
func (h *half) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.shaped {
		h.direct++
	}
	return !h.shaped
}

// leave ends what enter allowed. If the flow became bad meanwhile, what was read goes the way of all that comes from now on:
// then passed is false.
func (h *half) leave(read []byte, err error) (passed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.direct--
	if !h.shaped {
		return true
	}
	h.push(read)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		h.finish(err)
	}
	h.wake()
	return false
}

// adapt is called when the flow may have changed. The pump it starts is told to end by a deadline of the real connection.
func (h *half) adapt(pump func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	bad := h.flow() != nil
	switch {
	case bad && !h.pump && h.closed == nil && h.line.end == nil:
		h.shaped, h.pump = true, true
		go pump()
	case !bad && h.pumping && h == &h.conn.in:
		_ = h.setDeadline(past)
	}
	h.wake()
}

// past is a deadline that interrupts.
var past = time.Unix(1, 0)

// start waits until the pump has the connection to itself. The pump holds the lock wherever it does not wait.
func (h *half) start() {
	h.mu.Lock()
	for h.direct > 0 {
		h.wait(time.Time{})
	}
	h.pumping = true
	_ = h.setDeadline(time.Time{})
}

// stop gives the connection back.
func (h *half) stop() {
	h.pump, h.pumping = false, false
	_ = h.setDeadline(h.deadline)
	h.settle()
	h.wake()
	h.mu.Unlock()
}

// settle makes an empty half direct.
func (h *half) settle() {
	if !h.pump && h.line.bytes == 0 && h.line.end == nil && h.flow() == nil {
		h.shaped = false
	}
}

func (h *half) push(data []byte) { h.line.push(data, h.due()) }

func (h *half) finish(end error) { h.line.finish(end, h.due()) }

func (h *half) due() time.Time { return time.Now().Add(h.flow().delay(rand.Float64())) }

// passing is line.due, further bounded by what the flow lets through now.
func (h *half) passing(most int) (n int, until time.Time, end error) {
	f := h.flow()
	if f.drops() {
		return 0, time.Time{}, nil
	}
	now := time.Now()
	n, until, end = h.line.due(now)
	if n = min(n, most); n > 0 && f != nil && f.bucket != nil {
		n, until = f.bucket.take(now, n)
	}
	return n, until, end
}

// wait releases the lock until something has changed or until has come; zero never comes.
func (h *half) wait(until time.Time) {
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	changed := h.changed
	h.mu.Unlock()
	defer h.mu.Lock()
	if until.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func (h *half) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// patience waits as a user's call does: until its deadline at most.
func (h *half) patience(until time.Time) {
	if !h.deadline.IsZero() && (until.IsZero() || h.deadline.Before(until)) {
		until = h.deadline
	}
	h.wait(until)
}

// refused says why a user's call must fail now.
func (h *half) refused() error {
	if h.closed != nil {
		return h.closed
	}
	if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (h *half) limit(deadline time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed != nil {
		return h.closed
	}
	h.deadline = deadline
	h.wake()
	if h.pumping {
		return nil
	}
	return h.setDeadline(deadline)
}

// shut fails all calls of the user from now on: net.ErrClosed or syscall.ECONNRESET. It returns what they failed with before,
// and whether a pump has something left to do, which after a reset is nothing.
func (h *half) shut(reason error) (before error, pump bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before = h.closed
	if before != net.ErrClosed {
		h.closed = reason
	}
	h.finish(reason)
	if reason == syscall.ECONNRESET {
		h.line, h.cut = line{end: reason}, true
	}
	h.wake()
	return before, h.pump && !h.cut
}
