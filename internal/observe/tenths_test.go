package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/results"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// TestTenthsRows: what was sampled and seen lands in its row; what was not stays open, also beside a row without a sample.
func TestTenthsRows(t *testing.T) {
	n := NewTenths(TenthsConfig{})
	n.samples = []tenthSample{
		{row: 0, offered: 10, acked: 8, processed: 5, lag: 3},
		{row: 1, offered: 20, acked: 18, processed: 5, lag: 13},
		{row: 2, offered: 30, acked: 28, processedFailed: true},
		// Row 3 has none.
		{row: 4, offered: 50, acked: 48, processed: 40, lag: 8},
		{row: 5, offered: 60, acked: 58, processed: 58, lag: 0},
		{row: 9, offered: 100, acked: 100, processed: 100, lag: 0}, // beyond what is asked for
	}
	points := []Point{{ms(150), ms(30)}, {ms(20), ms(5)}, {ms(199), ms(40)}, {ms(450), ms(7)}, {ms(520), ms(9)}}
	rows := n.Rows(ms(550), points, []Gap{{Lost: ms(230), Back: ms(420)}})
	i := func(v int64) *int64 { return &v }
	f := func(v float64) *float64 { return &v }
	want := []results.Tenth{
		{AtMS: 0, Offered: i(10), Acked: i(8), Processed: i(5), Lag: i(3), Alerts: i(1), AlertMaxMS: f(5)},
		{AtMS: 100, Offered: i(10), Acked: i(10), Processed: i(0), Lag: i(13), Alerts: i(2), AlertMaxMS: f(40)},
		{AtMS: 200, Offered: i(10), Acked: i(10)},
		{AtMS: 300},
		{AtMS: 400, Lag: i(8), Alerts: i(1), AlertMaxMS: f(7)},
		{AtMS: 500, Offered: i(10), Acked: i(10), Processed: i(18), Lag: i(0), Alerts: i(1), AlertMaxMS: f(9)},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
}

// TestTenthsPercentile: over the trailing second, by nearest rank, and only from enough alerts on.
func TestTenthsPercentile(t *testing.T) {
	var points []Point
	for k := range 200 { // one every 10 ms, latency k ms: two seconds
		points = append(points, Point{ms(10 * k), ms(k)})
	}
	rows := NewTenths(TenthsConfig{}).Rows(2*time.Second, points, nil)
	if rows[0].AlertP99MS == nil || *rows[0].AlertP99MS != 9 { // ten alerts: 0 to 9
		t.Errorf("row 0: %v", rows[0].AlertP99MS)
	}
	if got := *rows[19].AlertP99MS; got != 198 { // 100 to 199: the 99th of a hundred
		t.Errorf("row 19: %v", got)
	}
	few := NewTenths(TenthsConfig{}).Rows(ms(200), points[:9], nil)
	if few[0].AlertP99MS != nil {
		t.Errorf("nine alerts gave a percentile: %v", *few[0].AlertP99MS)
	}
}

// TestTenthsGapToTheEnd: an observer that never came back has seen nothing since.
func TestTenthsGapToTheEnd(t *testing.T) {
	rows := NewTenths(TenthsConfig{}).Rows(ms(300), nil, []Gap{{Lost: ms(150)}})
	if rows[0].Alerts == nil || rows[1].Alerts != nil || rows[2].Alerts != nil {
		t.Errorf("%+v", rows)
	}
}
