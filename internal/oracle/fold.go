package oracle

import (
	"lkbench/internal/bank"
	"lkbench/loadgen"
)

// fold is what one partition's records, taken in log order, must have become. All customers of a partition are its own:
// records are keyed by customer. (A foreign record could break that. Then the log order between the partitions is undefined, and
// each partition keeps rows of its own.)
type fold struct {
	rules     bank.Rules
	window    int64 // rules.Window and its companions in microseconds
	watermark int64
	horizon   int64
	cut       int64 // offset below which a repetition is a duplicate for ever
	probed    map[string]bool

	newest     int64           // M of docs/workload.md
	started    bool            // there was a well-formed record
	counted    bits            // numbers of the counted transactions of this run
	others     map[uint64]bool // counted transactions of other identifiers
	foreignIDs dictionary      // identifiers that are not of the form T and n
	customers  dictionary
	locations  dictionary

	profiles  []profile           // by customer number
	visits    map[visit]uint32    // counted transactions by customer and location
	startAt   map[int64]uint32    // index into starts
	starts    []int64             // the windows' starts
	windowAt  map[windowKey]int32 // index into windows
	windows   []window
	anomalyAt map[anomalyKey]int32 // index into anomalies
	anomalies []anomaly
	histories map[uint32]*history // of the probed customers

	deadLetters []int64 // offsets of the malformed records
	late        int64
}

type profile struct {
	transactions  int64
	amount        int64
	maxBalance    int64
	lastEventTime int64
	hasBalance    bool
	seen          bool // a row of the view was held against it
	topLocation   int32
}

// visit is a customer's number in the upper half and a location's in the lower; windowKey a customer's and a start's.
// Go's maps are fastest and smallest with such keys.
type (
	visit     uint64
	windowKey uint64
)

func pair[T ~uint64](a, b uint32) T { return T(a)<<32 | T(b) }

func (k windowKey) customer() uint32 { return uint32(k >> 32) }
func (k windowKey) start() uint32    { return uint32(k) }

type window struct {
	key          windowKey
	amount       int64
	maxBalance   int64
	transactions uint32
	hasBalance   bool
	seen         bool
}

// anomalyKey is a transaction's number in 61 bits above a rule's number in 3.
type anomalyKey uint64

func keyOfAnomaly(id uint64, rule int) anomalyKey { return anomalyKey(id<<3 | uint64(rule)) }
func (k anomalyKey) id() uint64                   { return uint64(k) >> 3 }
func (k anomalyKey) rule() int                    { return int(k & 7) }

type anomaly struct {
	key        anomalyKey
	eventTime  int64
	amount     int64
	balance    int64
	customer   uint32
	hasBalance bool
	seen       bool
}

// The rules in the numbers of an anomalyKey.
const (
	ruleRelative = iota
	ruleAbsolute
	ruleOverdraft
	ruleVelocity
)

var ruleNames = [...]string{bank.HighValueRelative, bank.HighValueAbsolute, bank.OverdraftAttempt, bank.Velocity}

// newFold starts a partition of a run with so many events.
func newFold(rules bank.Rules, events uint64, cut int64, probed map[string]bool) *fold {
	return &fold{
		rules: rules, cut: cut, probed: probed,
		window: rules.Window.Microseconds(), watermark: rules.Watermark.Microseconds(), horizon: rules.DedupHorizon.Microseconds(),
		counted: newBits(events), others: map[uint64]bool{},
		foreignIDs: newDictionary(), customers: newDictionary(), locations: newDictionary(),
		visits: map[visit]uint32{}, startAt: map[int64]uint32{}, windowAt: map[windowKey]int32{}, anomalyAt: map[anomalyKey]int32{},
		histories: map[uint32]*history{},
	}
}

// foreignID marks the numbers of identifiers that are not of the form T and n.
const foreignID = 1 << 60

// identify gives a TransactionID its number.
func (f *fold) identify(id []byte) uint64 {
	if n, ok := loadgen.ParseID(id); ok {
		return n
	}
	return foreignID | uint64(f.foreignIDs.number(id))
}

// malformed takes a record that must go to the dead-letter topic.
func (f *fold) malformed(offset int64) { f.deadLetters = append(f.deadLetters, offset) }

// add takes the next well-formed record: its offset, its turn n in the ledger (noTurn for a foreign one).
func (f *fold) add(offset int64, n uint64, tx *bank.Transaction) {
	at := int64(tx.EventTime)
	if !f.started || at > f.newest {
		f.started, f.newest = true, at
	}
	// A repetition has the event time of the first delivery (docs/workload.md), so it need not be kept.
	id := f.identify(tx.ID)
	known := f.known(id)
	if known && at >= f.newest-f.horizon {
		return
	}
	start := floorTo(at, f.window)
	if start+f.window <= f.newest-f.watermark {
		f.late++
	}
	// A stream layer has counted the record; the batch layer, which never forgets, may not have.
	repeated := known && offset < f.cut
	customer := f.customers.number(tx.Customer)
	if f.probed[string(tx.Customer)] {
		f.remember(customer, n, start, repeated, tx)
	}
	if !repeated {
		f.count(id, customer, start, tx)
	}
}

// known says whether a transaction has been counted before; from now on it has.
func (f *fold) known(id uint64) bool {
	if id >= uint64(len(f.counted))*64 {
		before := f.others[id]
		f.others[id] = true
		return before
	}
	before := f.counted.has(id)
	f.counted.set(id)
	return before
}

// count lets a counted transaction into every view.
func (f *fold) count(id uint64, customer uint32, start int64, tx *bank.Transaction) {
	amount, balance, at := int64(tx.Amount), int64(tx.Balance), int64(tx.EventTime)

	w := f.windowOf(customer, start)
	w.transactions++
	w.amount += amount
	if tx.HasBalance && (!w.hasBalance || balance > w.maxBalance) {
		w.hasBalance, w.maxBalance = true, balance
	}

	p := f.profileOf(customer)
	if p.transactions == 0 || at > p.lastEventTime {
		p.lastEventTime = at
	}
	p.transactions++
	p.amount += amount
	if tx.HasBalance && (!p.hasBalance || balance > p.maxBalance) {
		p.hasBalance, p.maxBalance = true, balance
	}
	if tx.Location != nil {
		f.visited(p, customer, f.locations.number(tx.Location))
	}

	raise := func(rule int) {
		key := keyOfAnomaly(id, rule)
		if _, there := f.anomalyAt[key]; there {
			return
		}
		f.anomalyAt[key] = int32(len(f.anomalies))
		f.anomalies = append(f.anomalies, anomaly{
			key: key, eventTime: at, amount: amount, balance: balance, hasBalance: tx.HasBalance, customer: customer,
		})
	}
	if tx.HasBalance && amount*100 > f.rules.RelativePercent*balance {
		raise(ruleRelative)
	}
	if limit := int64(f.rules.AbsolutePaise); amount > limit || -amount > limit {
		raise(ruleAbsolute)
	}
	if tx.HasBalance && balance-amount < 0 {
		raise(ruleOverdraft)
	}
	if int64(w.transactions) == f.rules.VelocityCount {
		raise(ruleVelocity)
	}
}

func (f *fold) windowOf(customer uint32, start int64) *window {
	number, there := f.startAt[start]
	if !there {
		number = uint32(len(f.starts))
		f.startAt[start] = number
		f.starts = append(f.starts, start)
	}
	key := pair[windowKey](customer, number)
	i, there := f.windowAt[key]
	if !there {
		i = int32(len(f.windows))
		f.windowAt[key] = i
		f.windows = append(f.windows, window{key: key})
	}
	return &f.windows[i]
}

func (f *fold) profileOf(customer uint32) *profile {
	for int(customer) >= len(f.profiles) {
		f.profiles = append(f.profiles, profile{topLocation: -1})
	}
	return &f.profiles[customer]
}

// visited counts a location and keeps the most frequent one, the smallest by bytes among equals. Counts only grow, so
// it is enough to hold the one that grew against the best so far.
func (f *fold) visited(p *profile, customer, location uint32) {
	key := pair[visit](customer, location)
	count := f.visits[key] + 1
	f.visits[key] = count
	if p.topLocation < 0 {
		p.topLocation = int32(location)
		return
	}
	top := uint32(p.topLocation)
	if most := f.visits[pair[visit](customer, top)]; count > most || count == most && f.locations.text(location) < f.locations.text(top) {
		p.topLocation = int32(location)
	}
}
