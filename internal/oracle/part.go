package oracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"lkbench/loadgen"
)

// part is one partition of the topic on its way through the judgement.
type part struct {
	partition int32
	chunks    chan chunk
	last      int64 // offset of the last record
	decoder   decoder
	buf       []byte
	fold      *fold
	broker    brokerTally
}

// errStopped stops the reader of the topic when a partition's worker has failed with the error to report.
var errStopped = errors.New("stopped")

// foldTopic reads the topic, each partition in a goroutine of its own, and returns the partitions in order.
func foldTopic(dir string, cfg JudgeConfig, ledger *loadgen.Ledger, now progress, answers []answer) ([]*part, error) {
	probed := map[string]bool{}
	for _, a := range answers {
		probed[a.Customer] = true
	}
	workers, ctx := errgroup.WithContext(context.Background())
	parts := map[int32]*part{}
	_, err := load(dir, topicFile, unpacked(func(r io.Reader, name string) (struct{}, error) {
		err := readTopic(r, func(c chunk) error {
			p := parts[c.partition]
			if p == nil {
				p = &part{
					partition: c.partition, chunks: make(chan chunk, 4), last: -1,
					fold:   newFold(cfg.Rules, cfg.Schedule.Len(), now.cutOf(c.partition), probed),
					broker: brokerTally{inPlace: newBits(ledger.Len())},
				}
				parts[c.partition] = p
				workers.Go(func() error { return p.run(cfg, ledger) })
			}
			select {
			case p.chunks <- c:
				return nil
			case <-ctx.Done():
				return errStopped
			}
		})
		for _, p := range parts {
			close(p.chunks)
		}
		if workerErr := workers.Wait(); workerErr != nil {
			err = workerErr
		}
		if err != nil {
			return struct{}{}, fmt.Errorf("%s: %w: the file is damaged", name, err)
		}
		return struct{}{}, nil
	}))
	return slices.SortedFunc(maps.Values(parts), func(a, b *part) int { return cmp.Compare(a.partition, b.partition) }), err
}

// run takes the partition's records as they come.
func (p *part) run(cfg JudgeConfig, ledger *loadgen.Ledger) error {
	for c := range p.chunks {
		err := c.each(func(r record) error {
			if r.offset <= p.last {
				return fmt.Errorf("offset %d follows %d", r.offset, p.last)
			}
			p.last = r.offset
			return p.take(r, cfg, ledger)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *part) take(r record, cfg JudgeConfig, ledger *loadgen.Ledger) error {
	if r.kind != recordForeign && r.n >= cfg.Schedule.Len() {
		return fmt.Errorf("offset %d names event %d of %d", r.offset, r.n, cfg.Schedule.Len())
	}
	turn := p.broker.check(ledger, p.partition, r)
	value := r.value
	if r.kind == recordSame {
		event := cfg.Source.Event(r.n, p.buf[:0])
		p.buf, value = event.Key, event.Value
	}
	tx, err := p.decoder.decode(value)
	if err != nil {
		p.fold.malformed(r.offset)
		return nil
	}
	p.fold.add(r.offset, turn, &tx)
	return nil
}
