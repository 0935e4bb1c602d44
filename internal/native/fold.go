package native

import (
	"lkbench/internal/bank"
)

// Fold sums accepted transactions per key into the columns that an upsert adds to the tables of an architecture. It is a
// pure function of the events added since Reset, so the same events may be folded again, for instance with another
// boundary between epochs. It refers to the events' memory until the next Reset.
type Fold struct {
	rules     bank.Rules
	customers *interner
	locations *interner

	windowIndex *pairIndex // customer, window start
	windows     []windowSum
	partIndex   *pairIndex // customer, location
	parts       []partSum

	order                                              order
	encoded                                            bool // the columns below are those of what was added
	newParams, windowParams, partParams, anomalyParams []*Param
}

type windowSum struct {
	sums
	first bool // of the whole stream
}

type sums struct {
	transactions int64
	amount       bank.Paise
	balance      maximum
}

type partSum struct {
	sums
	last bank.Micros
}

// maximum is the greatest of the values seen, if any was seen.
type maximum struct {
	value bank.Paise
	known bool
}

func (m *maximum) see(v bank.Paise) {
	if !m.known || v > m.value {
		m.value, m.known = v, true
	}
}

// NewFold returns an empty fold that raises alerts by the given rules.
func NewFold(rules bank.Rules) *Fold {
	windows := func() []*Param { return []*Param{TextArray(), TimeArray(), Int8Array(), Int8Array(), Int8Array()} }
	return &Fold{
		rules: rules, customers: newInterner(), locations: newInterner(),
		windowIndex: newPairIndex(), partIndex: newPairIndex(),
		newParams: windows(), windowParams: windows(),
		partParams:    []*Param{TextArray(), TextArray(), Int8Array(), Int8Array(), Int8Array(), TimeArray()},
		anomalyParams: []*Param{TextArray(), TextArray(), TextArray(), TimeArray(), Int8Array(), Int8Array(), TimeArray()},
	}
}

// Rules has transactions that are added from now on raise alerts by other rules. Only thresholds may differ: their windows
// are decided.
func (f *Fold) Rules(rules bank.Rules) { f.rules = rules }

// Reset empties the fold and keeps its memory and its rules.
func (f *Fold) Reset() {
	f.customers.reset()
	f.locations.reset()
	f.windowIndex.reset()
	f.partIndex.reset()
	f.windows, f.parts, f.encoded = f.windows[:0], f.parts[:0], false
	for _, p := range f.anomalyParams {
		p.Reset()
	}
}

// Add folds one accepted transaction in.
func (f *Fold) Add(e *Event) {
	f.encoded = false
	customer := uint64(f.customers.number(e.Customer))
	w := f.windowIndex.number(pair{customer, uint64(e.Window)})
	if int(w) == len(f.windows) {
		f.windows = append(f.windows, windowSum{first: e.Count == 1})
	}
	f.windows[w].add(e)

	p := f.partIndex.number(pair{customer, uint64(f.locations.number(e.Location))})
	if int(p) == len(f.parts) {
		f.parts = append(f.parts, partSum{last: e.EventTime})
	}
	f.parts[p].add(e)
	f.parts[p].last = max(f.parts[p].last, e.EventTime)

	for _, rule := range f.rules.Check(&e.Transaction) {
		f.anomaly(e, rule)
	}
	f.velocity(e)
}

// velocity raises the alert of the transaction that brings its customer's window to velocity_count.
func (f *Fold) velocity(e *Event) {
	if e.Count == f.rules.VelocityCount {
		f.anomaly(e, bank.Velocity)
	}
}

func (s *sums) add(e *Event) {
	s.transactions++
	s.amount += e.Amount
	if e.HasBalance {
		s.balance.see(e.Balance)
	}
}

func (f *Fold) anomaly(e *Event, rule string) {
	c := f.anomalyParams
	c[0].Text(e.ID)
	c[1].String(rule)
	c[2].Text(e.Customer)
	c[3].Time(e.EventTime)
	c[4].Int(int64(e.Amount))
	if e.HasBalance {
		c[5].Int(int64(e.Balance))
	} else {
		c[5].Null()
	}
	if rule == bank.Velocity {
		c[6].Time(e.Window)
	} else {
		c[6].Null()
	}
}

// Windows are the columns customer_id, window_start, transactions, amount_paise, max_balance_paise of what to add to
// customer_windows, one row a key, in order of key. The windows in fresh have no transaction before, so they are in no
// table yet; those in others mostly are.
func (f *Fold) Windows() (fresh, others []*Param) {
	f.encode()
	return f.newParams, f.windowParams
}

// Parts are the columns customer_id, location, transactions, amount_paise, max_balance_paise, last_event_time of what
// to add to profile_parts, one row a key, in order of customer. The location is empty where it is missing.
func (f *Fold) Parts() []*Param {
	f.encode()
	return f.partParams
}

// encode makes columns of the sums, once.
func (f *Fold) encode() {
	if f.encoded {
		return
	}
	f.encoded = true
	for _, columns := range [][]*Param{f.newParams, f.windowParams, f.partParams} {
		for _, p := range columns {
			p.Reset()
		}
	}
	for _, i := range f.order.of(f.customers.keys, f.windowIndex.keys) {
		key, c := f.windowIndex.keys[i], f.windowParams
		if f.windows[i].first {
			c = f.newParams
		}
		c[0].Text(f.customers.keys[key.a])
		c[1].Time(bank.Micros(key.b))
		f.windows[i].columns(c[2:5])
	}
	for _, i := range f.order.of(f.customers.keys, f.partIndex.keys) {
		key, c := f.partIndex.keys[i], f.partParams
		c[0].Text(f.customers.keys[key.a])
		c[1].Text(f.locations.keys[key.b])
		f.parts[i].columns(c[2:5])
		c[5].Time(f.parts[i].last)
	}
}

func (s *sums) columns(c []*Param) {
	c[0].Int(s.transactions)
	c[1].Int(int64(s.amount))
	if s.balance.known {
		c[2].Int(int64(s.balance.value))
	} else {
		c[2].Null()
	}
}

// Anomalies are the columns transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start of
// the anomalies raised, in the order in which they were added.
func (f *Fold) Anomalies() []*Param { return f.anomalyParams }
