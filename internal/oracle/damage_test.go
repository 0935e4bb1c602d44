package oracle

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lkbench/loadgen"
)

// TestDamagedEvidence removes, cuts off and alters every file in turn: Judge must name the file.
func TestDamagedEvidence(t *testing.T) {
	b := oddStream(true)
	whole := t.TempDir()
	b.simulate(b.rules, "").write(t, whole)
	files := []string{ledgerFile, topicFile, deadLettersFile, probesFile, progressFile, viewAnomalies.file(), viewWindows.file(), viewProfiles.file()}
	judge := func(t *testing.T, name string, damage func([]byte) []byte) error {
		t.Helper()
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if damage == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, damage(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = Judge(dir, JudgeConfig{Rules: b.rules, Source: b, Schedule: b})
		return err
	}
	if err := judge(t, topicFile, func(text []byte) []byte { return text }); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		for _, damage := range []struct {
			name string
			do   func([]byte) []byte
		}{
			{"missing", nil},
			{"cut off", func(text []byte) []byte { return text[:len(text)-3] }},
			{"empty", func([]byte) []byte { return nil }},
			{"garbage", func([]byte) []byte { return []byte("\"garbage\n") }},
			{"altered", func(text []byte) []byte { text[len(text)/2] ^= 0x40; return text }},
		} {
			// A changed byte in a text file may well be another text: results.Verify finds it by its checksum. Dead letters
			// cut off in the middle of a reason are as good as whole.
			text := strings.HasPrefix(name, "evidence/") && !strings.HasSuffix(name, ".zst") || name == ledgerFile
			if damage.name == "empty" && (name == deadLettersFile || name == probesFile) {
				continue // there may have been none
			}
			if text && damage.name == "altered" || name == deadLettersFile && damage.name == "cut off" {
				continue
			}
			err := judge(t, name, damage.do)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: error %v does not name it", name, damage.name, err)
			} else {
				t.Logf("%s: %v", damage.name, err)
			}
		}
	}
}

// TestImpossibleTopic: records that no log can hold.
func TestImpossibleTopic(t *testing.T) {
	for name, records := range map[string][]record{
		"offset 4 follows 4":       {{offset: 4, n: 1}, {offset: 4, n: 2}},
		"names event 1500 of 1500": {{offset: 0, n: 1500}},
	} {
		b := oddStream(false)
		e := b.simulate(b.rules, "")
		e.topic[0] = records
		dir := t.TempDir()
		e.write(t, dir)
		_, err := Judge(dir, JudgeConfig{Rules: b.rules, Source: b, Schedule: b})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), topicFile) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestProgressWithoutStreamComponent(t *testing.T) {
	if _, err := (progress{}).late(); err == nil || !strings.Contains(err.Error(), progressFile) {
		t.Errorf("error %v", err)
	}
}

func TestCSVReader(t *testing.T) {
	long := strings.Repeat("long ", 40_000)
	in := "a,,\"\"\n\"x,\"\"y\"\"\n z\",2,3\n" + long + ",1,\"" + long + "\n\"\n"
	want := [][]string{{"a", null, ""}, {"x,\"y\"\n z", "2", "3"}, {long, "1", long + "\n"}}
	r := newCSVReader(strings.NewReader(in), "f", 3)
	for i, w := range want {
		row, err := r.read()
		if err != nil {
			t.Fatal(err)
		}
		for c, f := range row {
			if f.null != (w[c] == null) || !f.null && string(f.text) != w[c] {
				t.Errorf("row %d column %d: %.40q null %v, want %.40q", i, c, f.text, f.null, w[c])
			}
		}
	}
	if _, err := r.read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for in, want := range map[string]string{
		"a,b,c\na,b\n": "f line 2: not 3 columns", "a,b,c,d\n": "f line 1: not 3 columns", "a,b,c": "f line 1: the last line does not end",
		"a,b,\"c\n": "f line 1: a quoted field does not end", "\"a\",b\n": "f line 1: not 3 columns", "\"a\",b,c,d\n": "f line 1: not 3 columns", "\n": "f line 1: not 3 columns",
		"\"a\n\",b,c\nx\n": "f line 3: not 3 columns",
	} {
		r := newCSVReader(strings.NewReader(in), "f", 3)
		var err error
		for err == nil {
			_, err = r.read()
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

// FuzzEvidence gives every reader arbitrary bytes: they may refuse them, but not panic, and what the topic's reader takes
// its writer writes again.
func FuzzEvidence(f *testing.F) {
	b := oddStream(true)
	b.turns = b.turns[:80]
	e := b.simulate(b.rules, "")
	e.topic[1] = append(e.topic[1], record{offset: 1000, n: 7, kind: recordAltered, key: []byte("k")}, record{offset: 2000, n: noTurn, kind: recordForeign, value: []byte{}})
	for name, write := range e.files() {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			f.Fatal(err)
		}
		text := out.Bytes()
		if strings.HasSuffix(name, ".zst") {
			plain, err := unpacked(func(r io.Reader, _ string) ([]byte, error) { return io.ReadAll(r) })(&out, name)
			if err != nil {
				f.Fatal(err)
			}
			text = plain
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzzTopic(t, text)
		ignore := func(any, error) {}
		ignore(readAnswers(bytes.NewReader(text), "f"))
		ignore(readProgress(bytes.NewReader(text), "f"))
		ignore(compareDeadLetters(bytes.NewReader(text), "f", nil))
		for _, v := range []struct {
			view
			rows expectedRows
		}{{viewAnomalies, &expectedAnomalies{}}, {viewWindows, &expectedWindows{}}, {viewProfiles, &expectedProfiles{}}} {
			ignore(compareView(bytes.NewReader(text), "f", v.view, v.rows))
		}
		ignore(unpacked(func(r io.Reader, _ string) (int64, error) { return io.Copy(io.Discard, r) })(bytes.NewReader(text), "f"))
	})
}

func fuzzTopic(t *testing.T, text []byte) {
	var again bytes.Buffer
	type kept struct {
		partition int32
		records   []record
	}
	read := func(in io.Reader) (starts []int64, all []kept, err error) {
		err = readTopic(in, func(s []int64) error { starts = s; return nil }, func(c chunk) error {
			k := kept{partition: c.partition}
			err := c.each(func(r record) error { k.records = append(k.records, r); return nil })
			all = append(all, k)
			return err
		})
		return starts, all, err
	}
	starts, first, err := read(bytes.NewReader(text))
	if err != nil {
		return
	}
	out, err := newTopicWriter(&again, starts)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range first {
		for i, r := range k.records {
			if i > 0 && r.offset < k.records[i-1].offset || r.offset > 1<<60 {
				return // no log holds that; the writer need not
			}
		}
		if err := out.write(k.partition, k.records); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	startsAgain, second, err := read(&again)
	if err != nil {
		t.Fatalf("written again, it cannot be read: %v", err)
	}
	if !slices.Equal(starts, startsAgain) {
		t.Fatalf("starts %v became %v", starts, startsAgain)
	}
	var a, b []record
	for _, k := range first {
		a = append(a, k.records...)
	}
	for _, k := range second {
		b = append(b, k.records...)
	}
	if len(a) != len(b) {
		t.Fatalf("%d records became %d", len(a), len(b))
	}
	for i := range a {
		if a[i].offset != b[i].offset || a[i].n != b[i].n || a[i].kind != b[i].kind || !bytes.Equal(a[i].key, b[i].key) || !bytes.Equal(a[i].value, b[i].value) ||
			(a[i].key == nil) != (b[i].key == nil) || (a[i].value == nil) != (b[i].value == nil) {
			t.Fatalf("record %d: %+v became %+v", i, a[i], b[i])
		}
	}
}

func TestTopicFileRoundTrip(t *testing.T) {
	var records []record
	for i := range 3*chunkRecords + 7 {
		records = append(records, record{offset: int64(i * i), n: uint64(i*7919) % 100_000, kind: recordSame})
	}
	records[5] = record{offset: 25, n: noTurn, kind: recordForeign, key: nil, value: []byte{}}
	records[6] = record{offset: 36, n: loadgen.MaxEvents - 1, kind: recordAltered, key: []byte{}, value: bytes.Repeat([]byte("v"), 3<<20)}
	var file bytes.Buffer
	out, err := newTopicWriter(&file, []int64{0, 1 << 40, 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.write(3, records); err != nil {
		t.Fatal(err)
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	fuzzTopic(t, file.Bytes())
	begin := func([]int64) error { return nil }
	i := 0
	err = readTopic(bytes.NewReader(file.Bytes()), begin, func(c chunk) error {
		return c.each(func(r record) error {
			if w := records[i]; c.partition != 3 || r.offset != w.offset || r.n != w.n || r.kind != w.kind || !bytes.Equal(r.value, w.value) || (r.key == nil) != (w.key == nil) {
				t.Errorf("record %d: %+v, want %+v", i, r, w)
			}
			i++
			return nil
		})
	})
	if err != nil || i != len(records) {
		t.Errorf("%d of %d records, %v", i, len(records), err)
	}
	// Every cut is noticed.
	whole := bytes.Clone(file.Bytes())
	for _, n := range []int{0, 3, 5, 6, 100, file.Len() / 2, file.Len() - 1} {
		if err := readTopic(bytes.NewReader(file.Bytes()[:n]), begin, func(chunk) error { return nil }); err == nil {
			t.Errorf("cut off after %d bytes: no error", n)
		}
	}
	file.Truncate(file.Len() - 2) // the number of records, above 127 and below 16384
	if err := readTopic(bytes.NewReader(binary.AppendUvarint(file.Bytes(), uint64(len(records)+1))), begin, func(chunk) error { return nil }); err == nil {
		t.Error("one record more at the end than there are: no error")
	}
	if err := readTopic(bytes.NewReader(append(whole, 0)), begin, func(chunk) error { return nil }); err == nil {
		t.Error("a byte after the end: no error")
	}
}
