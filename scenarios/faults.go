package scenarios

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// The views that a fault can be about, and the ends and directions of a network.
var (
	views      = []string{"anomalies", "customer_windows", "customer_profiles"}
	farSides   = []string{"kafka", "postgres"}
	directions = []string{"both", "out", "in"}
)

// maxFaults is more than anyone could follow.
const maxFaults = 100

// faults checks each fault by itself, and then those that are at work at the same time.
func (d *decoder) faults(s *Scenario) {
	if len(s.Faults) > maxFaults {
		d.check(false, "faults", "has %d items, expected %d at most", len(s.Faults), maxFaults)
		return
	}
	for i, f := range s.Faults {
		d.fault(s, f, fmt.Sprintf("faults[%d]", i))
	}
	for j, g := range s.Faults {
		for i, f := range s.Faults[:j] {
			one, other := fmt.Sprintf("faults[%d]", i), fmt.Sprintf("faults[%d]", j)
			if d.hasFailed(one) || d.hasFailed(other) || !f.clashes(g) {
				continue
			}
			d.blame(other, "at", "for", "target", "to", "times", "every")
			d.check(false, other, "(%s) overlaps %s (%s)%s and cannot be undone apart from it, expected one after the other, or other targets",
				g.text(), one, f.text(), d.scaled)
		}
	}
}

// text is what a fault is, in short.
func (f Fault) text() string {
	text := f.Kind
	if f.Target != "" {
		text += " of " + f.Target
	}
	if f.End() == f.At {
		return fmt.Sprintf("%s at %v", text, f.At)
	}
	return fmt.Sprintf("%s, %v to %v", text, f.At, f.End())
}

func (d *decoder) fault(s *Scenario, f Fault, field string) {
	d.begins(s, field, f.At)
	if f.Kind == "" {
		d.check(false, field, "has no kind, expected %s", oneOf(Kinds()))
		return
	}
	k, known := kindOf(f.Kind)
	if !known {
		d.choice(field+".kind", f.Kind, Kinds()...)
		return
	}
	d.fieldsOf(f, k, field)
	d.check(f.Target == "" || k.targets.accepts(f.Target), field+".target", "is %q, which %s cannot be done to, expected %s", f.Target, f.Kind, k.targets)
	optional(d, field+".for", f.For, Duration(time.Millisecond), maxLength)
	optional(d, field+".every", f.Every, Duration(time.Millisecond), maxLength)
	optional(d, field+".times", f.Times, 1, 1000)
	d.settings(f, field)
	if d.hasFailed(field) { // else it may not be known when it ends
		return
	}
	d.blame(field, "at", "for", "times", "every")
	d.check(f.End() <= s.Length(), field, "ends at %v, after the load's end at %v%s, where nothing is measured, expected it within the load",
		f.End(), s.Length(), d.scaled)
}

// fieldsOf checks that a fault has what its kind needs, and no more. A field with its zero value counts as not given.
func (d *decoder) fieldsOf(f Fault, k kind, field string) {
	v := reflect.ValueOf(f)
	for i, name := range fieldNames(v.Type()) {
		if name != "at" && name != "kind" && !v.Field(i).IsZero() && !k.has(name) {
			all := slices.Concat([]string{"at", "kind"}, k.needs, k.may)
			d.check(false, field+"."+name, "is given, which %s has no use for, expected %s only", k.name, oneOf(all))
		}
	}
	for _, name := range k.needs {
		value, _ := fieldByName(v, name)
		d.check(!value.IsZero(), field, "has no %s, which %s needs", name, k.name)
	}
}

// settings checks what is no time of the experiment.
func (d *decoder) settings(f Fault, field string) {
	scaled := d.scaled
	defer func() { d.scaled = scaled }()
	d.scaled = ""
	optional(d, field+".share", f.Share, 0.01, 1)
	optional(d, field+".mib", f.MiB, 1, 1<<20)
	optional(d, field+".mean", f.Mean, Duration(time.Microsecond), Duration(time.Minute))
	optional(d, field+".jitter", f.Jitter, 0, f.Mean)
	optional(d, field+".kib_per_s", f.KiBPerS, 1, 1<<20)
	optional(d, field+".sessions", f.Sessions, 1, 1000)
	for _, c := range []struct {
		name, value string
		known       []string
	}{{"to", f.To, farSides}, {"direction", f.Direction, directions}, {"view", f.View, views}} {
		if c.value != "" {
			d.choice(field+"."+c.name, c.value, c.known...)
		}
	}
}

// optional checks the bounds of what was given. What must be given is known by the kind.
func optional[T cmp.Ordered](d *decoder, field string, value, low, high T) {
	var none T
	if value != none {
		between(d, field, value, low, high)
	}
}
