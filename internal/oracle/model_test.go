package oracle

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"lkbench/internal/bank"
)

// model is a system under test: a plain second implementation of docs/workload.md, which does one thing wrong if flaw names
// one of the mutations. It is slow and takes one record at a time.
type model struct {
	rules bank.Rules
	cut   []int64 // of a batch layer, per partition; nil without one
	flaw  string

	partitions map[int32]*modelPartition
	newestAny  int64
	windows    map[modelWindowKey]*modelWindow
	profiles   map[string]*modelProfile
	anomalies  map[[2]string][]string
	order      [][2]string
	dead       [][3]string
	late       int64
}

type modelPartition struct {
	any        bool
	newest     int64
	remembered map[string]int64
}

type modelWindowKey struct {
	customer string
	start    int64
}

type modelWindow struct {
	count, amount int64
	balance       *int64
}

type modelProfile struct {
	count, amount int64
	balance       *int64
	locations     map[string]int
	firstSeen     []string
	lastTime      int64
	anyTime       bool
}

// null is how the model writes NULL.
const null = "\x00null"

func newModel(rules bank.Rules, cut []int64, flaw string) *model {
	return &model{
		rules: rules, cut: cut, flaw: flaw, partitions: map[int32]*modelPartition{},
		windows: map[modelWindowKey]*modelWindow{}, profiles: map[string]*modelProfile{}, anomalies: map[[2]string][]string{},
	}
}

// is says whether the model has this flaw.
func (m *model) is(flaw string) bool { return m.flaw == flaw }

// take processes the record at an offset of a partition.
func (m *model) take(partition int32, offset int64, value []byte) {
	tx, err := m.decode(value)
	if err != nil {
		if !m.is("dead letter lost") || len(m.dead) != 2 {
			m.dead = append(m.dead, [3]string{strconv.Itoa(int(partition)), strconv.FormatInt(offset, 10), err.Error()})
		}
		return
	}
	p := m.partitions[partition]
	if p == nil {
		p = &modelPartition{remembered: map[string]int64{}}
		m.partitions[partition] = p
	}
	at := int64(tx.EventTime)
	if !p.any || at > p.newest {
		p.any, p.newest = true, at
	}
	newest := p.newest
	m.newestAny = max(m.newestAny, at)
	if m.is("newest event time over all partitions") {
		newest = m.newestAny
	}

	before, known := p.remembered[string(tx.ID)]
	oldest := newest - m.rules.DedupHorizon.Microseconds()
	duplicate := known && before >= oldest
	switch {
	case m.is("horizon: > for >="):
		duplicate = known && before > oldest
	case m.is("identifiers remembered for ever"):
		duplicate = known
	case m.is("duplicate counted"):
		duplicate = false
	}
	if duplicate {
		return
	}
	p.remembered[string(tx.ID)] = at

	window := m.rules.Window.Microseconds()
	start := at - ((at%window)+window)%window
	end, watermark := start+window, newest-m.rules.Watermark.Microseconds()
	late := end <= watermark
	switch {
	case m.is("late: < for <="):
		late = end < watermark
	case m.is("late by the window's start"):
		late = start <= watermark
	}
	if late && !m.is("late event not counted as late") {
		m.late++
	}
	if late && m.is("late event dropped") {
		return
	}
	if known && m.cut != nil && offset < m.cut[partition] && !m.is("repetition below the cut counted") {
		return
	}
	if m.is("window shifted by a second") {
		start = (at-1_000_000)/window*window + 1_000_000
	}
	if m.is("window by local time") {
		start = (at+int64(330*time.Minute/time.Microsecond))/(2*window)*(2*window) - int64(330*time.Minute/time.Microsecond)
	}
	times := 1
	if m.cut != nil {
		cut := m.cut[partition]
		if m.is("seam counted twice") && offset >= cut-5 && offset < cut {
			times = 2
		}
		if m.is("seam lost") && offset >= cut && offset < cut+5 {
			times = 0
		}
	}
	for range times {
		m.count(tx, start)
	}
}

func (m *model) count(tx bank.Transaction, start int64) {
	amount, balance, at := int64(tx.Amount), int64(tx.Balance), int64(tx.EventTime)
	has := tx.HasBalance
	if m.is("null balance as zero") {
		has = true
	}
	greater := func(old *int64) *int64 {
		switch {
		case m.is("balance of the last"):
			if has {
				return &balance
			}
		case m.is("greatest balance starts at zero") && old == nil && has:
			v := max(0, balance)
			return &v
		case has && (old == nil || balance > *old):
			return &balance
		}
		return old
	}

	key := modelWindowKey{string(tx.Customer), start}
	w := m.windows[key]
	if w == nil {
		w = &modelWindow{}
		m.windows[key] = w
	}
	w.count++
	w.amount += amount
	w.balance = greater(w.balance)

	p := m.profiles[key.customer]
	if p == nil {
		p = &modelProfile{locations: map[string]int{}}
		m.profiles[key.customer] = p
	}
	p.count++
	p.amount += amount
	p.balance = greater(p.balance)
	if !p.anyTime || at > p.lastTime || m.is("last_event_time of the last") {
		p.anyTime, p.lastTime = true, at
	}
	if tx.Location != nil || m.is("missing location counted") {
		location := string(tx.Location)
		p.locations[location]++
		if !slices.Contains(p.firstSeen, location) {
			p.firstSeen = append(p.firstSeen, location)
		}
	}

	raise := func(rule string, window string) {
		key := [2]string{string(tx.ID), rule}
		if _, there := m.anomalies[key]; there {
			return
		}
		m.order = append(m.order, key)
		held := null
		if tx.HasBalance {
			held = strconv.FormatInt(balance, 10)
		}
		if m.is("balance after the transaction") && tx.HasBalance {
			held = strconv.FormatInt(balance-amount, 10)
		}
		m.anomalies[key] = []string{
			key[0], rule, string(tx.Customer), strconv.FormatInt(at, 10), strconv.FormatInt(amount, 10), held, window,
		}
	}
	percent := m.rules.RelativePercent * balance
	if has && (amount*100 > percent || m.is("high_value_relative: >= for >") && amount*100 == percent) ||
		m.is("high_value_relative without balance") && !has {
		raise(bank.HighValueRelative, null)
	}
	absolute := amount
	if amount < 0 && !m.is("high_value_absolute without |…|") {
		absolute = -amount
	}
	if limit := int64(m.rules.AbsolutePaise); absolute > limit || m.is("high_value_absolute: >= for >") && absolute == limit {
		raise(bank.HighValueAbsolute, null)
	}
	below := int64(0)
	if m.is("overdraft_attempt: a paisa lower") {
		below = -1
	}
	if m.is("overdraft_attempt: a paisa higher") {
		below = 1
	}
	if rest := balance - amount; has && (rest < below || m.is("overdraft_attempt: <= for <") && rest == 0) {
		raise(bank.OverdraftAttempt, null)
	}
	third := w.count == m.rules.VelocityCount
	switch {
	case m.is("velocity: >= for =="):
		third = w.count >= m.rules.VelocityCount
	case m.is("velocity: > for >="):
		third = w.count == m.rules.VelocityCount+1
	}
	if third {
		raise(bank.Velocity, strconv.FormatInt(start, 10))
	}
}

// profileRow is a row of customer_profiles, window one of customer_windows; nil if there is none.
func (m *model) profileRow(customer string) []string {
	p := m.profiles[customer]
	if p == nil {
		return nil
	}
	return []string{
		customer, strconv.FormatInt(p.count, 10), strconv.FormatInt(p.amount, 10), m.average(p), orNullText(p.balance),
		m.top(p), m.segment(p), strconv.FormatInt(p.lastTime, 10),
	}
}

func (m *model) windowRow(key modelWindowKey) []string {
	w := m.windows[key]
	if w == nil {
		return nil
	}
	return []string{key.customer, strconv.FormatInt(key.start, 10), strconv.FormatInt(w.count, 10), strconv.FormatInt(w.amount, 10), orNullText(w.balance)}
}

func orNullText(v *int64) string {
	if v == nil {
		return null
	}
	return strconv.FormatInt(*v, 10)
}

func (m *model) average(p *modelProfile) string {
	exact := big.NewRat(p.amount, p.count*100)
	switch {
	case m.is("average cut off"):
		return text2(p.amount / p.count)
	case m.is("average rounded half to even"):
		return text2(int64(math.RoundToEven(float64(p.amount) / float64(p.count))))
	case m.is("average rounded half up"):
		return text2(int64(math.Floor(float64(p.amount)/float64(p.count) + 0.5)))
	case m.is("average through a float"):
		f, _ := exact.Float64()
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	rounded := exact.FloatString(2) // half away from zero
	if strings.Trim(rounded, "-0.") == "" {
		return "0.00"
	}
	return rounded
}

// text2 writes hundredths.
func text2(v int64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%02d", sign, v/100, v%100)
}

func (m *model) top(p *modelProfile) string {
	best := null
	for _, l := range p.firstSeen {
		better := best == null || p.locations[l] > p.locations[best]
		if best != null && p.locations[l] == p.locations[best] {
			switch {
			case m.is("top location: first seen wins a tie"):
			case m.is("top location: greatest wins a tie"):
				better = l > best
			case m.is("top location: tie without case"):
				better = strings.ToLower(l) < strings.ToLower(best)
			default:
				better = l < best
			}
		}
		if better {
			best = l
		}
	}
	return best
}

func (m *model) segment(p *modelProfile) string {
	premium := p.amount > int64(m.rules.PremiumPaise)*p.count
	frequent := p.count > m.rules.FrequentCount
	switch {
	case m.is("premium: >= for >"):
		premium = p.amount >= int64(m.rules.PremiumPaise)*p.count
	case m.is("premium by the rounded average"):
		premium = p.amount/p.count > int64(m.rules.PremiumPaise)
	case m.is("frequent: >= for >"):
		frequent = p.count >= m.rules.FrequentCount
	case m.is("frequent before premium"):
		premium = premium && !frequent
	}
	switch {
	case premium:
		return "premium"
	case frequent:
		return "frequent"
	}
	return "standard"
}
