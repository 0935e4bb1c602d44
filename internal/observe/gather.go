package observe

import (
	"io"
	"time"
)

const (
	gatherRows   = 64                     // a transaction with more rows than this is read in larger pieces
	gatherPause  = 200 * time.Microsecond // the runtime may well make a millisecond of it
	gatherBuffer = 1 << 16
)

// gatherReader reads the connection of a follower. The server sends every row on its own, and a follower that is up with it
// would wake up for each: some microseconds of CPU a row, on both sides. So in the middle of a large transaction it waits
// a moment before it reads on, and gets many rows at once. Small transactions are not delayed. The wait is part of the
// observer lag, and of latencies, like any other delay on the way.
type gatherReader struct {
	r    io.Reader
	f    *Follower
	full bool // the last read got all it asked for: more is waiting
}

func (g *gatherReader) Read(to []byte) (int, error) {
	if g.f.rows > gatherRows && !g.full {
		time.Sleep(gatherPause)
	}
	n, err := g.r.Read(to)
	g.full = n == len(to)
	return n, err
}
