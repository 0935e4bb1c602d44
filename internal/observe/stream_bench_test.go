package observe

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkFollowerStream follows alerts that a loop within the server inserts, a transaction every 10 ms, so that all CPU
// of this process is the follower's: cpu-ns/row is what one alert costs the harness. An iteration is a transaction.
func BenchmarkFollowerStream(b *testing.B) {
	for _, perCommit := range []int{5, 400} {
		b.Run(fmt.Sprintf("%d_alerts_a_second", 100*perCommit), func(b *testing.B) { benchmarkStream(b, perCommit) })
	}
}

func benchmarkStream(b *testing.B, perCommit int) {
	url, conn := database(b, alertTable("alerts"))
	f, err := Follow(b.Context(), FollowerConfig{
		Postgres: url, Publication: "observe_bench", Tables: []string{"alerts"}, Rules: testRules,
		Events: 1 << 28, Intended: everyMilli, ParseID: parseTestID,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close(context.Background())
	f.Run(time.Now())
	before := cpu(b)
	b.ResetTimer()
	mustExec(b, conn, fmt.Sprintf(`do $$ begin for i in 0..%d loop
		insert into alerts (transaction_id, rule) select 'T' || lpad((i*%d+n)::text, 11, '0'), 'low' from generate_series(1, %[2]d) n;
		commit;
		perform pg_sleep(0.01);
	end loop; end $$`, b.N-1, perCommit))
	if err := f.CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	rows := b.N * perCommit
	if got := f.Counts().Alerts; got != int64(rows) {
		b.Fatalf("%d alerts of %d", got, rows)
	}
	lag := f.Lag()
	b.ReportMetric(float64(cpu(b)-before)/float64(rows), "cpu-ns/row")
	b.ReportMetric(float64(cpu(b)-before)/float64(b.Elapsed())*100, "cpu-%")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(lag.Quantile(0.5).Microseconds()), "lag-p50-µs")
	b.ReportMetric(float64(lag.Quantile(0.99).Microseconds()), "lag-p99-µs")
}

func cpu(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
