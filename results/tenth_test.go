package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTenthsThereAndBack(t *testing.T) {
	tenths := []Tenth{
		{AtMS: 0, Offered: new(int64(500)), Acked: new(int64(499)), Processed: new(int64(0)), Lag: new(int64(12)), Alerts: new(int64(3)),
			AlertMaxMS: new(8.25), AlertP99MS: new(0.5)},
		{AtMS: 100},
		{AtMS: 300, Lag: new(int64(-1))},
	}
	var b bytes.Buffer
	if err := WriteTenths(&b, tenths); err != nil {
		t.Fatal(err)
	}
	want := `at_ms,offered,acked,processed,lag,alerts,alert_max_ms,alert_p99_ms
0,500,499,0,12,3,8.25,0.5
100,,,,,,,
300,,,,-1,,,
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	got, err := ReadTenths(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tenths, got); diff != "" {
		t.Error(diff)
	}
}

func TestTenthsThatAreRefused(t *testing.T) {
	header := strings.Join(tenthHeader(), ",")
	for _, c := range []struct{ content, want string }{
		{"", "header"},
		{"at_ms,offered\n", "line 1: expected the columns at_ms,offered,acked"},
		{header + ",more\n", "line 1"},
		{header + "\n0\n", "line 2"},
		{header + "\n,,,,,,,\n", "line 2, column at_ms"},
		{header + "\n0,x,,,,,,\n", "line 2, column offered"},
		{header + "\n0,,,,1.5,,,\n", "line 2, column lag"},
		{header + "\n0,,,,,,NaN,\n", "line 2, column alert_max_ms"},
		{header + "\n0,,,,,,,1e999\n", "line 2, column alert_p99_ms"},
		{header + "\n100,,,,,,,\n100,,,,,,,\n", "line 3, column at_ms: times must ascend"},
	} {
		if _, err := ReadTenths(strings.NewReader(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.content, err, c.want)
		}
	}
}

func FuzzReadTenths(f *testing.F) {
	var b bytes.Buffer
	if err := WriteTenths(&b, []Tenth{{AtMS: 100, Lag: new(int64(5)), AlertP99MS: new(1e-3)}, {AtMS: 200}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		tenths, err := ReadTenths(bytes.NewReader(content))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteTenths(&b, tenths); err != nil {
			t.Fatal(err)
		}
		again, err := ReadTenths(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, b.Bytes())
		}
		if diff := cmp.Diff(tenths, again); diff != "" {
			t.Errorf("changed by saving:\n%s", diff)
		}
	})
}
