package native

import (
	"errors"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/bank"
)

// bounds limit memory. A batch may pass its own by one poll, since they are looked at between polls.
type bounds struct {
	events int // of a batch
	bytes  int // of the records that a batch refers to
	// poll is the number of records taken at once, so that a commit that falls due under backlog waits for a few
	// milliseconds of decoding at most.
	poll int
}

var usual = bounds{events: 250_000, bytes: 64 << 20, poll: 10_000}

// row is one partition's row of table offsets as this process knows it.
type row struct {
	next        int64
	newest      bank.Micros
	rebuild     int64
	late        int64
	duplicates  int64
	deadLetters int64
}

// intake is the first stage: it turns records into batches. It owns everything that depends on the order of records.
type intake struct {
	config     Config
	bounds     bounds
	partitions []*partition
	batch      *Batch
	silent     bool // malformed records are counted, but another component produces them
}

// partition is where the intake stands in one partition. Below resume lies what was committed before the process
// started, read again from resume's rebuild offset on.
type partition struct {
	number      int32
	read        int64 // offset of the next record to read
	resume      int64
	next        int64 // of the next record to take, once it is not below resume
	until       int64 // records from here on are left for later
	taken       int64 // next_offset that the batches handed over so far leave behind
	state       *detector
	deadLetters int64
}

// newIntake stands where rows, by number of partition, say.
func newIntake(config Config, bounds bounds, rows []row) *intake {
	in := &intake{config: config, bounds: bounds, batch: &Batch{}}
	for n, r := range rows {
		p := &partition{
			number: int32(n), read: r.next, resume: r.next, next: r.next, until: math.MaxInt64, taken: r.next, deadLetters: r.deadLetters,
		}
		if config.Detect {
			p.read = r.rebuild
			p.state = newDetector(config.Environment.Rules, r.newest)
			p.state.late, p.state.duplicates = r.late, r.duplicates
		}
		in.partitions = append(in.partitions, p)
	}
	return in
}

// start is the offset to read each partition from: where the state is rebuilt from, or where the intake stands.
func (in *intake) start() []int64 {
	from := make([]int64, len(in.partitions))
	for n, p := range in.partitions {
		from[n] = p.read
	}
	return from
}

// bound has the intake take records below the given offsets only, by partition; nil: all.
func (in *intake) bound(until []int64) {
	for n, p := range in.partitions {
		p.until = math.MaxInt64
		if until != nil {
			p.until = until[n]
		}
	}
}

// bounded says that everything below the bounds was handed over.
func (in *intake) bounded() bool {
	for _, p := range in.partitions {
		if p.next < p.until || p.taken < p.next {
			return false
		}
	}
	return true
}

// cut tells that the log of a partition now begins at start: what was before cannot be read any more.
func (in *intake) cut(number int32, start int64) {
	p := in.partitions[number]
	p.read = max(p.read, start)
	p.next = max(p.next, min(start, p.until))
}

// take adds the next record of a partition to the batch, or to the state only if it was committed before.
func (in *intake) take(r *kgo.Record) {
	p, b := in.partitions[r.Partition], in.batch
	if r.Offset >= p.until {
		p.next = max(p.next, p.until) // there is nothing between: compaction, or the log was cut
		return
	}
	p.read = r.Offset + 1
	n := len(b.Events)
	if n < cap(b.Events) {
		b.Events = b.Events[:n+1]
	} else {
		b.Events = append(b.Events, Event{})
	}
	e := &b.Events[n]
	e.Partition, e.Offset, e.Count, e.Unsettled = r.Partition, r.Offset, 0, false
	err := bank.Decode(r.Value, &e.Transaction)
	if r.Offset < p.resume {
		if err == nil {
			p.state.rebuild(e)
		}
		b.Events = b.Events[:n]
		return
	}
	p.next = r.Offset + 1
	if err != nil {
		b.Events = b.Events[:n]
		in.malformed(p, r, err)
		return
	}
	if p.state != nil {
		switch p.state.see(e) {
		case duplicate:
			b.Events = b.Events[:n]
			return
		case unsettled:
			if e.Unsettled = in.config.Unsettled; !e.Unsettled {
				b.unsettled = append(b.unsettled, n)
			}
		}
	}
	b.bytes += len(r.Value)
}

func (in *intake) malformed(p *partition, r *kgo.Record, err error) {
	if !in.config.DeadLetters {
		return
	}
	p.deadLetters++
	if in.silent {
		return
	}
	l := letter{partition: r.Partition, offset: r.Offset, key: r.Key, value: r.Value, reason: err.Error()}
	if m := (*bank.Malformed)(nil); errors.As(err, &m) {
		l.reason = m.Reason
	}
	in.batch.letters = append(in.batch.letters, l)
	in.batch.bytes += len(r.Value)
}

// full says that the batch should take no more records until it was handed over.
func (in *intake) full() bool {
	return len(in.batch.Events) >= in.bounds.events || in.batch.bytes >= in.bounds.bytes
}

// waiting says that there is something to commit, be it only that records were passed.
func (in *intake) waiting() bool {
	for _, p := range in.partitions {
		if p.next > p.taken {
			return true
		}
	}
	return false
}

// handOver closes the batch and goes on with an empty one in the memory of used, which is not used elsewhere any more.
func (in *intake) handOver(used *Batch) *Batch {
	b := in.batch
	for _, p := range in.partitions {
		if p.next == p.taken {
			continue
		}
		pos := position{partition: p.number, believed: p.taken, row: row{
			next: p.next, newest: noTime, rebuild: p.next, deadLetters: p.deadLetters,
		}}
		if d := p.state; d != nil {
			pos.newest, pos.late, pos.duplicates = d.newest, d.late, d.duplicates
			pos.rebuild = d.floor.offset(d.newest-d.horizon, p.next)
		}
		b.positions = append(b.positions, pos)
		p.taken = p.next
	}
	used.reset()
	in.batch = used
	return b
}

// position is what a batch makes of one partition's row in offsets.
type position struct {
	partition int32
	believed  int64 // next_offset before the commit
	row             // after it
}

// letter is a malformed record on its way to the dead-letter topic.
type letter struct {
	partition  int32
	offset     int64
	key, value []byte
	reason     string
}

// fold folds all events into b.Fold.
func (b *Batch) fold(rules bank.Rules) {
	if b.Fold == nil {
		b.Fold = NewFold(rules)
	}
	b.Fold.Reset()
	for i := range b.Events {
		b.Fold.Add(&b.Events[i])
	}
	b.Fold.encode()
}

func (b *Batch) reset() {
	clear(b.Events) // drop the references to fetched records
	clear(b.letters)
	b.Events, b.letters = b.Events[:0], b.letters[:0]
	b.positions, b.unsettled, b.bytes = b.positions[:0], b.unsettled[:0], 0
}
