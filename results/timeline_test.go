package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTimelineThereAndBack(t *testing.T) {
	seconds := []Second{
		{Second: 0, Phase: "warm-up", Offered: new(int64(5000)), Sent: new(int64(5000)), Acked: new(int64(4999)), Processed: new(int64(0)),
			Lag: new(int64(4999)), Alerts: new(int64(3)), AlertP50MS: new(8.25), AlertP99MS: new(0.1), Queries: new(int64(50)), QueryP99MS: new(1.5),
			CPU: map[string]float64{"stream": 0.75}, RSS: map[string]int64{"stream": 1 << 30}},
		{Second: 1, Phase: "warm-up"},
		{Second: 3, Phase: "base,line", CPU: map[string]float64{"broker": 1, "stream": 0}, RSS: map[string]int64{"broker": 2}},
	}
	var b bytes.Buffer
	if err := WriteTimeline(&b, seconds); err != nil {
		t.Fatal(err)
	}
	want := `second,phase,offered,sent,acked,processed,lag,alerts,alert_p50_ms,alert_p99_ms,queries,query_p99_ms,cpu.broker,cpu.stream,rss.broker,rss.stream
0,warm-up,5000,5000,4999,0,4999,3,8.25,0.1,50,1.5,,0.75,,1073741824
1,warm-up,,,,,,,,,,,,,,
3,"base,line",,,,,,,,,,,1,0,2,
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	got, err := ReadTimeline(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seconds, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimelinesThatAreRefused(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTimeline(&b, []Second{{CPU: map[string]float64{"a": 1}}}); err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(b.String(), "\n")
	for _, c := range []struct{ content, want string }{
		{"", "header"},
		{"second,phase\n", "line 1"},
		{header + ",what.a\n", `unexpected column "what.a"`},
		{header + ",cpu.a\n", `unexpected column "cpu.a"`},
		{header + "\n0,p\n", "line 2"},
		{header + "\n0,p,x,,,,,,,,,,\n", "line 2, column offered"},
		{header + "\n0,p,,,,,,,,,,NaN,\n", "line 2, column query_p99_ms"},
		{header + "\n0,p,,,,,,,,,,,1e999\n", "line 2, column cpu.a"},
		{header + "\nx,p,,,,,,,,,,,\n", "line 2, column second"},
		{header + "\n1,p,,,,,,,,,,,\n1,p,,,,,,,,,,,\n", "line 3, column second: seconds must ascend"},
	} {
		if _, err := ReadTimeline(strings.NewReader(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.content, err, c.want)
		}
	}
}

func FuzzReadTimeline(f *testing.F) {
	var b bytes.Buffer
	if err := WriteTimeline(&b, []Second{{Second: 1, Phase: "drain", Lag: new(int64(5)), CPU: map[string]float64{"a": 0.5}, RSS: map[string]int64{"a": 1}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		seconds, err := ReadTimeline(bytes.NewReader(content))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteTimeline(&b, seconds); err != nil {
			t.Fatal(err)
		}
		again, err := ReadTimeline(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, b.Bytes())
		}
		if diff := cmp.Diff(seconds, again); diff != "" {
			t.Errorf("changed by saving:\n%s", diff)
		}
	})
}
