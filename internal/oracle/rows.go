package oracle

import (
	"strconv"

	"lkbench/loadgen"
)

// place is a current row: a partition's fold and an index into its slice.
type place struct {
	folds []*fold
	f     *fold
	i     int
}

// customer looks up a customer's number in any partition that has counted it.
func (p *place) customer(name []byte, found func(f *fold, customer uint32) bool) bool {
	for _, f := range p.folds {
		if customer, known := f.customers.numbers[string(name)]; known && found(f, customer) {
			return true
		}
	}
	return false
}

// expectedAnomalies, expectedWindows and expectedProfiles are the rows of the three views. Their methods are those of
// expectedRows.
type expectedAnomalies struct{ place }

func (e *expectedAnomalies) find(row []field) *bool {
	rule := -1
	for i, name := range ruleNames {
		if string(row[1].text) == name {
			rule = i
		}
	}
	if rule < 0 || row[0].null {
		return nil
	}
	n, ours := loadgen.ParseID(row[0].text)
	for _, f := range e.folds {
		id := n
		if !ours {
			number, known := f.foreignIDs.numbers[string(row[0].text)]
			if !known {
				continue
			}
			id = foreignID | uint64(number)
		}
		if i, there := f.anomalyAt[keyOfAnomaly(id, rule)]; there {
			e.f, e.i = f, int(i)
			return &f.anomalies[i].seen
		}
	}
	return nil
}

func (e *expectedAnomalies) render(to *rowText) {
	a := &e.f.anomalies[e.i]
	if id := a.key.id(); id&foreignID != 0 {
		to.text(e.f.foreignIDs.text(uint32(id)))
	} else {
		to.id(id)
	}
	rule := a.key.rule()
	to.text(ruleNames[rule])
	to.text(e.f.customers.text(a.customer))
	to.int(a.eventTime)
	to.int(a.amount)
	to.intIf(a.hasBalance, a.balance)
	to.intIf(rule == ruleVelocity, floorTo(a.eventTime, e.f.window))
}

func (e *expectedAnomalies) all(visit func(seen bool)) {
	for _, f := range e.folds {
		for i := range f.anomalies {
			e.f, e.i = f, i
			visit(f.anomalies[i].seen)
		}
	}
}

type expectedWindows struct{ place }

func (e *expectedWindows) find(row []field) (seen *bool) {
	start, err := strconv.ParseInt(string(row[1].text), 10, 64)
	if err != nil {
		return nil
	}
	e.customer(row[0].text, func(f *fold, customer uint32) bool {
		number, there := f.startAt[start]
		if !there {
			return false
		}
		i, there := f.windowAt[pair[windowKey](customer, number)]
		if there {
			e.f, e.i, seen = f, int(i), &f.windows[i].seen
		}
		return there
	})
	return seen
}

func (e *expectedWindows) render(to *rowText) {
	w := &e.f.windows[e.i]
	to.text(e.f.customers.text(w.key.customer()))
	to.int(e.f.starts[w.key.start()])
	to.int(int64(w.transactions))
	to.int(w.amount)
	to.intIf(w.hasBalance, w.maxBalance)
}

func (e *expectedWindows) all(visit func(seen bool)) {
	for _, f := range e.folds {
		for i := range f.windows {
			e.f, e.i = f, i
			visit(f.windows[i].seen)
		}
	}
}

type expectedProfiles struct{ place }

func (e *expectedProfiles) find(row []field) (seen *bool) {
	e.customer(row[0].text, func(f *fold, customer uint32) bool {
		there := int(customer) < len(f.profiles) && f.profiles[customer].transactions > 0
		if there {
			e.f, e.i, seen = f, int(customer), &f.profiles[customer].seen
		}
		return there
	})
	return seen
}

func (e *expectedProfiles) render(to *rowText) {
	p := &e.f.profiles[e.i]
	to.text(e.f.customers.text(uint32(e.i)))
	to.int(p.transactions)
	to.int(p.amount)
	to.decimal(average(p.amount, p.transactions))
	to.intIf(p.hasBalance, p.maxBalance)
	if p.topLocation >= 0 {
		to.text(e.f.locations.text(uint32(p.topLocation)))
	} else {
		to.end(true)
	}
	to.text(segment(&e.f.rules, p.transactions, p.amount))
	to.int(p.lastEventTime)
}

func (e *expectedProfiles) all(visit func(seen bool)) {
	for _, f := range e.folds {
		for i := range f.profiles {
			if f.profiles[i].transactions > 0 {
				e.f, e.i = f, i
				visit(f.profiles[i].seen)
			}
		}
	}
}
