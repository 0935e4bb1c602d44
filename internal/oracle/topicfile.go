package oracle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The file topic.zst, uncompressed: "lkbt", a version byte, a uvarint number of partitions and for each a uvarint offset at
// which its log began when it was read (above 0 if the broker has thrown away what was before), then chunks of records of one
// partition in log order
//
//	uvarint partition+1, uvarint records, uvarint bytes of what follows, then a record
//	  uvarint offset−previous<<2|kind, varint n−previous (not for foreign), key and value (not for same)
//
// where previous is 0 at a chunk's start, and key and value are a uvarint length+1 (0: null) and the bytes. At the end
// stands a uvarint 0 and the uvarint number of all records.
const (
	topicMagic    = "lkbt\x02"
	maxChunkBytes = 256 << 20
	maxPartitions = 1 << 16
	chunkRecords  = 4096
)

// The kinds of a record in the topic.
const (
	recordSame    = iota // key and value are those of event n
	recordAltered        // header n names an event, but key or value differ from it
	recordForeign        // no event of this run
)

// noTurn is the n of a foreign record.
const noTurn = math.MaxUint64

// record is one record of the topic. Key and value are kept for altered and foreign ones only.
type record struct {
	offset     int64
	n          uint64
	kind       int
	key, value []byte
}

// topicWriter writes topic.zst's content. It is not safe for concurrent use.
type topicWriter struct {
	w       io.Writer
	records uint64
	body    []byte
	head    []byte
}

// newTopicWriter writes the head of the file. starts are the offsets at which the partitions' logs begin.
func newTopicWriter(w io.Writer, starts []int64) (*topicWriter, error) {
	head := binary.AppendUvarint([]byte(topicMagic), uint64(len(starts)))
	for _, start := range starts {
		head = binary.AppendUvarint(head, uint64(start))
	}
	_, err := w.Write(head)
	return &topicWriter{w: w}, err
}

// write appends records of one partition, in log order.
func (t *topicWriter) write(partition int32, records []record) error {
	for len(records) > 0 {
		n := min(len(records), chunkRecords)
		if err := t.chunk(partition, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (t *topicWriter) chunk(partition int32, records []record) error {
	body := t.body[:0]
	offset, n := int64(0), uint64(0)
	for _, r := range records {
		body = binary.AppendUvarint(body, uint64(r.offset-offset)<<2|uint64(r.kind))
		offset = r.offset
		if r.kind != recordForeign {
			body = binary.AppendVarint(body, int64(r.n-n))
			n = r.n
		}
		if r.kind != recordSame {
			body = appendBytes(appendBytes(body, r.key), r.value)
		}
	}
	t.body = body
	t.records += uint64(len(records))
	t.head = binary.AppendUvarint(t.head[:0], uint64(partition)+1)
	t.head = binary.AppendUvarint(t.head, uint64(len(records)))
	t.head = binary.AppendUvarint(t.head, uint64(len(body)))
	if _, err := t.w.Write(t.head); err != nil {
		return err
	}
	_, err := t.w.Write(body)
	return err
}

// close writes the end mark; it does not close the underlying writer.
func (t *topicWriter) close() error {
	_, err := t.w.Write(binary.AppendUvarint([]byte{0}, t.records))
	return err
}

func appendBytes(to, b []byte) []byte {
	if b == nil {
		return append(to, 0)
	}
	return append(binary.AppendUvarint(to, uint64(len(b))+1), b...)
}

// chunk is a run of records of one partition, not yet decoded.
type chunk struct {
	partition int32
	records   int
	body      []byte
}

// readTopic hands the starts of the partitions of an uncompressed topic file to begin, then its chunks to deliver, which may
// keep them.
func readTopic(r io.Reader, begin func(starts []int64) error, deliver func(chunk) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	magic := make([]byte, len(topicMagic))
	if _, err := io.ReadFull(in, magic); err != nil {
		return fmt.Errorf("the first bytes: %w", whole(err))
	}
	if string(magic) != topicMagic {
		return fmt.Errorf("starts with %q, not %q: not a topic file of this version", magic, topicMagic)
	}
	starts, err := readStarts(in)
	if err != nil {
		return fmt.Errorf("the starts of the partitions: %w", err)
	}
	if err := begin(starts); err != nil {
		return err
	}
	total := uint64(0)
	for {
		var head [3]uint64
		for i := range head {
			v, err := binary.ReadUvarint(in)
			if err != nil {
				return fmt.Errorf("after record %d: %w", total, whole(err))
			}
			head[i] = v
			if i == 1 && head[0] == 0 {
				break
			}
		}
		if head[0] == 0 {
			if head[1] != total {
				return fmt.Errorf("holds %d records, but its end says %d", total, head[1])
			}
			if _, err := in.ReadByte(); err != io.EOF {
				return errors.New("goes on after its end")
			}
			return nil
		}
		if head[0] > maxPartitions || head[2] > maxChunkBytes || head[1] > head[2] {
			return fmt.Errorf("after record %d: an impossible chunk (partition %d, %d records, %d bytes)", total, head[0]-1, head[1], head[2])
		}
		body, err := readN(in, int(head[2]))
		if err != nil {
			return fmt.Errorf("after record %d: %w", total, whole(err))
		}
		total += head[1]
		if err := deliver(chunk{partition: int32(head[0] - 1), records: int(head[1]), body: body}); err != nil {
			return err
		}
	}
}

func readStarts(in io.ByteReader) ([]int64, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, whole(err)
	}
	if n > maxPartitions {
		return nil, fmt.Errorf("%d partitions, which is impossible", n)
	}
	starts := make([]int64, n)
	for i := range starts {
		start, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, whole(err)
		}
		if start > math.MaxInt64 {
			return nil, fmt.Errorf("partition %d begins at an impossible offset", i)
		}
		starts[i] = int64(start)
	}
	return starts, nil
}

// readN reads n bytes. It does not believe n before the bytes are there.
func readN(in io.Reader, n int) ([]byte, error) {
	if n <= 1<<20 {
		body := make([]byte, n)
		_, err := io.ReadFull(in, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(in, int64(n)))
	if err == nil && len(body) < n {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// whole names the end of a file for what it is inside of one.
func whole(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file ends too early")
	}
	return err
}

// each decodes the chunk's records. Keys and values refer to the chunk.
func (c chunk) each(do func(record) error) error {
	in := cursor{rest: c.body}
	offset, n := int64(0), uint64(0)
	for i := range c.records {
		tag := in.uvarint()
		offset += int64(tag >> 2)
		r := record{offset: offset, n: noTurn, kind: int(tag & 3)}
		if r.kind != recordForeign {
			n += uint64(in.varint())
			r.n = n
		}
		if r.kind != recordSame {
			r.key, r.value = in.bytes(), in.bytes()
		}
		if in.bad || offset < 0 || r.kind > recordForeign {
			return fmt.Errorf("partition %d: record %d of a chunk cannot be read", c.partition, i)
		}
		if err := do(r); err != nil {
			return fmt.Errorf("partition %d: %w", c.partition, err)
		}
	}
	if len(in.rest) > 0 {
		return fmt.Errorf("partition %d: %d bytes left in a chunk", c.partition, len(in.rest))
	}
	return nil
}

// cursor reads numbers and byte strings off a slice; bad is set if one was not there.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	return v * c.advance(n)
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	return v * int64(c.advance(n))
}

// advance steps over n bytes; it returns 0 if there was nothing to read, else 1.
func (c *cursor) advance(n int) uint64 {
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return 1
}

func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	if n--; n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}
