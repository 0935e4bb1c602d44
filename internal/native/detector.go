package native

import (
	"math"
	"time"

	"lkbench/internal/bank"
)

// noTime is the newest event time while no event was seen, in memory and in table offsets.
const noTime bank.Micros = math.MinInt64

// detector is the state of one partition: which transactions were counted within the horizon and how many each
// customer's window has. It depends only on the records seen, and on no threshold, so that reading them again gives the
// same state whatever the alerts are raised by.
type detector struct {
	rules   bank.Rules
	horizon bank.Micros
	pack    packer
	newest  bank.Micros // greatest event time so far; M in docs/workload.md
	ids     *idTable
	counts  *countTable
	floor   floor

	late, duplicates int64
}

// verdict is what the detector says about one well-formed record.
type verdict int

const (
	duplicate verdict = iota
	counted
	unsettled // counted; its window is older than the counts held, so the served view must say how many there are
)

func newDetector(rules bank.Rules, newest bank.Micros) *detector {
	horizon := bank.Micros(rules.DedupHorizon / time.Microsecond)
	return &detector{
		rules: rules, horizon: horizon, pack: newPacker(), newest: newest,
		ids: newIDTable(), counts: newCountTable(), floor: newFloor(horizon),
	}
}

// see takes the next well-formed record of the partition and sets e.Window and, unless unsettled, e.Count.
func (d *detector) see(e *Event) verdict {
	d.newest = max(d.newest, e.EventTime)
	cut := d.newest - d.horizon
	if d.ids.remember(d.pack.pack(e.ID), e.EventTime, cut) {
		d.duplicates++
		return duplicate
	}
	e.Window = d.rules.WindowStart(e.EventTime)
	if d.rules.Late(e.EventTime, d.newest) {
		d.late++
	}
	if e.EventTime >= cut {
		d.floor.see(e.EventTime, e.Offset)
	}
	if e.Window < cut {
		return unsettled
	}
	e.Count = d.counts.add(d.pack.pack(e.Customer), e.Window, cut)
	return counted
}

// rebuild takes a record again that was committed before the process started, with newest as committed.
//
// That gives the state there was: only ids and windows not older than newest − horizon can still matter; every delivery of
// such an id has the same event time, so each of them came when the horizon reached back to it, and all but the first
// were duplicates.
func (d *detector) rebuild(e *Event) {
	late, duplicates := d.late, d.duplicates
	d.see(e)
	d.late, d.duplicates = late, duplicates
}

// floor knows the lowest offset that the state can still depend on. It keeps, by coarse spans of event time, the offset of
// the first counted event in each.
type floor struct {
	span  bank.Micros
	first map[bank.Micros]int64 // by number of the span
	last  bank.Micros           // the span seen last, which is in first
}

func newFloor(horizon bank.Micros) floor {
	// 64 spans lose at most a 64th of the horizon; a second at least, so that no short horizon makes many of them.
	return floor{span: max(horizon/64, 1_000_000), first: map[bank.Micros]int64{}, last: noTime}
}

// see takes a counted event that is within the horizon. Offsets must increase from call to call.
func (f *floor) see(at bank.Micros, offset int64) {
	n := at / f.span
	if n == f.last {
		return
	}
	if _, known := f.first[n]; !known {
		f.first[n] = offset
	}
	f.last = n
}

// offset forgets the spans that lie wholly before cut and returns the lowest offset of the others, or next without any.
func (f *floor) offset(cut bank.Micros, next int64) int64 {
	lowest := next
	for n, first := range f.first {
		if (n+1)*f.span <= cut {
			delete(f.first, n)
			if n == f.last {
				f.last = noTime
			}
			continue
		}
		lowest = min(lowest, first)
	}
	return lowest
}
