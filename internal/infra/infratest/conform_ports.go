package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"

	gopsutilnet "github.com/shirou/gopsutil/v4/net"

	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// loopbackOnly looks at the sockets on which the servers listen, and tries their ports on this machine's other addresses.
func loopbackOnly(ctx context.Context, r *running) error {
	if len(r.Servers()) == 0 {
		return r.without("listening sockets")
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	listening := r.Listening
	if listening == nil {
		listening = socketsOf
	}
	var errs []error
	for _, s := range r.Servers() {
		found, err := listening(ctx, s)
		if err != nil {
			return fmt.Errorf("look at the sockets of the %s: %w", s.Role, err)
		}
		own := false
		for _, at := range found {
			own = own || at == s.Address
			if host, _, err := net.SplitHostPort(at); err != nil || !net.ParseIP(host).IsLoopback() {
				errs = append(errs, fmt.Errorf("the %s listens on %s", s.Role, at))
			}
		}
		if !own {
			errs = append(errs, fmt.Errorf("the %s listens on %v; its own address %s is not among them", s.Role, found, s.Address))
		}
		errs = append(errs, unreachable(ctx, s, addresses))
	}
	return errors.Join(errs...)
}

// unreachable tries a server's port on the addresses of this machine that are not loopback.
func unreachable(ctx context.Context, s *infra.Server, addresses []net.Addr) error {
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		network, ok := a.(*net.IPNet)
		if !ok || network.IP.IsLoopback() || network.IP.To4() == nil {
			continue
		}
		at := net.JoinHostPort(network.IP.String(), port)
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp4", at); err == nil {
			conn.Close()
			return fmt.Errorf("the %s can be reached on %s", s.Role, at)
		}
	}
	return nil
}

// socketsOf gives the addresses on which a server's processes listen.
func socketsOf(ctx context.Context, s *infra.Server) ([]string, error) {
	var found []string
	for _, id := range treeOf(s) {
		connections, err := gopsutilnet.ConnectionsPidWithContext(ctx, "inet", int32(id.PID))
		if !id.Alive() {
			continue // one of PostgreSQL's short-lived workers
		}
		if err != nil {
			return nil, err
		}
		for _, c := range connections {
			if c.Status == "LISTEN" {
				host := c.Laddr.IP
				if ip := net.ParseIP(host); ip != nil {
					host = ip.String() // Java listens on ::ffff:127.0.0.1
				}
				found = append(found, net.JoinHostPort(host, fmt.Sprint(c.Laddr.Port)))
			}
		}
	}
	return found, nil
}

// treeOf gives the processes of a server; none for a container.
func treeOf(s *infra.Server) []proc.Identity {
	if s.PIDs == nil {
		return nil
	}
	var tree []proc.Identity
	for _, pid := range s.PIDs() {
		if root, err := proc.Identify(int(pid)); err == nil {
			tree = append(tree, root)
		}
		if below, err := proc.Descendants(int(pid)); err == nil {
			tree = append(tree, below...)
		}
	}
	return tree
}
