package bank

import (
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEveryDay holds the calendar against the standard library's, on every date that four digits can name.
func TestEveryDay(t *testing.T) {
	for year := range 10_000 {
		for month := 1; month <= 12; month++ {
			first := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
			next := first.AddDate(0, 1, 0)
			if got, want := daysIn(year, month), int(next.Sub(first).Hours()/24); got != want {
				t.Fatalf("%d-%d has %d days, want %d", year, month, got, want)
			}
			for day := 1; day <= daysIn(year, month); day++ {
				want := int(first.Unix()/86_400) + day - 1
				if got := epochDay(year, month, day); got != want {
					t.Fatalf("%d-%d-%d is day %d, want %d", year, month, day, got, want)
				}
			}
		}
	}
}

// The first and the last instant of the years 1 to 9999.
const (
	minTime Micros = -62_135_596_800_000_000
	maxTime Micros = 253_402_300_799_999_999
)

// strict is the grammar of docs/workload.md, which time.Parse does not insist on.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{
		"2016-08-01T00:00:00Z", "1969-12-31T23:59:59.9999999Z", "2000-02-29T23:59:59.5+23:59", "1900-02-29T00:00:00Z",
		"0000-01-01T00:00:00-00:01", "9999-12-31T23:59:59.999999999-23:59", "2016-12-31T23:59:60Z", "2016-08-01T00:00:00,5Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(time.RFC3339, s)
		m := Micros(want.UnixMicro())
		good := err == nil && strict.MatchString(s) && want.Year() >= 1
		got, defect := parseTime([]byte(s))
		if (defect == "") != good {
			t.Fatalf("%q: defect %q, time.Parse: %v %v", s, defect, want, err)
		}
		if good && got != m {
			t.Fatalf("%q is %v, want %v", s, got.Time(), want)
		}
	})
}

func TestAppendTime(t *testing.T) {
	for m, want := range map[Micros]string{
		0:                   "1970-01-01T00:00:00Z",
		-1:                  "1969-12-31T23:59:59.999999Z",
		1470009600000000:    "2016-08-01T00:00:00Z",
		1470009600250000:    "2016-08-01T00:00:00.25Z",
		1470009600000001:    "2016-08-01T00:00:00.000001Z",
		minTime:             "0001-01-01T00:00:00Z",
		maxTime:             "9999-12-31T23:59:59.999999Z",
		maxTime + 1:         "10000-01-01T00:00:00Z", // which parseTime refuses
		minTime - 1_000_000: "0000-12-31T23:59:59Z",  // likewise
	} {
		got := AppendTime(nil, m)
		if string(got) != want {
			t.Errorf("AppendTime(%d) = %s, want %s", m, got, want)
		}
		back, defect := parseTime(got)
		if inBounds := m >= minTime && m <= maxTime; (defect == "") != inBounds || inBounds && back != m {
			t.Errorf("%s reads back as %d (%s)", got, back, defect)
		}
	}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf = AppendTime(buf[:0], 1470009600250000) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTimeReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Micros(rapid.Int64Range(int64(minTime), int64(maxTime)).Draw(t, "m"))
		if back, defect := parseTime(AppendTime(nil, m)); back != m {
			t.Fatalf("%d reads back as %d (%s)", m, back, defect)
		}
	})
}
