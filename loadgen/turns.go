package loadgen

import (
	"fmt"
	"math"
	"time"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

const (
	// farthestDuplicate is how many turns at most lie between an event and its repetition within the horizon.
	farthestDuplicate = 5000
	// settledTurns is how many turns before the present one the event time of every partition has surely reached: that none
	// of so many events in a row goes to a partition does not happen, even with 64 of them.
	settledTurns = 1000
)

// turns decides what each turn holds, before any content: an ordinary event, a malformed one, the repetition of an earlier
// one; and at which event time. Both sources share it.
type turns struct {
	schedule *Schedule
	seed     uint64
	base     bank.Micros // event time of event 0
	speed    float64

	// Upper ends on one uniform 32-bit number: below the first malformed, below the second …
	malformed, duplicate, boundary, repeated, oversized uint64
	late, disorder                                      uint64 // likewise on another
	lateBy, disorderMax                                 bank.Micros

	beyond time.Duration // how far back, at least, an event was due that is repeated beyond the horizon
	burst  burst
}

// burst is when events raise alerts: for length, each time that every has passed since the end of warm-up.
type burst struct {
	every, length time.Duration // every is 0 if there is none
	share         uint64
}

// turn is what one number stands for.
type turn struct {
	kind     Kind
	original uint64 // whose content it is
	draw     draw   // goes on with the original's content
}

func newTurns(s *scenarios.Scenario, schedule *Schedule, base bank.Micros) (turns, error) {
	e := s.Events
	malformed, duplicate, boundary := float64(e.Malformed), float64(e.Duplicates), float64(e.Boundary)
	repeated, oversized := float64(e.Repeats), float64(e.Oversized)
	late, disorder := float64(e.Late.Share), float64(e.Disorder.Share)
	for _, share := range []float64{malformed, duplicate, boundary, repeated, oversized, late, disorder} {
		if !(share >= 0 && share <= 1) {
			return turns{}, fmt.Errorf("events: a share is %v, expected 0 to 1", share)
		}
	}
	switch what := malformed + duplicate + boundary + repeated + oversized; {
	case what > 1:
		return turns{}, fmt.Errorf("events: malformed, duplicates, boundary, repeats and oversized add up to %v, expected at most 1", what)
	case late+disorder > 1:
		return turns{}, fmt.Errorf("events: the shares of late and disorder add up to %v, expected at most 1", late+disorder)
	case !(e.Speed > 0 && e.Speed <= 1e6):
		return turns{}, fmt.Errorf("events.speed is %v, expected more than 0 and at most 1000000", e.Speed)
	case e.Late.By < 0 || e.Disorder.Max < 0:
		return turns{}, fmt.Errorf("events: late.by is %v and disorder.max %v nanoseconds, expected 0 or more", int64(e.Late.By), int64(e.Disorder.Max))
	case s.Rules.DedupHorizon < 0:
		return turns{}, fmt.Errorf("rules.dedup_horizon is %v, expected 0 or more", s.Rules.DedupHorizon)
	}
	burst, err := newBurst(e.Burst)
	if err != nil {
		return turns{}, err
	}
	t := turns{
		schedule: schedule, seed: s.Seed, base: base, speed: e.Speed, burst: burst,
		malformed: threshold(malformed), duplicate: threshold(malformed + duplicate), boundary: threshold(malformed + duplicate + boundary),
		repeated:  threshold(malformed + duplicate + boundary + repeated),
		oversized: threshold(malformed + duplicate + boundary + repeated + oversized),
		late:      threshold(late), disorder: threshold(late + disorder),
		lateBy: bank.Micros(e.Late.By / 1000), disorderMax: bank.Micros(e.Disorder.Max / 1000),
	}
	// What makes a partition's event time newest may itself be moved back.
	back := s.Rules.DedupHorizon
	if e.Disorder.Share > 0 {
		back = max(back, s.Rules.DedupHorizon+e.Disorder.Max)
	}
	if e.Late.Share > 0 {
		back = max(back, s.Rules.DedupHorizon+e.Late.By)
	}
	const rounding = 2 * time.Microsecond // of two event times
	t.beyond = time.Duration(math.Ceil(float64(time.Duration(back)+rounding)/e.Speed)) + 1
	return t, nil
}

func newBurst(b *scenarios.Burst) (burst, error) {
	switch {
	case b == nil:
		return burst{}, nil
	case b.For <= 0 || b.Every < b.For:
		return burst{}, fmt.Errorf("events.burst lasts %v every %v, expected more than 0, and no longer than from one to the next", b.For, b.Every)
	case !(b.Share >= 0 && b.Share <= 1):
		return burst{}, fmt.Errorf("events.burst.share is %v, expected 0 to 1", b.Share)
	}
	return burst{every: time.Duration(b.Every), length: time.Duration(b.For), share: threshold(float64(b.Share))}, nil
}

// at says what turn n holds.
func (t *turns) at(n uint64) turn {
	this, again := t.plain(n)
	var end, count uint64 // what may be repeated: the last count events before number end
	switch again {
	case Duplicate:
		end, count = n, min(n, farthestDuplicate)
	case Repeated:
		end = t.forgotten(n)
		count = end
	}
	if count == 0 {
		return this
	}
	chosen := end - 1 - this.draw.below(count)
	// The next earlier one if that one is itself malformed or a repetition. Where there is none near, an ordinary event.
	for back := uint64(0); back < 100 && back <= chosen; back++ {
		if earlier, repeats := t.plain(chosen - back); repeats == 0 && earlier.kind&Malformed == 0 {
			earlier.kind |= again
			return earlier
		}
	}
	return this
}

// forgotten is how many events are so old at turn n that their repetition is one beyond the horizon.
func (t *turns) forgotten(n uint64) uint64 {
	if n < settledTurns {
		return 0
	}
	return t.schedule.Due(t.schedule.Intended(n-settledTurns) - t.beyond)
}

// plain is turn n without the look back: again is Duplicate or Repeated if it is meant to be a repetition, else 0.
func (t *turns) plain(n uint64) (this turn, again Kind) {
	this = turn{original: n, draw: drawFor(t.seed, n)}
	a, b := this.draw.halves()
	what, when := uint64(a), uint64(b)
	switch {
	case what < t.malformed:
		this.kind = Malformed
	case what < t.duplicate:
		again = Duplicate
	case what < t.boundary:
		this.kind = Boundary
	case what < t.repeated:
		again = Repeated
	case what < t.oversized:
		this.kind = Malformed | Oversized
	case t.burst.every > 0 && t.bursts(n) && uint64(uint32(this.draw.next())) < t.burst.share:
		this.kind = Bursting
	}
	switch {
	case when < t.late:
		this.kind |= Late
	case when < t.disorder:
		this.kind |= Disordered
	}
	return this, again
}

// bursts says whether event n is due in a burst.
func (t *turns) bursts(n uint64) bool {
	since := t.schedule.Intended(n) - t.schedule.WarmupEnd()
	return since >= t.burst.every && since%t.burst.every < t.burst.length
}

// eventTime is the event time of an ordinary event in the given place of the schedule, moved back if the turn is late or
// disordered.
func (t *turns) eventTime(place uint64, this *turn) bank.Micros {
	at := t.base + bank.Micros(float64(t.schedule.Intended(place))*t.speed/1000)
	switch {
	case this.kind&Late != 0:
		at -= t.lateBy
	case this.kind&Disordered != 0:
		at -= bank.Micros(this.draw.below(uint64(t.disorderMax) + 1))
	}
	return at
}
