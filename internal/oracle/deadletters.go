package oracle

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// deadLetterTally is the outcome of holding the dead letters against the malformed records. A record may be there
// several times: dead letters are delivered at least once.
type deadLetterTally struct {
	expected, found, missing, unexpected int64

	differences differences
}

// compareDeadLetters reads dead_letters.csv: source partition, source offset, reason.
func compareDeadLetters(r io.Reader, name string, parts []*part) (deadLetterTally, error) {
	var t deadLetterTally
	type source struct {
		partition int32
		offset    int64
	}
	found := map[source]bool{}
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = 3
	rows.ReuseRecord = true
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
		partition, errP := strconv.ParseInt(row[0], 10, 32)
		offset, errO := strconv.ParseInt(row[1], 10, 64)
		from := source{int32(partition), offset}
		if errP == nil && errO == nil && isMalformed(parts, from.partition, offset) {
			found[from] = true
			continue
		}
		t.unexpected++
		t.differences.add("dead_letters", kindUnexpected, func() (string, string, string) {
			return fmt.Sprintf("partition %s offset %s", row[0], row[1]), "", row[2]
		})
	}
	for _, p := range parts {
		for _, offset := range p.fold.deadLetters {
			t.expected++
			if found[source{p.partition, offset}] {
				continue
			}
			t.missing++
			t.differences.add("dead_letters", kindMissing, func() (string, string, string) {
				return placeOf(p.partition, offset), "a dead letter", ""
			})
		}
	}
	t.found = int64(len(found))
	return t, nil
}

// isMalformed says whether the record is one that must be a dead letter.
func isMalformed(parts []*part, partition int32, offset int64) bool {
	for _, p := range parts {
		if p.partition == partition {
			_, there := slices.BinarySearch(p.fold.deadLetters, offset)
			return there
		}
	}
	return false
}
