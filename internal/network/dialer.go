package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Network is what the connections of one process go over. A nil Network is a good one that stays so.
type Network struct {
	beneath DialFunc
	mu      sync.Mutex
	sides   map[string]*side
}

// New makes a good network.
func New() *Network { return Over(new(net.Dialer).DialContext) }

// Over makes a good network whose connections something else opens.
func Over(beneath DialFunc) *Network { return &Network{beneath: beneath, sides: map[string]*side{}} }

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer gives what opens connections to a far side.
func (n *Network) Dialer(to string) DialFunc {
	if n == nil {
		return new(net.Dialer).DialContext
	}
	return n.side(to).dial
}

// Set changes what the open and the future connections to a far side suffer. When it returns, the conditions hold. It is
// untouched if there was nothing to reset, or if nothing was or wanted to be connected while the conditions held that end now.
func (n *Network) Set(to string, c Conditions) (untouched bool) { return n.side(to).set(c) }

func (n *Network) side(to string) *side {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sides[to]
	if s == nil {
		s = newSide(n.beneath)
		n.sides[to] = s
	}
	return s
}

// side is a far side: where connections of one kind go to.
type side struct {
	beneath DialFunc

	mu      sync.Mutex
	out, in *flow         // nil: good
	changed chan struct{} // closed when the conditions change
	open    map[*conn]struct{}
	touched int // how many connections were open, or asked for, since the last change
}

// flow is what one direction of all connections to a far side suffers.
type flow struct {
	latency, jitter time.Duration
	bucket          *bucket // nil: no limit
	drop            bool
}

func newSide(beneath DialFunc) *side {
	return &side{beneath: beneath, changed: make(chan struct{}), open: map[*conn]struct{}{}}
}

// flow gives what the conditions mean to a direction; nil if they do not touch it.
func (c Conditions) flow(direction string) *flow {
	f := flow{drop: c.Partition}
	if c.Direction == direction || c.Direction == Both || c.Direction == "" {
		f.latency, f.jitter, f.drop = c.Latency, c.Jitter, c.Drop || c.Partition
		if c.KiBPerS > 0 {
			f.bucket = &bucket{perS: float64(c.KiBPerS) * 1024}
		}
	}
	if f == (flow{}) {
		return nil
	}
	return &f
}

// check refuses what has no meaning.
func (c Conditions) check() error {
	switch {
	case c.Direction != "" && c.Direction != Both && c.Direction != Out && c.Direction != In:
		return fmt.Errorf("direction %q: expected %s, %s or %s", c.Direction, Both, Out, In)
	case c.Latency < 0 || c.Jitter < 0 || c.Jitter > c.Latency:
		return fmt.Errorf("latency %v with jitter %v: expected none below zero, and a jitter at most as large as the latency", c.Latency, c.Jitter)
	case c.KiBPerS < 0:
		return fmt.Errorf("%d KiB/s: expected a rate above zero, or zero for no limit", c.KiBPerS)
	}
	return nil
}

// delay is how long a piece is on its way; luck is evenly drawn from 0 to 1.
func (f *flow) delay(luck float64) time.Duration {
	if f == nil {
		return 0
	}
	return max(0, f.latency+time.Duration((2*luck-1)*float64(f.jitter)))
}

func (s *side) set(c Conditions) (untouched bool) {
	s.mu.Lock()
	untouched = c.Reset && len(s.open) == 0 || (s.out != nil || s.in != nil) && s.touched == 0
	s.touched = len(s.open)
	s.out, s.in = c.flow(Out), c.flow(In)
	close(s.changed)
	s.changed = make(chan struct{})
	open := make([]*conn, 0, len(s.open))
	for conn := range s.open {
		open = append(open, conn)
	}
	s.mu.Unlock()
	for _, conn := range open {
		if c.Reset {
			conn.reset()
		}
		conn.out.adapt(conn.drain)
		conn.in.adapt(conn.fill)
	}
	return untouched
}

// dial opens a connection. While either direction drops, no handshake comes about, so it hangs until ctx ends or that has
// passed; with latency the handshake takes a round trip.
func (s *side) dial(ctx context.Context, network, address string) (net.Conn, error) {
	failed := func() error {
		return &net.OpError{Op: "dial", Net: network, Err: ctx.Err()} // timeouts look as those of net.Dialer to the clients
	}
	s.mu.Lock()
	s.touched++
	s.mu.Unlock()
	out, in, changed := s.flows()
	for ; out.drops() || in.drops(); out, in, changed = s.flows() {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, failed()
		}
	}
	conn, err := s.beneath(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if trip := out.delay(rand.Float64()) + in.delay(rand.Float64()); trip > 0 {
		select {
		case <-time.After(trip):
		case <-ctx.Done():
			conn.Close()
			return nil, failed()
		}
	}
	return s.wrap(conn), nil
}

func (s *side) flows() (out, in *flow, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out, s.in, s.changed
}

func (f *flow) drops() bool { return f != nil && f.drop }

// wrap takes charge of an open connection.
func (s *side) wrap(real net.Conn) *conn {
	c := &conn{Conn: real, side: s}
	c.out = half{conn: c, setDeadline: real.SetWriteDeadline, flow: func() *flow { out, _, _ := s.flows(); return out }}
	c.in = half{conn: c, setDeadline: real.SetReadDeadline, flow: func() *flow { _, in, _ := s.flows(); return in }}
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	c.out.adapt(c.drain)
	c.in.adapt(c.fill)
	return c
}

func (s *side) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}
