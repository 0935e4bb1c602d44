// Package loadgen drives the load: when each event is due (Schedule), what it says (Source), sending it on time whatever
// the system under test does (Generator), and what became of it (the ledger).
//
// Schedule and Source are pure functions of a scenario, its seed and the number of the event, so any output row leads back
// through its TransactionID to the moment at which its event was intended to be sent, and to its bytes.
package loadgen

// MaxEvents is the number of events that a TransactionID can tell apart.
const MaxEvents = 100_000_000_000

const idLength = 1 + 11 // T and the digits of MaxEvents-1

// AppendID appends the TransactionID of event n: T and n in eleven digits. n must be below MaxEvents.
func AppendID(dst []byte, n uint64) []byte {
	dst = append(dst, "T00000000000"...)
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	return dst
}

// ParseID returns the n of a TransactionID that AppendID wrote; false for anything else.
func ParseID(id []byte) (n uint64, ok bool) {
	if len(id) != idLength || id[0] != 'T' {
		return 0, false
	}
	for _, c := range id[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// Kind says what is unusual about an event, as a set of flags. Zero is an ordinary one.
type Kind uint16

const (
	Duplicate  Kind = 1 << iota // the bytes of an earlier event again, soon
	Malformed                   // no transaction by the rules of docs/workload.md
	Late                        // event time moved back by events.late.by
	Disordered                  // event time moved back by up to events.disorder.max
	Missing                     // without balance or without location
	Boundary                    // on a rule's threshold or beside it
	Repeated                    // the bytes of an earlier event again, beyond rules.dedup_horizon
	Oversized                   // malformed, and nearly as large as a broker takes
	Bursting                    // raises an alert, in a burst of such events
)

// Event is what is sent at one turn.
type Event struct {
	Key, Value []byte // Value follows Key in the same array
	Kind       Kind
	Original   uint64 // the event whose bytes these are: n itself, or an earlier one if Kind has Duplicate or Repeated
}

// Source gives the bytes of every event. It may be asked in any order and from any goroutine, and always answers the same.
type Source interface {
	// Event appends key and value of event n, n < Schedule.Len, to buf and returns them; it allocates only if buf has too
	// little room.
	Event(n uint64, buf []byte) Event
}
