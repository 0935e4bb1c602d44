package loadgen

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

// baseTime is the event time of event 0 of the synthetic source: 2016-08-01T00:00:00Z, when the dataset begins.
const baseTime bank.Micros = 1_470_009_600_000_000

// Synthetic is a Source of made-up transactions in the shape of the public dataset (profile.go). Everything about a customer
// follows from the customer's number, so there is no state but tables.
type Synthetic struct {
	turns     turns
	customers uint64
	popular   alias  // customers by Zipf's law; nil: all alike
	hotKey    uint64 // thresholds, see threshold
	away      uint64
	noBalance uint64
	noPlace   uint64
	integer   uint64

	idBase, idStep, idModulus uint64 // customer i has the digits idBase + i×idStep mod idModulus

	normals         *normals
	amounts, saldos curve
	places          alias
	placeNames      []string // as JSON
	birthdays       []string // as JSON, by quantile; "" is absent

	rAmount, restAmount   int64 // mixture of a balance's deviate and noise into an amount's
	rBalance, restBalance int64 // mixture of a customer's deviate and noise into a balance's

	limits limits
}

// NewSynthetic builds the tables for the scenario's customers, shares and rules.
func NewSynthetic(s *scenarios.Scenario, schedule *Schedule) (*Synthetic, error) {
	const mostCustomers = 50_000_000
	e := s.Events
	if e.Customers < 1 || e.Customers > mostCustomers {
		return nil, fmt.Errorf("events.customers is %d, expected 1 to %d", e.Customers, mostCustomers)
	}
	if !(e.Skew >= 0 && e.Skew <= 10) {
		return nil, fmt.Errorf("events.skew is %v, expected 0 to 10", e.Skew)
	}
	noBalance, noPlace := missingBalance, missingLocation
	if e.Missing != nil {
		noBalance, noPlace = float64(*e.Missing), float64(*e.Missing)
	}
	for _, share := range []float64{float64(e.HotKey), noBalance} {
		if !(share >= 0 && share <= 1) {
			return nil, fmt.Errorf("events: hot_key or missing is %v, expected 0 to 1", share)
		}
	}
	turns, err := newTurns(s, schedule, baseTime)
	if err != nil {
		return nil, err
	}
	limits, err := newLimits(s.Rules)
	if err != nil {
		return nil, err
	}

	atoms := 0.0
	for _, a := range amountAtoms {
		atoms += a.share
	}
	whole := atoms + amountQuantiles[0].share // of amounts, whole whatever the rounding
	syn := &Synthetic{
		turns: turns, customers: uint64(e.Customers), hotKey: threshold(float64(e.HotKey)),
		away: threshold(awayShare), noBalance: threshold(noBalance), noPlace: threshold(noPlace),
		integer: threshold((integerShare - whole) / (1 - whole)),
		normals: newNormals(), amounts: newCurve(amountQuantiles, amountAtoms), saldos: newCurve(balanceQuantiles, nil),
		birthdays: newBirthdays(), limits: limits,
	}
	syn.places, syn.placeNames = newPlaces()
	syn.rAmount, syn.restAmount = mixture(copula)
	syn.rBalance, syn.restBalance = mixture(math.Sqrt(betweenBalances))
	if e.Skew > 0 {
		syn.popular = newAlias(powerLaw(1, e.Customers, e.Skew))
	}
	// Seven digits as in the dataset, eight where they do not suffice. The step is a prime that does not divide the modulus.
	syn.idBase, syn.idModulus, syn.idStep = 1_000_000, 9_000_000, 6_700_417
	if syn.customers > syn.idModulus {
		syn.idBase, syn.idModulus = 10_000_000, 90_000_000
	}
	return syn, nil
}

// Event implements Source.
func (s *Synthetic) Event(n uint64, buf []byte) Event {
	this := s.turns.at(n)
	d := &this.draw
	customer := s.customer(d)
	who := drawFor(s.turns.seed^^uint64(0), customer) // what follows from the customer alone

	place := s.places.pick(who.next())
	sex, born := who.halves()
	away, reach := d.halves()
	if uint64(away) < s.away {
		place = s.places.pick(d.next())
	}
	placeJSON := s.placeNames[place]
	if uint64(reach) < s.noPlace {
		this.kind |= Missing
		placeJSON = [...]string{"null", "", `""`}[d.below(3)]
	}
	money := s.money(customer, d)
	at := s.turns.eventTime(this.original, &this)
	switch {
	case this.kind&Boundary != 0:
		s.limits.move(&money, &at, d)
	case this.kind&Bursting != 0:
		s.limits.raise(&money, d)
	}
	if money.balance.missing {
		this.kind |= Missing
	}

	start := len(buf)
	buf = append(buf, 'C')
	buf = strconv.AppendUint(buf, s.idBase+customer*s.idStep%s.idModulus, 10)
	key := len(buf)
	buf = append(buf, `{"TransactionID":"`...)
	buf = AppendID(buf, this.original)
	buf = append(buf, `","CustomerID":"`...)
	buf = append(buf, buf[start:key]...)
	buf = append(buf, '"')
	buf = appendField(buf, `,"CustomerDOB":`, s.birthdays[born>>(32-birthdayBits)])
	buf = appendField(buf, `,"CustGender":`, gender(sex))
	buf = appendField(buf, `,"CustLocation":`, placeJSON)
	buf = money.balance.append(buf)
	buf = append(buf, `,"TransactionAmountINR":`...)
	buf = money.appendAmount(buf)
	buf = append(buf, `,"EventTime":"`...)
	buf = bank.AppendTime(buf, at)
	buf = append(buf, `"}`...)
	buf = this.spoil(buf, key)
	return Event{Key: buf[start:key:key], Value: buf[key:], Kind: this.kind, Original: this.original}
}

// appendField appends a field whose JSON value is given; nothing if that is empty.
func appendField(buf []byte, name, value string) []byte {
	if value == "" {
		return buf
	}
	return append(append(buf, name...), value...)
}

// customer draws a customer's number. Number 0 is the most popular one, and the hot key.
func (s *Synthetic) customer(d *draw) uint64 {
	random := d.next()
	if s.hotKey > 0 && uint64(uint32(d.next())) < s.hotKey {
		return 0
	}
	if s.popular != nil {
		return uint64(s.popular.pick(random))
	}
	hi, _ := bits.Mul64(random, s.customers)
	return hi
}

// money is what an event says about money.
type money struct {
	amount  bank.Paise
	half    bool // the amount is written with half a paisa more, away from zero
	balance balance
}

type balance struct {
	paise           bank.Paise
	missing, absent bool // missing: null, or the field is absent
}

// money draws balance and amount. Customers' levels of balance are spread evenly by number (a van der Corput sequence), so that
// a few popular customers together are still representative.
func (s *Synthetic) money(customer uint64, d *draw) (m money) {
	level := s.normals.of(bits.Reverse32(uint32(customer + 1)))
	a, b := d.halves()
	saldo := correlated(level, s.normals.of(a), s.rBalance, s.restBalance)
	m.balance.paise = s.saldos.at(saldo)
	m.amount = s.amounts.at(correlated(saldo, s.normals.of(b), s.rAmount, s.restAmount))

	a, b = d.halves()
	if uint64(a) < s.integer {
		m.amount = (m.amount + 50) / 100 * 100
	}
	if uint64(b) < s.noBalance {
		m.balance.missing, m.balance.absent = true, d.next()&1 == 0
	}
	return m
}

func (b balance) append(buf []byte) []byte {
	switch {
	case b.absent:
		return buf
	case b.missing:
		return append(buf, `,"CustAccountBalance":null`...)
	}
	return bank.AppendRupees(append(buf, `,"CustAccountBalance":`...), b.paise)
}

func (m money) appendAmount(buf []byte) []byte {
	if !m.half {
		return bank.AppendRupees(buf, m.amount)
	}
	paise := m.amount
	if paise < 0 {
		buf, paise = append(buf, '-'), -paise
	}
	buf = strconv.AppendInt(buf, int64(paise/100), 10)
	return append(buf, '.', '0'+byte(paise%100/10), '0'+byte(paise%10), '5')
}

func gender(uniform uint32) string {
	switch u := float64(uniform) / (1 << 32); {
	case u < missingGender/2:
		return "null"
	case u < missingGender:
		return ""
	case u < missingGender+otherGender:
		return `"T"`
	case u < missingGender+otherGender+femaleShare*(1-missingGender):
		return `"F"`
	}
	return `"M"`
}

const birthdayBits = 12

// newBirthdays tabulates birthdays by quantile, as JSON.
func newBirthdays() []string {
	table := make([]string, 1<<birthdayBits)
	size := float64(len(table))
	missing, unknown := int(math.Round(missingDOB*size)), int(math.Round(unknownDOBShare*size))
	for i := range table {
		switch {
		case i < missing:
			table[i] = [2]string{"null", ""}[i%2]
		case i < missing+unknown:
			table[i] = `"1800-01-01"`
		default:
			share := (float64(i-missing-unknown) + 0.5) / float64(len(table)-missing-unknown)
			days := int(math.Round(interpolate(ageQuantiles, share) * 365.2425))
			table[i] = baseTime.Time().Add(-24 * time.Hour * time.Duration(days)).Format(`"2006-01-02"`)
		}
	}
	return table
}

// newPlaces returns the distribution of locations and their names as JSON.
func newPlaces() (alias, []string) {
	var weights []uint64
	var names []string
	rest := 1.0
	for _, top := range topLocations {
		weights = append(weights, uint64(math.Round(top.share*(1<<32))))
		names = append(names, `"`+top.name+`"`)
		rest -= top.share
	}
	tail := powerLaw(len(weights)+1, tailLocations, tailExponent)
	sum := 0.0
	for _, w := range tail {
		sum += float64(w)
	}
	for i, w := range tail {
		weights = append(weights, max(1, uint64(math.Round(float64(w)/sum*rest*(1<<32)))))
		b, m, e := i%len(nameBegins), i/len(nameBegins)%len(nameMiddles), i/len(nameBegins)/len(nameMiddles)
		names = append(names, `"`+nameBegins[b]+nameMiddles[m]+nameEnds[e]+`"`)
	}
	return newAlias(weights), names
}
