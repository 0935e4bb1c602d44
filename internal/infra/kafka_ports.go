package infra

import (
	"fmt"
	"math/rand/v2"
)

// portTries bounds how often servers are started on other ports; each try of a broker takes seconds.
const portTries = 5

// onFreePorts starts something on n free loopback ports. If another process takes one of them first, it tries others.
// choose gives the ports of a try; nil for random ones.
func onFreePorts[T any](n int, choose func(n int) ([]int, error), start func(ports []int) (T, error)) (T, error) {
	var none T
	var last error
	if choose == nil {
		choose = randomPorts
	}
	for range portTries {
		ports, err := choose(n)
		if err != nil {
			return none, err
		}
		started, err := start(ports)
		if err == nil || allFree(ports) && !taken(err) {
			return started, err
		}
		last = err
	}
	return none, fmt.Errorf("find free ports: others took them %d times (%w)", portTries, last)
}

// randomPorts gives n different ports that are free at present; see firstPort.
func randomPorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	seen := map[int]bool{}
	for range 100 * n {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if seen[port] || !portFree(port) {
			continue
		}
		seen[port] = true
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("find %d free ports: of %d random ones of 127.0.0.1 between %d and %d nearly all are taken", n, 100*n, firstPort, lastPort)
}

func allFree(ports []int) bool {
	for _, port := range ports {
		if !portFree(port) {
			return false
		}
	}
	return true
}
