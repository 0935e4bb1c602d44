package native

import (
	"context"

	"lkbench/internal/bank"
)

// Run does a component's work until ctx ends, then it returns nil. Any error means that the process should end; the
// supervisor starts it again and it resumes from table offsets. It survives restarts of Kafka and of PostgreSQL by
// itself.
func Run(ctx context.Context, c Config) error {
	panic("being written")
}

// position is what a batch makes of one partition's row in offsets.
type position struct {
	partition      int32
	believed, next int64 // next_offset before and after
	newest         bank.Micros
	rebuild        int64
	late           int64
	duplicates     int64
	deadLetters    int64
}

// letter is a malformed record on its way to the dead-letter topic.
type letter struct {
	partition  int32
	offset     int64
	key, value []byte
	reason     string
}
