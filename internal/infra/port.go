package infra

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Servers listen below the range from which the kernel takes ports for outgoing connections (from 32768 on Linux, 49152
// on macOS). Inside it, a client that tries to reach a server while it is down can be given the server's own port.
const firstPort, lastPort = 15000, 31999

// freePort gives a loopback port on which nobody listens now.
func freePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if portFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("find a free port: 100 random ports of 127.0.0.1 between 15000 and 31999 are all taken")
}

func portFree(port int) bool {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
