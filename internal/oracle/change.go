package oracle

import (
	"errors"
	"fmt"
	"time"

	"lkbench/internal/bank"
)

// Change is a change of the rules while the run went on. The answers switched from the old rules to the new ones in one
// transaction, at a moment that is known only to lie between From and To. Times count from the origin.
type Change struct {
	Rules    bank.Rules    // the new ones; window, watermark and horizon stay as they were
	From     time.Duration // the request
	To       time.Duration // the first look that found the answers switched; the run's end if none did
	Switched bool          // a look found them switched: what is served at the end follows the new rules
}

// final are the rules that the views must follow at the end.
func (cfg *JudgeConfig) final() bank.Rules {
	if cfg.Change != nil && cfg.Change.Switched {
		return cfg.Change.Rules
	}
	return cfg.Rules
}

// versions are the rules under which an answer may have been given: the old ones and, after a change, the new ones.
func (cfg *JudgeConfig) versions() [2]bank.Rules {
	if cfg.Change == nil {
		return [2]bank.Rules{cfg.Rules, cfg.Rules}
	}
	return [2]bank.Rules{cfg.Rules, cfg.Change.Rules}
}

// check refuses what no run can do: rules that shape the state cannot change.
func (c *Change) check(old bank.Rules) error {
	if c == nil {
		return nil
	}
	if err := checkRules(c.Rules); err != nil {
		return err
	}
	if c.Rules.Window != old.Window || c.Rules.Watermark != old.Watermark || c.Rules.DedupHorizon != old.DedupHorizon {
		return errors.New("rules: window, watermark and horizon cannot change while a stream runs")
	}
	if c.To < c.From {
		return fmt.Errorf("rules: switched at %v, before the request at %v", c.To, c.From)
	}
	return nil
}

// settle holds the answers against the time of the switch, which is one for all of them: an answer that only the old rules
// explain is wrong if its query was sent after the switch was seen, or after an answer that only the new rules explain; one that
// only the new rules explain is wrong if it came before the request. Answers that both explain say nothing of the switch.
func (c *Change) settle(answers []answer, outcomes []outcome) (firstNew, lastOld *time.Duration) {
	from, to := c.From.Microseconds(), c.To.Microseconds()
	first, last := int64(never), int64(-1)
	for i := range answers {
		a, o := &answers[i], &outcomes[i]
		if a.Error != "" {
			continue
		}
		if o.isNew() && a.AnsweredUS > from {
			first = min(first, a.AnsweredUS)
		}
		if o.isOld() && a.AnsweredUS > from {
			last = max(last, a.AnsweredUS)
		}
	}
	for i := range answers {
		a, o := &answers[i], &outcomes[i]
		switch {
		case a.AnsweredUS <= from && o.fits[newRules].explained:
			o.reject(newRules, "an answer under the old rules: new ones were requested at %.6fs", from)
		case a.SentUS >= to && o.fits[oldRules].explained:
			o.reject(oldRules, "an answer under the new rules: they were switched to by %.6fs", to)
		case a.SentUS > first && o.fits[oldRules].explained:
			o.reject(oldRules, "an answer under the new rules: another one was at %.6fs", first)
		}
	}
	return moment(first, never), moment(last, -1)
}

// moment is a time in microseconds, nil for the value that means none.
func moment(micros, none int64) *time.Duration {
	if micros == none {
		return nil
	}
	d := time.Duration(micros) * time.Microsecond
	return &d
}

// The indices of versions and of an outcome's fits.
const (
	oldRules = iota
	newRules
)

// fit says whether an answer equals a prefix under one version of the rules.
type fit struct {
	explained bool
	age       int64 // of the oldest acknowledged event that the prefix lacks, in microseconds; 0 if it lacks none
}

// outcome is the judgement of one answer.
type outcome struct {
	fits [2]fit // the same twice without a change of rules
	best string // for one that is wrong: what it should have been
}

func (o *outcome) isOld() bool { return o.fits[oldRules].explained && !o.fits[newRules].explained }
func (o *outcome) isNew() bool { return o.fits[newRules].explained && !o.fits[oldRules].explained }

// right says whether some prefix explains the answer. If several do, the age is of the one that lacks least.
func (o *outcome) right() (age int64, right bool) {
	for _, f := range o.fits {
		if f.explained && (!right || f.age < age) {
			age, right = f.age, true
		}
	}
	return age, right
}

// explain notes that a prefix of this age is the answer under one version of the rules.
func (o *outcome) explain(version int, age int64) {
	if f := &o.fits[version]; !f.explained || age < f.age {
		*f = fit{explained: true, age: age}
	}
}

// reject takes an explanation back, for the time of the answer excludes it.
func (o *outcome) reject(version int, why string, micros int64) {
	o.fits[version] = fit{}
	o.best = fmt.Sprintf(why, float64(micros)/1e6)
}
