package scenarios

import (
	"fmt"
	"reflect"
	"time"
)

const defaultGrace = Duration(5 * time.Second)

// fixedRules shape the state that a stream keeps, so that they cannot change while it runs.
var fixedRules = []string{"window", "watermark", "dedup_horizon"}

// With are the rules after a change.
func (r Rules) With(c RuleChange) Rules {
	change(&r.RelativePercent, c.RelativePercent)
	change(&r.AbsoluteINR, c.AbsoluteINR)
	change(&r.VelocityCount, c.VelocityCount)
	change(&r.PremiumINR, c.PremiumINR)
	change(&r.FrequentCount, c.FrequentCount)
	return r
}

func change[T any](old, changed *T) {
	if changed != nil {
		*old = *changed
	}
}

// RulesChanged are the rules that a change names, each by its name in a scenario with its new value. Empty: the same rules again.
func RulesChanged(c RuleChange) map[string]string {
	named, v := map[string]string{}, reflect.ValueOf(c)
	for i, name := range fieldNames(v.Type()) {
		if p := v.Field(i); !p.IsNil() {
			named[name] = plain(p.Elem().Interface())
		}
	}
	return named
}

// graces gives every reprocess without a grace time the default one, which the time scale is for as for a given one.
func (d *decoder) graces(s *Scenario) {
	for i := range s.Reprocess {
		if d.where[fmt.Sprintf("reprocess[%d].grace", i)] == "" {
			s.Reprocess[i].Grace = defaultGrace
		}
	}
}

func (d *decoder) reprocess(s *Scenario) {
	d.check(len(s.Reprocess) <= 1, "reprocess", "has %d items, expected one at most", len(s.Reprocess))
	for i, r := range s.Reprocess {
		field := fmt.Sprintf("reprocess[%d]", i)
		d.begins(s, field, r.At)
		between(d, field+".grace", r.Grace, 0, maxLength)
		field += ".rules"
		if p := r.Rules.RelativePercent; p != nil {
			d.relativePercent(field, *p)
		}
		if p := r.Rules.AbsoluteINR; p != nil {
			d.rupees(field+".absolute_inr", *p)
		}
		if p := r.Rules.VelocityCount; p != nil {
			d.velocityCount(field, *p)
		}
		if p := r.Rules.PremiumINR; p != nil {
			d.rupees(field+".premium_inr", *p)
		}
		if p := r.Rules.FrequentCount; p != nil {
			d.frequentCount(field, *p)
		}
	}
}

// begins checks when something of the experiment begins: there must be a time before it to compare with, and load to see it by.
func (d *decoder) begins(s *Scenario, field string, at Duration) {
	end := s.Length()
	switch {
	case at == 0:
		d.check(false, field, "has no at, expected when it begins, counted from the first event, warm-up included")
	case at < s.Warmup:
		d.check(false, field+".at", "is %v, within the warm-up of %v%s, where it has no baseline, expected %v at least", at, s.Warmup, d.scaled, s.Warmup)
	default:
		d.check(at < end, field+".at", "is %v, not before the load's end at %v%s, expected less", at, end, d.scaled)
	}
}
