package observe

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// The bytes below are put together by hand from the protocol's documentation, not by code of this package.

func relationMessage(oid uint32, table string, columns ...string) []byte {
	m := binary.BigEndian.AppendUint32(nil, oid)
	m = append(m, "public\x00"+table+"\x00d"...)
	m = binary.BigEndian.AppendUint16(m, uint16(len(columns)))
	for _, c := range columns {
		m = append(m, "\x00"+c+"\x00\x00\x00\x00\x19\xff\xff\xff\xff"...)
	}
	return m
}

func insertMessage(oid uint32, values ...string) []byte {
	m := append(binary.BigEndian.AppendUint32(nil, oid), 'N')
	m = binary.BigEndian.AppendUint16(m, uint16(len(values)))
	for _, v := range values {
		if v == "" {
			m = append(m, 'n')
			continue
		}
		m = binary.BigEndian.AppendUint32(append(m, 't'), uint32(len(v)))
		m = append(m, v...)
	}
	return m
}

func commitMessage(end uint64, at time.Time) []byte {
	m := binary.BigEndian.AppendUint64([]byte{0}, end-8)
	m = binary.BigEndian.AppendUint64(m, end)
	return binary.BigEndian.AppendUint64(m, uint64(at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds()))
}

// rowNumber is where the digits of the first column stand in a wrapped insert: behind the envelope, kind, table, 'N', number of
// columns, kind of column, its length, and the letter T.
const rowNumber = 25 + 1 + 4 + 1 + 2 + 1 + 4 + 1

func walMessage(kind byte, body []byte) []byte {
	return append(append([]byte{'w'}, append(make([]byte, 24), kind)...), body...)
}

func TestParse(t *testing.T) {
	rel, err := parseRelation(relationMessage(7, "alerts", "epoch", "rule", "other", "transaction_id"))
	if want := (relation{oid: 7, id: 3, rule: 1}); err != nil || rel != want {
		t.Errorf("relation %+v, %v; want %+v", rel, err, want)
	}
	id, rule, err := parseInsert(insertMessage(7, "5", "high", "", "T12")[4:], rel)
	if err != nil || string(id) != "T12" || string(rule) != "high" {
		t.Errorf("insert %q %q, %v", id, rule, err)
	}
	id, rule, err = parseInsert(insertMessage(7, "5", "", "x", "")[4:], rel)
	if err != nil || id != nil || rule != nil {
		t.Errorf("insert of nulls %q %q, %v", id, rule, err)
	}
	at := time.Date(2026, 5, 1, 2, 3, 4, 5000, time.UTC)
	c, err := parseCommit(commitMessage(99, at))
	if want := (commit{end: 99, micros: at.UnixMicro()}); err != nil || c != want {
		t.Errorf("commit %+v, %v; want %+v", c, err, want)
	}
	if _, err := parseRelation(relationMessage(7, "alerts", "transaction_id")); err == nil {
		t.Error("a table without the column rule: no error")
	}
}

// TestParseRefusesWhatIsCutShort cuts every message at every byte.
func TestParseRefusesWhatIsCutShort(t *testing.T) {
	rel := relation{oid: 7, id: 1, rule: 0}
	for name, m := range map[string]struct {
		body  []byte
		parse func([]byte) error
	}{
		"relation": {relationMessage(7, "alerts", "transaction_id", "rule"), func(b []byte) error { _, err := parseRelation(b); return err }},
		"insert":   {insertMessage(7, "high", "T12")[4:], func(b []byte) error { _, _, err := parseInsert(b, rel); return err }},
		"commit":   {commitMessage(99, time.Now()), func(b []byte) error { _, err := parseCommit(b); return err }},
	} {
		for end := range m.body {
			if m.parse(slices.Clone(m.body[:end])) == nil {
				t.Errorf("%s cut after %d of %d bytes: no error", name, end, len(m.body))
			}
		}
		if err := m.parse(m.body); err != nil {
			t.Errorf("%s whole: %v", name, err)
		}
	}
}

// FuzzHandle feeds arbitrary messages to a follower: it may refuse them but not panic, and may not see alerts outside its events.
func FuzzHandle(f *testing.F) {
	f.Add(relationMessage(7, "a", "transaction_id", "rule"), insertMessage(7, "T1", "high"), commitMessage(9, time.Now()))
	follower := offline(100)
	f.Fuzz(func(t *testing.T, rel, insert, commit []byte) {
		follower.relations = nil
		before := follower.Counts().Alerts
		_ = follower.handle(walMessage('R', rel))
		_ = follower.handle(walMessage('I', insert))
		_ = follower.handle(walMessage('C', commit))
		_ = follower.handle(insert[:min(len(insert), 9)]) // possibly a keepalive; one that asks for an answer is longer
		if got := follower.Counts().Alerts - before; got > 1 {
			t.Errorf("%d alerts out of one row", got)
		}
	})
}

// offline is a follower without a database.
func offline(events uint64) *walSource {
	f := newFollower(FollowerConfig{Rules: testRules, Events: events, Intended: everyMilli, ParseID: parseTestID, Now: time.Now})
	f.origin = time.Now()
	return f.source.(*walSource)
}

// parseTestID is parseID without its allocation.
func parseTestID(id []byte) (n uint64, ok bool) {
	if len(id) < 2 || id[0] != 'T' {
		return 0, false
	}
	for _, c := range id[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

func TestRowsAllocateNothing(t *testing.T) {
	f := offline(1000)
	feed := func(data []byte) {
		if err := f.handle(data); err != nil {
			t.Fatal(err)
		}
	}
	feed(walMessage('R', relationMessage(7, "a", "transaction_id", "rule")))
	fresh := walMessage('I', insertMessage(7, "T00000000000", "high"))
	n := 0
	insert := func() {
		copy(fresh[rowNumber+8:], []byte{byte('0' + n/100%10), byte('0' + n/10%10), byte('0' + n%10)})
		n++
		feed(fresh)
	}
	end := walMessage('C', commitMessage(9, time.Now()))
	for range 100 {
		insert()
	}
	feed(end)
	if got := testing.AllocsPerRun(500, insert); got != 0 {
		t.Errorf("%v allocations a row", got)
	}
	if got := testing.AllocsPerRun(100, func() { feed(end) }); got != 0 {
		t.Errorf("%v allocations a commit", got)
	}
	if got := f.Counts().Alerts; got != 601 {
		t.Errorf("%d alerts, want the 601 that were fed", got)
	}
}

func BenchmarkFollowerRow(b *testing.B) {
	f := offline(100_000_000)
	_ = f.handle(walMessage('R', relationMessage(7, "a", "transaction_id", "rule")))
	row := walMessage('I', insertMessage(7, "T00000000000", "high"))
	end := walMessage('C', commitMessage(9, time.Now()))
	number := row[rowNumber:][:11]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for v, at := i, 10; at >= 0; v, at = v/10, at-1 {
			number[at] = byte('0' + v%10)
		}
		_ = f.handle(row)
		if i%400 == 399 {
			_ = f.handle(end)
		}
	}
}
