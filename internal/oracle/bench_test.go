package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
	"lkbench/loadgen"
	"lkbench/scenarios"
)

func BenchmarkDecode(b *testing.B) {
	value := []byte(event(5, "C1010011", "25.00", "17819.05", "JAMSHEDPUR", clock(0)))
	var d decoder
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.decode(value); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJudge judges runs of the synthetic source over 100,000 customers at 5,000 events a second; the metric peak-MiB
// is the greatest resident memory of the process while it judges, the mapped ledger included.
func BenchmarkJudge(b *testing.B) {
	for _, events := range []int{400_000, 10_000_000} {
		b.Run(strconv.Itoa(events), func(b *testing.B) {
			if events > 1_000_000 && testing.Short() {
				b.Skip("-short: ten million events take minutes")
			}
			source, schedule := syntheticRun(b, events)
			dir := b.TempDir()
			cfg := JudgeConfig{Rules: bank.DefaultRules(), Source: source, Schedule: schedule}
			rightEvidence(b, dir, cfg)
			resetPeak(b)
			b.ResetTimer()
			for b.Loop() {
				j, err := Judge(dir, cfg)
				if err != nil {
					b.Fatal(err)
				}
				if v := verdict(j); len(v.Reasons) > 0 && strings.Contains(v.Reasons[0], "wrong") {
					b.Fatal(v.Reasons)
				}
				b.ReportMetric(float64(j.Correctness.Expected), "rows")
			}
			b.ReportMetric(peakMiB(b), "peak-MiB")
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkCollect brings back 400,000 records and as many rows as such a run leaves, from an in-process broker and a
// private database.
func BenchmarkCollect(b *testing.B) {
	const partitions = 4
	source, schedule := syntheticRun(b, 400_000)
	kafka := infratest.Kafka(b, partitions, "transactions", "dead")
	client, err := kafka.NewClient(kgo.DefaultProduceTopic("transactions"), kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for n := range schedule.Len() {
		e := source.Event(n, nil)
		client.Produce(b.Context(), &kgo.Record{
			Key: e.Key, Value: e.Value, Headers: []kgo.RecordHeader{{Key: "n", Value: binary.BigEndian.AppendUint64(nil, n)}},
		}, nil)
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	database := infratest.Postgres(b)
	conn, err := pgx.Connect(b.Context(), database)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for _, statement := range []string{
		`create table anomalies as select 'T' || lpad(i::text, 11, '0') transaction_id, 'velocity' rule, 'C' || i % 100000 customer_id,
			now() event_time, 123456::bigint amount_paise, 123456::bigint balance_paise, now() window_start from generate_series(1, 60000) i`,
		`create table customer_windows as select 'C' || i % 100000 customer_id, now() window_start, 2::bigint transactions,
			123456::bigint amount_paise, 123456::bigint max_balance_paise from generate_series(1, 180000) i`,
		`create table customer_profiles as select 'C' || i customer_id, 3::bigint transactions, 123456::bigint amount_paise, 411.52 average_amount,
			123456::bigint max_balance_paise, 'MUMBAI' top_location, 'standard' segment, now() last_event_time from generate_series(1, 60000) i`,
	} {
		if _, err := conn.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		err := Collect(b.Context(), CollectConfig{
			Kafka: kafka, Topic: "transactions", DeadLetters: "dead", Postgres: database, Dir: b.TempDir(), Source: source, Events: schedule.Len(),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// syntheticRun is a run of so many events at 5,000 a second over 100,000 customers.
func syntheticRun(b *testing.B, events int) (*loadgen.Synthetic, *loadgen.Schedule) {
	b.Helper()
	const rate = 5000
	s := &scenarios.Scenario{
		Seed: 42,
		Events: scenarios.Events{
			Source: "synthetic", Speed: 60, Customers: 100_000, Skew: 1,
			Disorder: scenarios.Disorder{Share: 0.05, Max: scenarios.Duration(2 * time.Second)}, Duplicates: 0.001, Malformed: 0.0005,
		},
		Load: []scenarios.Step{{For: scenarios.Duration(time.Duration(events) * time.Second / rate), Rate: scenarios.Rate{PerS: rate}}},
		Rules: scenarios.Rules{
			RelativePercent: 50, AbsoluteINR: 50000, VelocityCount: 3, PremiumINR: 15000, FrequentCount: 10,
			Window: scenarios.Duration(5 * time.Minute), Watermark: scenarios.Duration(2 * time.Minute), DedupHorizon: scenarios.Duration(time.Hour),
		},
	}
	schedule, err := loadgen.NewSchedule(s)
	if err != nil {
		b.Fatal(err)
	}
	source, err := loadgen.NewSynthetic(s, schedule)
	if err != nil {
		b.Fatal(err)
	}
	return source, schedule
}

// rightEvidence writes what a system without a fault would leave: the rows come from the fold itself, so this proves
// nothing about it.
func rightEvidence(b *testing.B, dir string, cfg JudgeConfig) {
	b.Helper()
	const partitions = 4
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	events := cfg.Schedule.Len()
	e := &evidence{}
	e.write(b, dir)
	must(os.Remove(filepath.Join(dir, ledgerFile)))
	ledger, err := loadgen.NewLedgerWriter(filepath.Join(dir, ledgerFile), events)
	must(err)
	var kept [partitions][]record
	next := [partitions]int64{}
	must(save(dir, topicFile, packed(func(w io.Writer) error {
		out, err := newTopicWriter(w, nil)
		must(err)
		var buf []byte
		for n := range events {
			event := cfg.Source.Event(n, buf[:0])
			buf = event.Key
			p := 0
			for _, c := range event.Key {
				p = (p*31 + int(c)) % partitions
			}
			ledger.Sent(n, 0)
			ledger.Acked(n, int32(p), next[p], time.Millisecond)
			if kept[p] = append(kept[p], record{offset: next[p], n: n, kind: recordSame}); len(kept[p]) == chunkRecords {
				must(out.write(int32(p), kept[p]))
				kept[p] = kept[p][:0]
			}
			next[p]++
		}
		for p := range kept {
			must(out.write(int32(p), kept[p]))
		}
		return out.close()
	})))
	must(ledger.Close())

	opened, err := loadgen.OpenLedger(filepath.Join(dir, ledgerFile))
	must(err)
	defer opened.Close()
	probes := &evidence{}
	for n := uint64(0); n < events; n += events / 3000 {
		key := cfg.Source.Event(n, nil).Key
		at := cfg.Schedule.Intended(n).Microseconds()
		probes.probes = append(probes.probes, answer{View: viewProfiles.name, Customer: string(key), IntendedUS: at, SentUS: at, AnsweredUS: at})
	}
	must(save(dir, probesFile, probes.files()[probesFile]))
	parts, err := foldTopic(dir, cfg, opened, progress{}, probes.probes)
	must(err)
	var folds []*fold
	late := int64(0)
	dead := &evidence{}
	for _, p := range parts {
		folds = append(folds, p.fold)
		late += p.fold.late
		for _, offset := range p.fold.deadLetters {
			dead.dead = append(dead.dead, [3]string{strconv.Itoa(int(p.partition)), strconv.FormatInt(offset, 10), "?"})
		}
	}
	dead.late = late
	must(save(dir, deadLettersFile, dead.files()[deadLettersFile]))
	must(save(dir, progressFile, dead.files()[progressFile]))
	for _, v := range []struct {
		view
		rows expectedRows
	}{
		{viewAnomalies, &expectedAnomalies{place{folds: folds}}},
		{viewWindows, &expectedWindows{place{folds: folds}}},
		{viewProfiles, &expectedProfiles{place{folds: folds}}},
	} {
		must(save(dir, v.file(), packed(func(w io.Writer) error {
			var text rowText
			var line []byte
			var failed error
			v.rows.all(func(bool) {
				text.reset()
				v.rows.render(&text)
				line = line[:0]
				for i, f := range text.fields() {
					if i > 0 {
						line = append(line, ',')
					}
					if bytes.ContainsAny(f.text, `",`) {
						line = strconv.AppendQuote(line, string(f.text))
					} else {
						line = append(line, f.text...)
					}
				}
				if _, err := w.Write(append(line, '\n')); err != nil {
					failed = err
				}
			})
			return failed
		})))
	}
}

// resetPeak lets the kernel measure the greatest resident memory anew.
func resetPeak(b *testing.B) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Logf("peak-MiB includes the preparation: %v", err)
	}
}

func peakMiB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Logf("no peak-MiB: %v", err)
		return 0
	}
	lines := strings.Split(string(status), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "VmHWM:") })
	var kib float64
	if _, err := fmt.Sscanf(lines[i], "VmHWM: %f kB", &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
