package archtest

import (
	"time"

	"lkbench/architectures"
)

const (
	// workFor is about how long a component on demand works on the stream of a trial, from when it takes it up to the switch.
	workFor = 200 * time.Millisecond
	// workWithin is how long a hunt waits for it to take up the work, be it again.
	workWithin = 5 * time.Second
)

// hunt kills a component on demand again and again, each time so long after it has taken up the work, as long as it does.
func (tr *trial) hunt(name string, waits []time.Duration) error {
	attempts := 0
	for _, wait := range waits {
		for deadline := time.Now().Add(workWithin); ; {
			r, err := tr.system.(architectures.Reprocessor).Reprocessing(tr.ctx)
			if err == nil && r != nil && r.Attempts > attempts {
				attempts = r.Attempts
				break
			}
			if time.Now().After(deadline) {
				return nil
			}
			if err := tr.sleep(time.Millisecond); err != nil {
				return err
			}
		}
		if err := tr.sleep(wait); err != nil {
			return err
		}
		p := tr.keeper.current(name)
		if p == nil || ended(p) {
			continue
		}
		if err := p.Kill(); err != nil {
			return err
		}
		<-p.Done() // it may have ended by itself at the last moment
	}
	return nil
}
