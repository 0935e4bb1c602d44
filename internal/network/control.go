package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// command is what the harness tells a process: one line of JSON.
type command struct {
	Network *setting `json:"network"`
}

type setting struct {
	To         string     `json:"to"`
	Conditions Conditions `json:"conditions"`
}

// answer is the process's line.
type answer struct {
	OK        bool   `json:"ok,omitempty"`
	Untouched bool   `json:"untouched,omitempty"` // see Network.Set
	Error     string `json:"error,omitempty"`
}

// ErrUntouched says that conditions were set or taken away as asked, but did nothing: the process had no connection to that far
// side, and tried to open none.
var ErrUntouched = errors.New("no connection was open or asked for")

// Serve gives what carries out the commands of Tell. An answer that is not an error says that the conditions hold.
func Serve(n *Network) func(line []byte) []byte {
	return func(line []byte) []byte {
		untouched, err := obey(n, line)
		reply := answer{OK: err == nil, Untouched: untouched}
		if err != nil {
			reply.Error = err.Error()
		}
		text, err := json.Marshal(reply)
		if err != nil {
			panic(err) // a struct of a bool and a string
		}
		return text
	}
}

func obey(n *Network, line []byte) (untouched bool, err error) {
	var c command
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return false, fmt.Errorf("unknown command: %w", err)
	}
	if c.Network == nil {
		return false, errors.New(`unknown command: expected "network"`)
	}
	if c.Network.To != Kafka && c.Network.To != Postgres {
		return false, fmt.Errorf("no connections go to %q: expected %s or %s", c.Network.To, Kafka, Postgres)
	}
	if err := c.Network.Conditions.check(); err != nil {
		return false, err
	}
	return n.Set(c.Network.To, c.Network.Conditions), nil
}

// Process is what can be told something, as proc.Process.
type Process interface {
	Tell(ctx context.Context, line []byte) (answer []byte, err error)
}

// Tell sets the conditions of a process's connections to a far side, and returns when they hold. The error is ErrUntouched if a
// reset had nothing to reset, or if the conditions that end with this call had nothing to do.
func Tell(ctx context.Context, p Process, to string, c Conditions) error {
	line, err := json.Marshal(command{&setting{to, c}})
	if err != nil {
		return err
	}
	text, err := p.Tell(ctx, line)
	if err != nil {
		return fmt.Errorf("network to %s: %w", to, err)
	}
	var reply answer
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("network to %s: the process answered %q: %w", to, text, err)
	}
	if !reply.OK {
		return fmt.Errorf("network to %s: the process refused: %s", to, reply.Error)
	}
	if reply.Untouched {
		return fmt.Errorf("network to %s: %w", to, ErrUntouched)
	}
	return nil
}
