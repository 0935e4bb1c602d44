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
	OK    bool   `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
}

// Serve gives what carries out the commands of Tell. An answer that is not an error says that the conditions hold.
func Serve(n *Network) func(line []byte) []byte {
	return func(line []byte) []byte {
		reply := answer{OK: true}
		if err := obey(n, line); err != nil {
			reply = answer{Error: err.Error()}
		}
		text, err := json.Marshal(reply)
		if err != nil {
			panic(err) // a struct of a bool and a string
		}
		return text
	}
}

func obey(n *Network, line []byte) error {
	var c command
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return fmt.Errorf("unknown command: %w", err)
	}
	if c.Network == nil {
		return errors.New(`unknown command: expected "network"`)
	}
	if c.Network.To != Kafka && c.Network.To != Postgres {
		return fmt.Errorf("no connections go to %q: expected %s or %s", c.Network.To, Kafka, Postgres)
	}
	if err := c.Network.Conditions.check(); err != nil {
		return err
	}
	n.Set(c.Network.To, c.Network.Conditions)
	return nil
}

// Process is what can be told something, as proc.Process.
type Process interface {
	Tell(ctx context.Context, line []byte) (answer []byte, err error)
}

// Tell sets the conditions of a process's connections to a far side, and returns when they hold.
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
	return nil
}
