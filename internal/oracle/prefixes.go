package oracle

import (
	"fmt"
	"strings"

	"lkbench/internal/bank"
)

// prefixes goes through the states that a customer's row takes as its events are counted one by one.
type prefixes struct {
	view   string
	fold   *fold
	rules  *[2]bank.Rules
	events []counted
	times  []moments
	// soonest[i] is the earliest acknowledgement among events i and later.
	soonest []int64

	state    profile
	visits   map[int32]uint32
	lastSent int64 // the latest actual send in the prefix
}

func newPrefixes(view string, f *fold, rules *[2]bank.Rules, events []counted, times func(uint64) moments) *prefixes {
	p := &prefixes{view: view, fold: f, rules: rules, events: events, visits: map[int32]uint32{}}
	p.state.topLocation = -1
	p.times = make([]moments, len(events))
	p.soonest = make([]int64, len(events)+1)
	p.soonest[len(events)] = never
	for i := len(events) - 1; i >= 0; i-- {
		p.times[i] = times(events[i].n)
		p.soonest[i] = min(p.times[i].acked, p.soonest[i+1])
	}
	return p
}

// walk calls at for every length of a prefix, from zero to all.
func (p *prefixes) walk(at func(length int64)) {
	at(0)
	for i := range p.events {
		p.extend(i)
		at(int64(i) + 1)
	}
}

// extend counts event i.
func (p *prefixes) extend(i int) {
	e, s := &p.events[i], &p.state
	if s.transactions == 0 || e.at > s.lastEventTime {
		s.lastEventTime = e.at
	}
	s.transactions++
	s.amount += e.amount
	if e.hasBalance && (!s.hasBalance || e.balance > s.maxBalance) {
		s.hasBalance, s.maxBalance = true, e.balance
	}
	if e.location >= 0 {
		p.visits[e.location]++
		count, most := p.visits[e.location], p.visits[s.topLocation]
		if count > most || count == most && p.text(e.location) < p.text(s.topLocation) {
			s.topLocation = e.location
		}
	}
	if i == 0 {
		p.lastSent = p.times[0].sent
	}
	p.lastSent = max(p.lastSent, p.times[i].sent)
}

func (p *prefixes) text(location int32) string { return p.fold.locations.text(uint32(location)) }

// judge holds an answer against the current prefix, whose length it claims, under each version of the rules.
func (p *prefixes) judge(a *answer, o *outcome) {
	if p.state.transactions > 0 && p.lastSent > a.AnsweredUS {
		o.best = fmt.Sprintf("%d transactions had not been sent yet", p.state.transactions)
		return
	}
	if a.Found != (p.state.transactions > 0) || a.Found && !p.equals(a) {
		o.best = p.String()
		return
	}
	oldest := int64(never)
	for i := int(p.state.transactions); p.soonest[i] < a.SentUS; i++ {
		if p.times[i].acked < a.SentUS {
			oldest = min(oldest, p.times[i].intended)
		}
	}
	age := int64(0)
	if oldest != never {
		age = max(a.SentUS-oldest, 1)
	}
	fits := false
	for version := range p.rules {
		if p.hasSegment(a, version) {
			o.explain(version, age)
			fits = true
		}
	}
	if !fits {
		o.best = p.String()
	}
}

// hasSegment says whether the answer's segment, all that depends on rules that can change, is that of the current prefix.
func (p *prefixes) hasSegment(a *answer, version int) bool {
	return !a.Found || p.view == viewWindows.name || a.Segment == segment(&p.rules[version], p.state.transactions, p.state.amount)
}

// equals holds everything but the segment against the current prefix.
func (p *prefixes) equals(a *answer) bool {
	s := &p.state
	if a.AmountPaise != s.amount || !equalIf(a.MaxBalance, s.hasBalance, s.maxBalance) {
		return false
	}
	if p.view == viewWindows.name {
		return true
	}
	top := ""
	if s.topLocation >= 0 {
		top = p.text(s.topLocation)
	}
	return equalIf(a.TopLocation, s.topLocation >= 0, top) &&
		a.AverageAmount == string(appendDecimal(nil, average(s.amount, s.transactions))) &&
		a.LastEventTime == s.lastEventTime
}

// equalIf compares a nullable value with one that may be unknown.
func equalIf[T comparable](observed *T, known bool, expected T) bool {
	if observed == nil || !known {
		return observed == nil && !known
	}
	return *observed == expected
}

// String is the row at the current prefix.
func (p *prefixes) String() string {
	s := &p.state
	if s.transactions == 0 {
		return "no row"
	}
	a := answer{View: p.view, Found: true, Transactions: s.transactions, AmountPaise: s.amount, LastEventTime: s.lastEventTime}
	if s.hasBalance {
		a.MaxBalance = &s.maxBalance
	}
	if s.topLocation >= 0 {
		top := p.text(s.topLocation)
		a.TopLocation = &top
	}
	a.AverageAmount = string(appendDecimal(nil, average(s.amount, s.transactions)))
	a.Segment = segment(&p.rules[oldRules], s.transactions, s.amount)
	if changed := segment(&p.rules[newRules], s.transactions, s.amount); changed != a.Segment {
		a.Segment += " or " + changed
	}
	return a.String()
}

// String is the answer as a row's columns.
func (a *answer) String() string {
	if !a.Found {
		return "no row"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "transactions=%d amount_paise=%d max_balance_paise=%s", a.Transactions, a.AmountPaise, orNull(a.MaxBalance))
	if a.View == viewProfiles.name {
		fmt.Fprintf(&b, " average_amount=%s top_location=%s segment=%s last_event_time=%s", a.AverageAmount, orNull(a.TopLocation), a.Segment, instant(a.LastEventTime))
	}
	return b.String()
}

func orNull[T any](v *T) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}
