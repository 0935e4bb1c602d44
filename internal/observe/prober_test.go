package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/internal/bank"
)

var viewTables = []string{
	`create table customer_profiles (customer_id text primary key, transactions bigint, amount_paise numeric, average_amount numeric,
		max_balance_paise bigint, top_location text, segment text, last_event_time timestamptz)`,
	`create table customer_windows (customer_id text, window_start timestamptz, transactions bigint, amount_paise numeric,
		max_balance_paise bigint, primary key (customer_id, window_start))`,
}

const firstWindow bank.Micros = 1_700_000_100_000_000

func probe(t *testing.T, cfg ProberConfig) *Prober {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	p, err := NewProber(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func answers(t *testing.T, out *bytes.Buffer) []Answer {
	t.Helper()
	var all []Answer
	for d := json.NewDecoder(out); d.More(); {
		var a Answer
		d.DisallowUnknownFields()
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Answer) int { return int(a.IntendedUS - b.IntendedUS) })
	return all
}

func TestIntendedTimesOfProbes(t *testing.T) {
	for _, c := range []struct {
		i    uint64
		rate float64
		want time.Duration
	}{{0, 50, 0}, {1, 50, 20 * time.Millisecond}, {50, 50, time.Second}, {1, 0.5, 2 * time.Second}, {180_000, 50, time.Hour}} {
		if got := intended(c.i, c.rate); got != c.want {
			t.Errorf("query %d at %v/s: %v, want %v", c.i, c.rate, got, c.want)
		}
	}
}

func TestProbesWriteWhatTheViewsAnswer(t *testing.T) {
	url, conn := database(t, viewTables...)
	mustExec(t, conn, `insert into customer_profiles values ('full', 3, 1001, 3.34, 70, 'PUNE', 'standard', '2024-02-03 04:05:06.000007Z'),
		('bare', 1, -5, -0.05, null, null, 'premium', '2024-02-03Z')`)
	mustExec(t, conn, "insert into customer_windows values ('full', $1, 2, 12, 34)", firstWindow.Time())
	mustExec(t, conn, "insert into customer_windows values ('bare', $1, 1, -5, null)", firstWindow.Time())

	customers := []string{"full", "full", "bare", "bare", "absent", "absent"}
	var out bytes.Buffer
	p := probe(t, ProberConfig{Postgres: url, Rate: 1000, For: 6 * time.Millisecond, InFlight: 2, Out: &out,
		Pick: func(i uint64) (string, bank.Micros) { return customers[i], firstWindow }})
	if err := p.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	lines := out.String()
	got := answers(t, &out)
	for i := range got {
		if got[i].SentUS < got[i].IntendedUS || got[i].AnsweredUS < got[i].SentUS {
			t.Errorf("query %d: intended %d, sent %d, answered %d: expected this order", i, got[i].IntendedUS, got[i].SentUS, got[i].AnsweredUS)
		}
		got[i].SentUS, got[i].AnsweredUS = 0, 0
	}
	balance, window, pune := bank.Paise(70), bank.Paise(34), "PUNE"
	want := []Answer{
		{View: CustomerProfiles, Customer: "full", Found: true, Transactions: 3, AmountPaise: 1001, MaxBalance: &balance, AverageAmount: "3.34",
			TopLocation: &pune, Segment: "standard", LastEventTime: 1706933106000007},
		{View: CustomerWindows, Customer: "full", WindowStart: firstWindow, IntendedUS: 1000, Found: true, Transactions: 2, AmountPaise: 12, MaxBalance: &window},
		{View: CustomerProfiles, Customer: "bare", IntendedUS: 2000, Found: true, Transactions: 1, AmountPaise: -5, AverageAmount: "-0.05",
			Segment: "premium", LastEventTime: 1706918400000000},
		{View: CustomerWindows, Customer: "bare", WindowStart: firstWindow, IntendedUS: 3000, Found: true, Transactions: 1, AmountPaise: -5},
		{View: CustomerProfiles, Customer: "absent", IntendedUS: 4000},
		{View: CustomerWindows, Customer: "absent", WindowStart: firstWindow, IntendedUS: 5000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if p.Latency().Total().Count() != 6 || p.Failed() != 0 {
		t.Errorf("%d latencies and %d failures, want 6 and none", p.Latency().Total().Count(), p.Failed())
	}
	if !strings.Contains(lines, `"max_balance_paise":null`) || !strings.Contains(lines, `"top_location":null`) || !strings.Contains(lines, `"found":false`) {
		t.Errorf("missing values are not written out:\n%s", lines)
	}
}

// TestProbesKeepTheirSchedule holds a lock for a while: every query intended meanwhile must show the rest of that while, also
// those that could not be sent because all connections were waiting.
func TestProbesKeepTheirSchedule(t *testing.T) {
	url, conn := database(t, viewTables...)
	const inFlight = 3
	var out bytes.Buffer
	p := probe(t, ProberConfig{Postgres: url, Rate: 100, For: time.Hour, InFlight: inFlight, Out: &out,
		Pick: func(i uint64) (string, bank.Micros) { return "c", firstWindow }})
	origin := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, origin) }()
	answered := func(n int64) func() bool { return func() bool { return p.Latency().Total().Count() >= n } }
	waitFor(t, answered(10))
	mustExec(t, conn, "begin; lock table customer_profiles, customer_windows in access exclusive mode")
	locked := time.Since(origin)
	time.Sleep(300 * time.Millisecond)
	release := time.Since(origin)
	mustExec(t, conn, "commit")
	waitFor(t, answered(int64(100*release/time.Second)+10))
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	stalled, late := 0, 0
	var slowest time.Duration
	all := answers(t, &out) // as they were written: two that end together in either order
	slices.SortFunc(all, func(a, b Answer) int { return int(a.IntendedUS - b.IntendedUS) })
	for i, a := range all {
		at, sent, answered := micros(a.IntendedUS), micros(a.SentUS), micros(a.AnsweredUS)
		slowest = max(slowest, answered-at)
		if at >= release {
			continue
		}
		if want := p.Intended(uint64(i)).Truncate(time.Microsecond); at != want {
			t.Fatalf("query %d was intended at %v, want %v", i, at, want)
		}
		if at <= locked {
			continue
		}
		stalled++
		if answered < release {
			t.Errorf("query intended at %v was answered at %v, while the lock was held until %v", at, answered, release)
		}
		if sent >= release {
			late++
		}
	}
	if want := int(100*(release-locked)/time.Second) - 1; stalled < want {
		t.Errorf("%d queries were intended while the lock was held, want at least %d", stalled, want)
	}
	if onTime := stalled - late; onTime > inFlight {
		t.Errorf("%d queries were sent while the lock was held, with %d connections", onTime, inFlight)
	}
	near(t, "slowest", p.Latency().Total().Quantile(1), slowest)
	if slowest < (release-locked)/2 {
		t.Errorf("the slowest query took %v of a lock of %v", slowest, release-locked)
	}
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func TestProbesGoOnAfterFailures(t *testing.T) {
	url, conn := database(t, viewTables...)
	var out bytes.Buffer
	var mu sync.Mutex
	disturb := func(statement string) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	dropped := make(chan struct{})
	p := probe(t, ProberConfig{Postgres: url, Rate: 200, For: 500 * time.Millisecond, Warmup: 100 * time.Millisecond, InFlight: 2, Out: &out,
		Pick: func(i uint64) (string, bank.Micros) {
			switch i {
			case 30:
				disturb("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
			case 50:
				disturb("alter table customer_profiles rename to away")
				close(dropped)
			case 70:
				<-dropped
				disturb("alter table away rename to customer_profiles")
			}
			return strconv.FormatUint(i, 10), firstWindow
		}})
	if err := p.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	all := answers(t, &out)
	failed, measured := 0, 0
	for i, a := range all {
		if a.Error != "" {
			failed++
			if a.Found {
				t.Errorf("query %d failed and found a row", i)
			}
		} else if i >= 20 {
			measured++
		}
	}
	if len(all) != 100 {
		t.Errorf("%d answers, want all 100 of the schedule", len(all))
	}
	if failed == 0 || int64(failed) != p.Failed() {
		t.Errorf("%d answers with an error, %d counted; expected some, and as many", failed, p.Failed())
	}
	if got := p.Latency().Total().Count(); got != int64(measured) {
		t.Errorf("%d latencies, want the %d that were answered after warm-up", got, measured)
	}
	for _, a := range all[90:] {
		if a.Error != "" {
			t.Errorf("the last queries still fail: %s", a.Error)
		}
	}
}

func TestProbesEndWithTheContext(t *testing.T) {
	url, _ := database(t, viewTables...)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	p := probe(t, ProberConfig{Postgres: url, Rate: 100, For: time.Hour, InFlight: 2, Out: &out,
		Pick: func(i uint64) (string, bank.Micros) {
			if i == 5 {
				cancel()
			}
			return "c", firstWindow
		}})
	if err := p.Run(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	if all := answers(t, &out); len(all) > 6 || p.Failed() != 0 {
		t.Errorf("%d answers and %d failures after the end at query 5", len(all), p.Failed())
	}
}

type brokenDisk struct{}

func (brokenDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestProbesTellWhenAnswersAreNotWritten(t *testing.T) {
	url, _ := database(t, viewTables...)
	p := probe(t, ProberConfig{Postgres: url, Rate: 1000, For: 2 * time.Millisecond, InFlight: 1, Out: brokenDisk{},
		Pick: func(uint64) (string, bank.Micros) { return "c", firstWindow }})
	if err := p.Run(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v, want the error of writing", err)
	}
}

func TestProberRefuses(t *testing.T) {
	good := ProberConfig{Rate: 1, InFlight: 1, Timeout: time.Second}
	for name, spoil := range map[string]func(*ProberConfig){
		"no rate":        func(c *ProberConfig) { c.Rate = 0 },
		"none in flight": func(c *ProberConfig) { c.InFlight = 0 },
		"no timeout":     func(c *ProberConfig) { c.Timeout = 0 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := NewProber(t.Context(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	url, _ := database(t)
	good.Postgres, good.Out = url, &bytes.Buffer{}
	if _, err := NewProber(t.Context(), good); err == nil {
		t.Error("views that are not there: no error")
	}
}
