// Package doctor looks at this machine: which providers and engines work here, what is missing and what brings it, and
// what will make measurements noisy. It starts no server and fetches nothing.
package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Schema is the version of the JSON form of Findings. It grows when a key changes its meaning or goes; new keys may come.
const Schema = 1

// Status is what a check came to.
type Status string

// The states, from good to bad; see Part for what they mean to a provider.
const (
	OK         Status = "ok"
	NotChecked Status = "not_checked" // nobody asked for it, or what it needs is missing already
	Warning    Status = "warning"     // works, with a drawback
	ToFetch    Status = "to_fetch"    // not here yet; comes by itself at the first use, if it can be reached then
	Unknown    Status = "unknown"     // could not be found out
	Missing    Status = "missing"     // does not work
)

// severity is the order of the states.
var severity = []Status{OK, NotChecked, Warning, ToFetch, Unknown, Missing}

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"` // in words
	Do     string `json:"do"`    // what to do about it; "" if nothing
	// Measured are the figures behind it, each with its unit in its name.
	Measured map[string]float64 `json:"measured"`
}

// Part is a provider or an engine.
type Part struct {
	Name   string  `json:"name"`
	Status Status  `json:"status"` // the worst of its checks
	Works  bool    `json:"works"`  // nothing that it needs is missing or unknown; something may have to be fetched first
	Checks []Check `json:"checks"`
}

// Findings are all that was found.
type Findings struct {
	SchemaVersion int     `json:"schema_version"`
	Works         bool    `json:"works"` // at least one provider does
	Providers     []Part  `json:"providers"`
	Engines       []Part  `json:"engines"`
	Machine       []Check `json:"machine"`
}

// Examine asks all probes and judges what they say. The ones that measure the machine go first and alone, because the
// programs that the others start would disturb them; then all others at once. A probe that has not answered after limit
// is unknown: it is not waited for.
func Examine(ctx context.Context, limit time.Duration, p Probes) Findings {
	quiet := askAll(ctx, limit, p.Quiet)
	rest := make(chan []Check, 1)
	go func() { rest <- askAll(ctx, limit, p.Machine) }()
	heard := listen(ctx, limit, p)
	machine := append(<-rest, quiet...)

	f := Findings{SchemaVersion: Schema, Machine: machine}
	blocked := blocking(machine)
	f.Providers = []Part{
		part("embedded", append(embedded(heard, p), blocked...)),
		part("local", append(local(heard, p), blocked...)),
		part("docker", append(containers(heard, p), blocked...)),
		part("external", elsewhere(heard, blocked)),
	}
	f.Engines = []Part{part("native", []Check{{Name: "program", Status: OK, Found: "Go, part of this program"}})}
	for i := range f.Providers {
		f.Works = f.Works || f.Providers[i].Works
	}
	return f.complete()
}

// complete gives every check a map of figures, so that the JSON form always has one.
func (f Findings) complete() Findings {
	fill := func(checks []Check) {
		for i := range checks {
			if checks[i].Measured == nil {
				checks[i].Measured = map[string]float64{}
			}
		}
	}
	fill(f.Machine)
	for _, parts := range [][]Part{f.Providers, f.Engines} {
		for _, p := range parts {
			fill(p.Checks)
		}
	}
	return f
}

// part sums checks up.
func part(name string, checks []Check) Part {
	p := Part{Name: name, Status: OK, Checks: checks}
	for _, c := range checks {
		if slices.Index(severity, c.Status) > slices.Index(severity, p.Status) {
			p.Status = c.Status
		}
	}
	p.Works = p.Status == OK || p.Status == Warning || p.Status == ToFetch
	return p
}

// blocking are the checks of the machine without which no server of ours can run.
func blocking(machine []Check) []Check {
	var blocked []Check
	for _, c := range machine {
		if c.Status == Missing {
			blocked = append(blocked, Check{Name: c.Name, Status: Missing, Found: c.Found, Do: c.Do, Measured: maps.Clone(c.Measured)})
		}
	}
	return blocked
}

// Working names the providers that work.
func (f Findings) Working() []string {
	var names []string
	for _, p := range f.Providers {
		if p.Works {
			names = append(names, p.Name)
		}
	}
	return names
}

// Summary is the last line for people.
func (f Findings) Summary() string {
	working := f.Working()
	if len(working) == 0 {
		return "No provider works here."
	}
	warnings := 0
	for _, c := range f.Machine {
		if c.Status == Warning {
			warnings++
		}
	}
	s := fmt.Sprintf("Works here: %s.", strings.Join(working, ", "))
	switch warnings {
	case 0:
		return s
	case 1:
		return s + " 1 thing makes this machine noisy."
	}
	return s + fmt.Sprintf(" %d things make this machine noisy.", warnings)
}
