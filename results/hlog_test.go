package results

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

var origin = time.Date(2026, 11, 23, 16, 42, 1, 250_000_000, time.UTC)

// twoSeconds is a log of two series over two seconds.
func twoSeconds(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewLogWriter(&b, origin)
	if err != nil {
		t.Fatal(err)
	}
	for s := range 2 {
		from := time.Duration(s) * time.Second
		for i, tag := range []string{TagAlert, TagAlert + ".velocity", TagQuery} {
			h := NewHistogram()
			for j := range 1000 * (s + 1) {
				h.Record(time.Duration(i*100+j) * time.Millisecond)
			}
			if err := w.Write(tag, from, from+time.Second, h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(TagAck, from, from+time.Second, NewHistogram()); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// The head is what HdrHistogram's own writer makes: its readers find the version, the base and start times, the legend.
func TestHeadOfTheLog(t *testing.T) {
	lines := strings.Split(string(twoSeconds(t)), "\n")
	want := []string{
		"#[lkbench latencies in microseconds; Interval_Max in milliseconds]",
		"#[Histogram log format version 1.3]",
		"#[BaseTime: 1795452121.250 (seconds since epoch)]",
		"#[StartTime: 1795452121.250 (seconds since epoch), 2026-11-23T16:42:01Z]",
		`"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`,
	}
	for i, line := range want {
		if lines[i] != line {
			t.Errorf("line %d is %s, want %s", i+1, lines[i], line)
		}
	}
	if got := lines[5]; !strings.HasPrefix(got, "Tag=alert,0.000,1.000,999.423,HISTFAAAA") {
		t.Errorf("first interval: %s", got)
	}
}

func TestLogInThePublicReader(t *testing.T) {
	r := hdr.NewHistogramLogReader(bytes.NewReader(twoSeconds(t)))
	var tags []string
	for i := 0; ; i++ {
		h, err := r.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		tags = append(tags, h.Tag())
		second := int64(i / 3)
		if want := origin.UnixMilli() + 1000*second; h.StartTimeMs() != want || h.EndTimeMs() != want+1000 {
			t.Errorf("interval %d is %d to %d, want %d", i, h.StartTimeMs(), h.EndTimeMs(), want)
		}
		if h.TotalCount() != 1000*(second+1) {
			t.Errorf("interval %d holds %d samples", i, h.TotalCount())
		}
	}
	if got := strings.Join(tags, " "); got != "alert alert.velocity query alert alert.velocity query" {
		t.Errorf("tags %s", got)
	}
}

func TestLogThereAndBack(t *testing.T) {
	i := 0
	err := ReadLog(bytes.NewReader(twoSeconds(t)), func(got Interval) error {
		if want := time.Duration(i/3) * time.Second; got.From != want || got.To != want+time.Second {
			t.Errorf("interval %d is %v to %v", i, got.From, got.To)
		}
		if got.Tag == TagAlert && i == 0 {
			s := got.Samples.Summary()
			if s.Count != 1000 || *s.Min != 0 || *s.Max < 999 || *s.Max > 1000 || *s.Mean < 499 || *s.Mean > 500 || *s.P99 < 989 || *s.P99 > 990 {
				t.Errorf("first interval: %d samples, %v to %v, mean %v, p99 %v", s.Count, *s.Min, *s.Max, *s.Mean, *s.P99)
			}
		}
		i++
		return nil
	})
	if err != nil || i != 6 {
		t.Errorf("%d intervals, %v", i, err)
	}
	stop := errors.New("enough")
	if err := ReadLog(bytes.NewReader(twoSeconds(t)), func(Interval) error { return stop }); err != stop {
		t.Errorf("the reader did not stop: %v", err)
	}
}

// This log was not written by this program: its lines are those of HdrHistogram's own test data.
func TestForeignLogIsRefusedByLine(t *testing.T) {
	line := strings.Split(string(twoSeconds(t)), "\n")[5]
	for _, c := range []struct{ content, want string }{
		{"#[x]\nTag=A,2.133,1.001,0.426,HISTFAAAAD942pNpmSzMwMAgwwABTBDKT4GBgdnNYMcCBvsPEBE+Ph4OLgk5OSkeIS4+LgEeswIDo1+MbmdYNASYAA51CSo=\n", "line 2: histogram: its range is not that of lkbench"},
		{strings.TrimPrefix(line, "Tag=alert,"), "line 1: expected Tag="},
		{strings.Replace(line, "alert", "a b", 1), `line 1: "a b" cannot be a tag`},
		{strings.Replace(line, "0.000", "-1", 1), "line 1: start"},
		{strings.Replace(line, "1.000", "NaN", 1), "line 1: length"},
		{line[:len(line)-9], "line 1: histogram"},
		{"hello", "line 1: expected Tag="},
	} {
		err := ReadLog(strings.NewReader(c.content), func(Interval) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q", c.content, err, c.want)
		}
	}
	w, err := NewLogWriter(io.Discard, origin)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a,b", 0, time.Second, NewHistogram()); err == nil {
		t.Error("a tag with a comma was written")
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(twoSeconds(f))
	f.Fuzz(func(t *testing.T, content []byte) {
		var b bytes.Buffer
		w, err := NewLogWriter(&b, origin)
		if err != nil {
			t.Fatal(err)
		}
		var read []int64
		ReadLog(bytes.NewReader(content), func(i Interval) error {
			if i.Samples.Count() > 0 {
				read = append(read, i.Samples.Count())
			}
			if err := w.Write(i.Tag, i.From, i.To, i.Samples); err != nil {
				t.Fatal(err)
			}
			return nil
		})
		err = ReadLog(&b, func(i Interval) error {
			if len(read) == 0 || i.Samples.Count() != read[0] {
				t.Fatalf("interval %s changed by saving", i.Tag)
			}
			read = read[1:]
			return nil
		})
		if err != nil || len(read) > 0 {
			t.Fatalf("%v, %d intervals lost", err, len(read))
		}
	})
}

func BenchmarkReadLog(b *testing.B) {
	content := twoSeconds(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadLog(bytes.NewReader(content), func(Interval) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
