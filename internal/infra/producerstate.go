package infra

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake stores only at an orderly stop which batches of an idempotent producer it has, so after a SIGKILL it would store a
// batch again whose acknowledgement the producer did not get. Apache Kafka rebuilds that knowledge from the log;
// recoverProducers does it for kfake, in kfake's file seq_windows.json.

// remembered is how many batches of a producer a partition remembers, as the protocol has it.
const remembered = 5

type sequenceWindows struct {
	Version int              `json:"version"`
	Windows []sequenceWindow `json:"windows"`
}

type sequenceWindow struct {
	Producer  int64                     `json:"pid"`
	Topic     string                    `json:"topic"`
	Partition int32                     `json:"partition"`
	Entries   [remembered]sequenceEntry `json:"entries"`
	Count     int                       `json:"count"`
	At        int                       `json:"at"` // of the oldest entry once there are as many as are remembered
	Epoch     int16                     `json:"epoch"`
	Seen      bool                      `json:"seen"`
	Next      int32                     `json:"next_seq"`
}

type sequenceEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// add remembers a batch.
func (w *sequenceWindow) add(b *kmsg.RecordBatch) {
	if !w.Seen || w.Epoch != b.ProducerEpoch { // the producer has begun anew
		w.Entries, w.Count, w.At = [remembered]sequenceEntry{}, 0, 0
	}
	w.Seen, w.Epoch = true, b.ProducerEpoch
	w.Next = int32((int64(b.FirstSequence) + int64(b.NumRecords)) % math.MaxInt32)
	w.Entries[w.At] = sequenceEntry{b.FirstSequence, w.Next, b.FirstOffset}
	w.At = (w.At + 1) % remembered
	w.Count = min(w.Count+1, remembered)
}

// recoverProducers brings a broker's directory to what an orderly stop would have left about its producers. A directory
// without a log needs nothing.
func recoverProducers(dir string) error {
	partitions, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all := sequenceWindows{Version: 1}
	for _, p := range partitions {
		windows, err := partitionWindows(filepath.Join(dir, "partitions", p.Name()))
		if err != nil {
			return err
		}
		all.Windows = append(all.Windows, windows...)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "seq_windows.json")
	if err := os.WriteFile(path+".tmp", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// partitionWindows reads the log of one partition, a directory named TOPIC-PARTITION with one file a segment.
func partitionWindows(dir string) ([]sequenceWindow, error) {
	name := filepath.Base(dir)
	dash := strings.LastIndexByte(name, '-')
	topic, err := url.PathUnescape(name[:max(dash, 0)])
	if err != nil {
		return nil, fmt.Errorf("%s: the topic is not escaped as expected: %w", dir, err)
	}
	partition, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%s: expected TOPIC-PARTITION: %w", dir, err)
	}
	segments, err := segmentFiles(dir)
	if err != nil {
		return nil, err
	}
	producers := make(map[int64]*sequenceWindow)
	for _, segment := range segments {
		err := eachBatch(segment, func(b *kmsg.RecordBatch) {
			if b.ProducerID < 0 || b.FirstSequence < 0 { // not idempotent, or a marker
				return
			}
			w := producers[b.ProducerID]
			if w == nil {
				w = &sequenceWindow{Producer: b.ProducerID, Topic: topic, Partition: int32(partition)}
				producers[b.ProducerID] = w
			}
			w.add(b)
		})
		if err != nil {
			return nil, err
		}
	}
	var windows []sequenceWindow
	for _, w := range producers {
		windows = append(windows, *w)
	}
	return windows, nil
}

// segmentFiles lists the segments of a partition, oldest first. A segment is named after its first offset.
func segmentFiles(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	first := make(map[string]int64, len(paths))
	for _, path := range paths {
		if first[path], err = strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64); err != nil {
			return nil, fmt.Errorf("%s: expected a segment's first offset: %w", path, err)
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(first[a], first[b]) })
	return paths, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// eachBatch reads a segment up to its end or to the first batch that is not whole, which is where the broker cuts it.
func eachBatch(path string, visit func(*kmsg.RecordBatch)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const (
		prefix = 12 // first offset and length of what follows
		summed = 21 // where the part begins that the checksum before it covers
	)
	reader := bufio.NewReaderSize(f, 1<<20)
	var batch []byte
	for {
		head, err := reader.Peek(prefix)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(head[8:])
		if length < summed-prefix || length > 1<<30 {
			return nil
		}
		batch = slices.Grow(batch[:0], prefix+int(length))[:prefix+int(length)]
		if _, err := io.ReadFull(reader, batch); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
		var b kmsg.RecordBatch
		if binary.BigEndian.Uint32(batch[summed-4:]) != crc32.Checksum(batch[summed:], castagnoli) || b.ReadFrom(batch) != nil {
			return nil
		}
		visit(&b)
	}
}
