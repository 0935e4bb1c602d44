package architectures

import (
	"encoding/json"
	"fmt"

	"lkbench/internal/network"
)

// Begin makes the environment of a component's process from its input line, with a network of its own that has the given
// conditions, and gives what carries out the commands that the process is told from then on.
func (e *Environment) Begin(input []byte) (answer func(command []byte) []byte, err error) {
	if err := json.Unmarshal(input, e); err != nil {
		return nil, fmt.Errorf("the environment on standard input: %w", err)
	}
	e.Network = network.New()
	for to, c := range e.Conditions {
		e.Network.Set(to, c)
	}
	return network.Serve(e.Network), nil
}
