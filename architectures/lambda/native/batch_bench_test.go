package native

import (
	"flag"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
)

var (
	benchRows  = flag.Int("batch.rows", 1_000_000, "master rows for BenchmarkBatch")
	benchFresh = flag.Int("batch.fresh", 131_072, "rows that come before its second generation")
)

// fillMaster appends n synthetic rows (100,000 customers of very different activity, 28 days for 10 million rows), the
// first being number from, and moves the positions of ingest and speed behind them.
const fillMaster = `
insert into raw_transactions (partition, "offset", transaction_id, customer_id, dob, gender, location, balance_paise, amount_paise, event_time)
select c % 4, n, 'T' || lpad(n::text, 11, '0'), 'C' || lpad(c::text, 7, '0'), '1990-01-01', 'F',
  case when n % 7000 <> 0 then 'CITY ' || lpad((case when random() < 0.9 then c % 9355 else floor(9355 * random() ^ 3) end)::text, 4, '0') end,
  case when n % 430 <> 0 then exp(ln(1679218) + random_normal(0, 2.2))::bigint end,
  exp(ln(45903) + random_normal(0, 1.45))::bigint,
  timestamptz '2026-10-01' + n * interval '241.92 ms' - random() * interval '2 s'
from (select n, floor(100000 * random() ^ 2)::bigint as c from generate_series($1::bigint, $1 + $2 - 1) n) r`

// BenchmarkBatch shows where the time of a generation goes: the first one, and one after some more rows have come. Run it
// alone, with -benchtime=1x; -batch.rows=10000000 for the big one.
func BenchmarkBatch(b *testing.B) {
	env := architectures.Environment{
		Postgres: infratest.Postgres(b), Partitions: 4, Rules: bank.DefaultRules(),
		Settings: architectures.Settings{BatchEvery: time.Hour},
	}
	system, err := New().Deploy(b.Context(), env)
	if err != nil {
		b.Fatal(err)
	}
	defer system.Close()
	conn, err := pgx.Connect(b.Context(), env.Postgres)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	from := 0
	fill := func(n int) {
		if _, err := conn.Exec(b.Context(), fillMaster, from, n); err != nil {
			b.Fatal(err)
		}
		from += n
		if err := startStreams(b.Context(), conn, 4, int64(from), int64(from)); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Exec(b.Context(), `checkpoint`); err != nil {
			b.Fatal(err)
		}
	}
	fill(*benchRows)
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as in the component's process
	batch := newBatch(env, slog.New(slog.DiscardHandler))
	for _, name := range []string{"first", "again", "grown"} {
		if name == "grown" {
			fill(*benchFresh)
		}
		b.Run(name, func(b *testing.B) {
			for range b.N {
				conn, err := batch.connect(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := batch.generation(b.Context(), conn); err != nil {
					b.Fatal(err)
				}
				conn.Close(b.Context())
			}
			generations, err := system.Batches(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			last := generations[len(generations)-1]
			b.ReportMetric(float64(last.Rows), "rows")
			b.ReportMetric(float64(last.ChangedRows), "changed")
			b.ReportMetric(last.ReadS, "read+compute_s")
			b.ReportMetric(last.WriteS, "stage_s")
			b.ReportMetric(last.PublishS, "publish_s")
			b.ReportMetric(peakMiB(b), "peak_MiB")
		})
	}
}

// peakMiB is the largest resident size this process has ever had.
func peakMiB(t testing.TB) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not Linux
	}
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	return 0
}
