package infra

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
)

// Servers listen below the range from which the kernel takes ports for outgoing connections (from 32768 on Linux, 49152
// on macOS). Inside it, a client that tries to reach a server while it is down can be given the server's own port.
const firstPort, lastPort = 15000, 31999

// ErrPortTaken is the cause of an error of OnFreePort's start when the port cannot be had, though nothing listens on it that
// this process could see: a container engine keeps its own account of ports.
var ErrPortTaken = errors.New("the port is taken")

// OnFreePort starts a server on a free loopback port. If another process takes the port first, it tries another one.
func OnFreePort[T any](start func(port int) (T, error)) (T, error) {
	var last error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if !portFree(port) {
			continue
		}
		server, err := start(port)
		if err == nil || portFree(port) && !taken(err) {
			return server, err
		}
		last = err
	}
	var none T
	return none, fmt.Errorf("find a free port: 100 random ports of 127.0.0.1 between %d and %d are taken (%w)", firstPort, lastPort, last)
}

// taken says whether a server did not start because somebody held its port, if only for a moment: the end of its log, which
// is part of the error, has the system's words for it.
func taken(err error) bool {
	return errors.Is(err, ErrPortTaken) || strings.Contains(strings.ToLower(err.Error()), "address already in use")
}

func portFree(port int) bool {
	l, err := net.Listen("tcp4", address(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
