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
	cut       []placed // acknowledged events that the broker has thrown away, in log order
	unknown   int64    // offsets among them that no acknowledged event holds
	last      int64    // offset of the last record
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
	open := func(partition int32, cut []placed, unknown int64) *part {
		p := &part{
			partition: partition, chunks: make(chan chunk, 4), cut: cut, unknown: unknown, last: -1,
			fold:   newFold(cfg.final(), cfg.Schedule.Len(), now.cutOf(partition), probed),
			broker: brokerTally{inPlace: newBits(ledger.Len())},
		}
		parts[partition] = p
		workers.Go(func() error { return p.run(cfg, ledger) })
		return p
	}
	begin := func(starts []int64) error {
		for partition, cut := range cutEvents(ledger, starts) {
			if start := starts[partition]; start > 0 {
				open(int32(partition), cut, start-distinct(cut))
			}
		}
		return nil
	}
	deliver := func(c chunk) error {
		p := parts[c.partition]
		if p == nil {
			p = open(c.partition, nil, 0)
		}
		select {
		case p.chunks <- c:
			return nil
		case <-ctx.Done():
			return errStopped
		}
	}
	_, err := load(dir, topicFile, unpacked(func(r io.Reader, name string) (struct{}, error) {
		err := readTopic(r, begin, deliver)
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

// run takes the events that were cut off, as if they still stood in the log, then the partition's records as they come.
func (p *part) run(cfg JudgeConfig, ledger *loadgen.Ledger) error {
	for _, e := range p.cut {
		if err := p.take(record{offset: e.offset, n: e.n, kind: recordSame}, cfg, ledger); err != nil {
			return err
		}
		p.last = e.offset
	}
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
