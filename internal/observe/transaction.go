package observe

import "fmt"

// transaction is what was received of one that has not committed yet.
type transaction struct {
	pending   []uint64 // n<<8 | rule
	rows      int64    // of it, with those that are not pending
	repeats   int64
	undecoded int64
}

func (t *transaction) reset() {
	t.pending, t.rows, t.repeats, t.undecoded = t.pending[:0], 0, 0, 0
}

// part names a large transaction that is received while it still runs, or one of its subtransactions.
type part struct{ top, sub uint32 }

// startBlock begins a block of rows of one transaction that still runs.
func (f *walSource) startBlock(body []byte) error {
	r := reader{rest: body}
	f.block = r.u32()
	if r.bad {
		return fmt.Errorf("stream start: %w", errShort)
	}
	return nil
}

// receiving gives the transaction that a message belongs to, and takes its number off the message's front, which only
// messages within a block have.
func (f *walSource) receiving(r *reader) *transaction {
	if f.block == 0 {
		return &f.whole
	}
	key := part{f.block, r.u32()}
	t := f.parts[key]
	if t == nil {
		t = &transaction{}
		f.parts[key] = t
	}
	return t
}

// streamCommit ends a transaction that was received in blocks.
func (f *walSource) streamCommit(body []byte) error {
	r := reader{rest: body}
	top := r.u32()
	if r.bad {
		return fmt.Errorf("stream commit: %w", errShort)
	}
	c, err := parseCommit(r.rest)
	if err != nil {
		return err
	}
	all := transaction{}
	for key, t := range f.parts {
		if key.top == top {
			all.pending = append(all.pending, t.pending...)
			all.rows, all.repeats, all.undecoded = all.rows+t.rows, all.repeats+t.repeats, all.undecoded+t.undecoded
			delete(f.parts, key)
		}
	}
	f.commit(&all, c)
	return nil
}

// streamAbort forgets a transaction that was received in blocks and rolled back, or one of its subtransactions.
func (f *walSource) streamAbort(body []byte) error {
	r := reader{rest: body}
	gone := part{r.u32(), r.u32()}
	if r.bad {
		return fmt.Errorf("stream abort: %w", errShort)
	}
	for key := range f.parts {
		if key == gone || gone.sub == gone.top && key.top == gone.top {
			delete(f.parts, key)
		}
	}
	return nil
}

// commit takes the time at which all of a transaction has been received.
func (f *walSource) commit(t *transaction, c commit) {
	if t.rows > 0 {
		now := f.cfg.Now()
		commit := f.clock.harness(c.micros, now)
		f.lagged(now.Sub(commit))
		f.visible(t, commit, now)
	}
	f.advance(c.end)
}

// forget drops all that was received of transactions that have not committed; with the connection they come no more.
func (f *walSource) forget() {
	f.whole.reset()
	clear(f.parts)
	f.block = 0
}
