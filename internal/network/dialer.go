package network

import (
	"context"
	"net"
	"sync"
)

// Network is what the connections of one process go over. A nil Network is a good one that stays so.
type Network struct {
	mu    sync.Mutex
	sides map[string]*side
}

// New makes a good network.
func New() *Network { return &Network{sides: map[string]*side{}} }

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer gives what opens connections to a far side.
func (n *Network) Dialer(to string) DialFunc {
	if n == nil {
		return new(net.Dialer).DialContext
	}
	return n.side(to).dial
}

func (n *Network) side(to string) *side {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sides[to]
	if s == nil {
		s = &side{}
		n.sides[to] = s
	}
	return s
}

// side is a far side: where connections of one kind go to.
type side struct{}

func (s *side) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}
