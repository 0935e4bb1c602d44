package oracle

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// The files of a run's folder that Collect writes and Judge reads.
const (
	ledgerFile      = "ledger"
	topicFile       = "evidence/topic.zst"
	deadLettersFile = "evidence/dead_letters.csv"
	probesFile      = "evidence/probes.jsonl"
	progressFile    = "evidence/progress.json"
)

func (v view) file() string { return "evidence/" + v.name + ".csv.zst" }

// load reads one file of the folder with the given function.
func load[T any](dir, name string, read func(r io.Reader, name string) (T, error)) (T, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		var zero T
		return zero, fmt.Errorf("evidence: %w", err)
	}
	defer file.Close()
	return read(file, name)
}

// unpacked makes a reader of an uncompressed file one of a zstd file.
func unpacked[T any](read func(r io.Reader, name string) (T, error)) func(io.Reader, string) (T, error) {
	return func(r io.Reader, name string) (T, error) {
		// zstd takes no bytes at all for an empty stream.
		in := bufio.NewReader(r)
		_, err := in.Peek(1)
		if err == io.EOF {
			err = errors.New("the file is empty: it is damaged")
		}
		var unpack *zstd.Decoder
		if err == nil {
			unpack, err = zstd.NewReader(in, zstd.WithDecoderMaxWindow(64<<20)) // ours is 4 MiB
		}
		if err != nil {
			var zero T
			return zero, fmt.Errorf("%s: %w", name, err)
		}
		defer unpack.Close()
		return read(unpack, name)
	}
}

// progress is progress.json: what the oracle needs of architectures.Progress.
type progress struct {
	Positions []struct {
		Component string `json:"component"`
		Late      int64  `json:"late"`
	} `json:"positions"`
	Cut []int64 `json:"cut"`
}

func readProgress(r io.Reader, name string) (p progress, err error) {
	text, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// late is how many late events the stream component says it has counted.
func (p progress) late() (int64, error) {
	sum, found := int64(0), false
	for _, position := range p.Positions {
		if position.Component == "stream" || position.Component == "speed" {
			sum, found = sum+position.Late, true
		}
	}
	if !found {
		return 0, fmt.Errorf("%s names neither a component stream nor speed", progressFile)
	}
	return sum, nil
}

// cutOf is the offset below which the batch layer answers; 0 without one.
func (p progress) cutOf(partition int32) int64 {
	if int(partition) < len(p.Cut) {
		return p.Cut[partition]
	}
	return 0
}
