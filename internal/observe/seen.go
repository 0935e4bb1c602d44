package observe

// seen is the set of alerts already seen: one byte an event, one bit a rule, in pieces that are allocated when first
// touched. Ten million events need 10 MB.
type seen struct {
	pieces [][]uint8
	events uint64
}

const pieceBits = 16

func newSeen(events uint64) *seen {
	return &seen{pieces: make([][]uint8, (events+1<<pieceBits-1)>>pieceBits), events: events}
}

// has says whether the alert was added before. n must be below the number of events.
func (s *seen) has(n uint64, rule uint8) bool {
	piece := s.pieces[n>>pieceBits]
	return piece != nil && piece[n&(1<<pieceBits-1)]&(1<<rule) != 0
}

// add reports whether the alert is new.
func (s *seen) add(n uint64, rule uint8) bool {
	piece := &s.pieces[n>>pieceBits]
	if *piece == nil {
		*piece = make([]uint8, 1<<pieceBits)
	}
	bits := &(*piece)[n&(1<<pieceBits-1)]
	if *bits&(1<<rule) != 0 {
		return false
	}
	*bits |= 1 << rule
	return true
}
