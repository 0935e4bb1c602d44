package network

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is a connection over a side's network.
type conn struct {
	net.Conn
	side    *side
	out, in half
}

// linger is how long a closed connection tries to send what it still has, once the network lets it.
const linger = 10 * time.Second

// Read reads what has arrived.
func (c *conn) Read(b []byte) (int, error) {
	for {
		if c.in.enter() {
			n, err := c.Conn.Read(b)
			if c.in.leave(b[:n], err) {
				return n, c.in.reason("read", err)
			}
		}
		if n, err, done := c.in.receive(b); done {
			return n, c.in.reason("read", err)
		}
	}
}

// receive reads from the line; done is false when the half has become direct.
func (h *half) receive(b []byte) (n int, err error, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.shaped {
		if err := h.refused(); err != nil || len(b) == 0 {
			return 0, err, true
		}
		n, until, end := h.passing(len(b))
		if n > 0 {
			n = copy(b, h.line.pop(n))
			h.settle()
			h.wake()
			return n, nil, true
		}
		if end != nil {
			return 0, end, true
		}
		h.settle()
		if h.shaped {
			h.patience(until)
		}
	}
	return 0, nil, false
}

// fill is the pump of the direction in: from the real connection into the line.
func (c *conn) fill() {
	h := &c.in
	h.start()
	defer h.stop()
	buffer := make([]byte, 64<<10)
	for h.flow() != nil && h.closed == nil && h.line.end == nil {
		if h.line.bytes >= window {
			h.wait(time.Time{})
			continue
		}
		h.mu.Unlock()
		n, err := c.Conn.Read(buffer)
		h.mu.Lock()
		h.push(buffer[:n])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // of adapt; the flow may be bad again
			_ = h.setDeadline(time.Time{})
		case err != nil:
			h.finish(err)
		}
		h.wake()
	}
}

// Write sends b, or takes it to be sent as the network's conditions let it.
func (c *conn) Write(b []byte) (int, error) {
	for sent := 0; ; {
		if c.out.enter() {
			n, err := c.Conn.Write(b[sent:])
			c.out.leave(nil, nil)
			return sent + n, c.out.reason("write", err)
		}
		n, err, done := c.out.send(b[sent:])
		if sent += n; done {
			return sent, c.out.reason("write", err)
		}
	}
}

// send writes to the line; done is false when the half has become direct.
func (h *half) send(b []byte) (sent int, err error, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.shaped {
		if err := h.refused(); err != nil {
			return sent, err, true
		}
		if h.line.end != nil {
			return sent, h.line.end, true
		}
		n := min(len(b)-sent, window-h.line.bytes)
		h.push(b[sent : sent+n])
		h.wake()
		if sent += n; sent == len(b) {
			return sent, nil, true
		}
		h.patience(time.Time{})
	}
	return sent, nil, false
}

// drain is the pump of the direction out: from the line into the real connection. Of a connection that its user has closed
// it sends what is left, as the system would, and then ends it.
func (c *conn) drain() {
	h := &c.out
	h.start()
	defer h.stop()
	for !h.cut {
		n, until, end := h.passing(64 << 10)
		switch {
		case end != nil:
			if h.closed != nil {
				_ = c.end() // there is nobody left to tell
			}
			return
		case n == 0 && h.line.bytes == 0 && h.line.end == nil && h.flow() == nil:
			return
		case n == 0:
			h.wait(until)
			continue
		}
		data := h.line.pop(n)
		h.wake()
		if h.closed != nil {
			_ = h.setDeadline(time.Now().Add(linger))
		}
		h.mu.Unlock()
		_, err := c.Conn.Write(data)
		h.mu.Lock()
		if err != nil {
			h.line = line{end: err}
		}
	}
}

// Close fails all calls from now on. What was written but is still on its way arrives, and only then the far side sees the end:
// while the network drops, it does not.
func (c *conn) Close() error {
	before, pump := c.out.shut(net.ErrClosed)
	_, _ = c.in.shut(net.ErrClosed)
	switch {
	case before == net.ErrClosed:
		return c.failure("close", before)
	case before != nil:
		return nil
	case pump:
		c.interrupt()
		return nil
	}
	return c.end()
}

// interrupt ends the user's calls that are under way on the real connection, which stays open.
func (c *conn) interrupt() {
	_ = c.Conn.SetReadDeadline(past)
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.pumping {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(linger))
	} else {
		_ = c.Conn.SetWriteDeadline(past)
	}
}

// reset ends the connection for both sides at once; what is on its way is lost.
func (c *conn) reset() {
	_, _ = c.out.shut(syscall.ECONNRESET)
	_, _ = c.in.shut(syscall.ECONNRESET)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only if it is closed
	}
	_ = c.end()
}

// end ends the real connection.
func (c *conn) end() error {
	c.side.forget(c)
	return c.Conn.Close()
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds reads, those under way too; zero takes the bound away.
func (c *conn) SetReadDeadline(t time.Time) error { return c.in.reason("set", c.in.limit(t)) }

// SetWriteDeadline bounds writes, those under way too; zero takes the bound away.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.reason("set", c.out.limit(t)) }

// reason is how an error of a call is told: as the net package does.
func (h *half) reason(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed != nil {
		err = closed
	} else if _, ok := err.(*net.OpError); ok {
		return err
	}
	return h.conn.failure(op, err)
}

func (c *conn) failure(op string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
