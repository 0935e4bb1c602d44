package loadgen

import (
	"fmt"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

// farthestDuplicate is how many turns at most lie between an event and its repetition.
const farthestDuplicate = 5000

// turns decides what each turn holds, before any content: an ordinary event, a malformed one, the repetition of an earlier
// one; and at which event time. Both sources share it.
type turns struct {
	schedule *Schedule
	seed     uint64
	base     bank.Micros // event time of event 0
	speed    float64

	malformed, duplicate, boundary uint64 // upper ends on one uniform 32-bit number: below the first malformed, below the second …
	late, disorder                 uint64 // likewise on another
	lateBy, disorderMax            bank.Micros
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
	late, disorder := float64(e.Late.Share), float64(e.Disorder.Share)
	for _, share := range []float64{malformed, duplicate, boundary, late, disorder} {
		if !(share >= 0 && share <= 1) {
			return turns{}, fmt.Errorf("events: a share is %v, expected 0 to 1", share)
		}
	}
	switch {
	case malformed+duplicate+boundary > 1:
		return turns{}, fmt.Errorf("events: malformed, duplicates and boundary add up to %v, expected at most 1", malformed+duplicate+boundary)
	case late+disorder > 1:
		return turns{}, fmt.Errorf("events: the shares of late and disorder add up to %v, expected at most 1", late+disorder)
	case !(e.Speed > 0 && e.Speed <= 1e6):
		return turns{}, fmt.Errorf("events.speed is %v, expected more than 0 and at most 1000000", e.Speed)
	case e.Late.By < 0 || e.Disorder.Max < 0:
		return turns{}, fmt.Errorf("events: late.by is %v and disorder.max %v nanoseconds, expected 0 or more", int64(e.Late.By), int64(e.Disorder.Max))
	}
	return turns{
		schedule: schedule, seed: s.Seed, base: base, speed: e.Speed,
		malformed: threshold(malformed), duplicate: threshold(malformed + duplicate), boundary: threshold(malformed + duplicate + boundary),
		late: threshold(late), disorder: threshold(late + disorder),
		lateBy: bank.Micros(e.Late.By / 1000), disorderMax: bank.Micros(e.Disorder.Max / 1000),
	}, nil
}

// at says what turn n holds.
func (t *turns) at(n uint64) turn {
	this, repeats := t.plain(n)
	if !repeats || n == 0 {
		return this
	}
	distance := 1 + this.draw.below(min(n, farthestDuplicate))
	// The next earlier one if that one is itself malformed or a repetition. Where there is none near, an ordinary event.
	for range 100 {
		if distance > n {
			break
		}
		if earlier, repeats := t.plain(n - distance); !repeats && earlier.kind&Malformed == 0 {
			earlier.kind |= Duplicate
			return earlier
		}
		distance++
	}
	return this
}

// plain is turn n without the look back: repeats says that it is meant to be a repetition.
func (t *turns) plain(n uint64) (this turn, repeats bool) {
	this = turn{original: n, draw: drawFor(t.seed, n)}
	a, b := this.draw.halves()
	what, when := uint64(a), uint64(b)
	switch {
	case what < t.malformed:
		this.kind = Malformed
	case what < t.duplicate:
		repeats = true
	case what < t.boundary:
		this.kind = Boundary
	}
	switch {
	case when < t.late:
		this.kind |= Late
	case when < t.disorder:
		this.kind |= Disordered
	}
	return this, repeats
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
