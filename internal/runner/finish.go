package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lkbench/architectures"
	"lkbench/internal/kafka"
	"lkbench/internal/observe"
	"lkbench/internal/oracle"
	"lkbench/loadgen"
	"lkbench/results"
)

// newRecord begins the record with what is known before the run.
func newRecord(cfg Config, id string) *results.Record {
	s := cfg.Scenario
	return &results.Record{
		SchemaVersion: results.SchemaVersion, RunID: id, Arch: cfg.Architecture.Name(), Engine: cfg.Engine,
		Infra: cfg.Provider.Name(), Scenario: s.Name, Seed: s.Seed,
		Limits: results.Limits{
			ScheduleDelayP999MS: milliseconds(time.Duration(s.Limits.ScheduleDelayP999)),
			ObserverLagMS:       milliseconds(time.Duration(s.Limits.ObserverLag)),
			OfferedShortfall:    float64(s.Limits.OfferedShortfall),
			InFlightBytes:       int64(s.Limits.InFlightMiB) << 20,
			DrainS:              time.Duration(s.Drain).Seconds(),
		},
		Faults: []results.Fault{}, Restarts: []results.Restart{}, Batch: []results.Batch{}, Reprocess: []results.Reprocess{},
		Resources: []results.Resource{}, Thresholds: []results.Threshold{}, Positions: []results.ComponentPosition{},
		Environment: Machine(cfg.Command, cfg.Version),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// finish collects the evidence, judges it, and saves the run. It gives the run's folder.
func (r *run) finish(ctx context.Context) (string, error) {
	r.Progress(Snapshot{Arch: r.Architecture.Name(), Phase: "verify", Note: "collecting and judging the answers"})
	record := r.record
	// What the driver and the observers hold is complete only after they have ended; the observers end first, so that the
	// last sample is of the drain.
	if err := r.watch.stop(ctx); err != nil {
		return "", fmt.Errorf("watch the run: %w", err)
	}
	if err := r.load.close(); err != nil {
		return "", fmt.Errorf("close the ledger: %w", err)
	}
	stats := r.load.generator.Stats()
	if err := r.describe(ctx, stats); err != nil {
		return "", err
	}
	text, err := r.Scenario.Marshal()
	if err != nil {
		return "", err
	}
	if err := r.folder.Write(scenarioFile, text); err != nil {
		return "", err
	}
	freshness := results.NewHistogram()
	if record.Interrupted {
		record.Verdict = results.Decide(record)
	} else if freshness, err = r.verify(ctx); err != nil {
		return "", err
	}
	faults, err := results.EncodeFaults(record.Faults)
	if err != nil {
		return "", err
	}
	if err := r.folder.Write(results.FaultsFile, faults); err != nil {
		return "", err
	}
	if err := r.writeSeries(stats, freshness); err != nil {
		return "", err
	}
	record.FinishS = max(0, r.now()-r.schedule.End()).Seconds()
	if err := r.copyLogs(); err != nil {
		return "", err
	}
	if err := r.Write(r.folder.Dir(), record); err != nil {
		return "", fmt.Errorf("write the reports: %w", err)
	}
	return r.folder.Commit(record)
}

// verify collects the evidence and judges it; it gives the series of freshness.
func (r *run) verify(ctx context.Context) (*results.Histogram, error) {
	err := oracle.CollectAtRest(ctx, oracle.CollectConfig{
		Kafka: r.instance.Kafka, Topic: r.topic(), DeadLetters: r.deadLetters(), Postgres: r.instance.Postgres,
		Dir: r.folder.Dir(), Source: r.source, Events: r.schedule.Len(),
	}, func(ctx context.Context) (any, error) { return r.system.Progress(ctx) })
	if err != nil {
		return nil, fmt.Errorf("collect the evidence: %w", err)
	}
	return judge(r.folder.Dir(), r.record, r.Scenario, r.schedule, r.source, r.recovered)
}

// describe fills in everything of the record that needs no oracle.
func (r *run) describe(ctx context.Context, stats loadgen.Stats) error {
	record := r.record
	end := r.schedule.End()
	if record.Interrupted {
		end = min(end, r.now())
	}
	done := max(r.drained, end)
	record.DurationS = max(0, end-r.schedule.WarmupEnd()).Seconds()
	record.Load = stats.Load
	record.Data = dataOf(r.source, stats.Load.Warmup+stats.Load.Sent)
	if span := (done - r.schedule.WarmupEnd()).Seconds(); span > 0 && record.Drained {
		record.ThroughputS = float64(stats.Load.Acked) / span
	}
	record.Faults = []results.Fault{}
	for _, in := range r.injections {
		record.Faults = append(record.Faults, in.record())
	}
	record.Phases = phases(r.schedule, record.Faults, end, done)
	record.Latency = results.Latencies{AlertByRule: map[string]results.Summary{}, Ack: stats.Ack.Summary()}
	if r.watch.prober != nil {
		record.Latency.Query = r.watch.prober.Latency().Total().Summary()
	}
	if f := r.watch.follower; f != nil {
		record.Latency.Alert = f.Latency().Total().Summary()
		record.Latency.AlertCommit = f.CommitLatency().Summary()
		for rule, h := range f.LatencyByRule() {
			record.Latency.AlertByRule[rule] = h.Summary()
		}
		record.Observer = f.Record()
		record.Observer.Failure = r.watch.failure
		if err := r.countAlerts(ctx); err != nil {
			return err
		}
	}
	r.describeCorrection()
	var failed error
	record.Restarts, failed = r.supervisor.history()
	if failed != nil {
		return failed
	}
	batches, err := r.system.Batches(ctx)
	if err != nil {
		return fmt.Errorf("ask for the batch generations: %w", err)
	}
	for i, b := range batches {
		g := r.batch(b)
		if i > 0 {
			// A generation is as old as the plan it covers: what came later is not in it.
			age := b.PublishedAt.Sub(batches[i-1].StartedAt).Seconds()
			g.AgeS = &age
		}
		record.Batch = append(record.Batch, g)
	}
	progress, err := r.system.Progress(ctx)
	if err != nil {
		return err
	}
	record.Positions = positions(progress)
	if record.Resources, err = r.resources(ctx); err != nil {
		return err
	}
	record.InfraLabel = r.instance.Label
	e := &record.Environment
	e.Kafka, e.KafkaSettings = r.instance.KafkaVersion, r.instance.KafkaSettings
	e.Postgres, e.PostgresSettings = r.instance.PostgresVersion, r.instance.PostgresSettings
	e.Cannot = append([]string{}, r.instance.Cannot...)
	e.Settings = kafka.Recorded()
	e.Settings["restart_delay"] = restartDelay.String()
	e.Settings["commit_interval"] = time.Duration(r.Scenario.Native.CommitInterval).String()
	e.Settings["batch_every"] = time.Duration(r.Scenario.Lambda.BatchEvery).String()
	return nil
}

// countAlerts holds the view of alerts against what the follower has seen. One that it has not seen is history if it was
// intended before the answers were switched to; else it was missed.
func (r *run) countAlerts(ctx context.Context) error {
	served, unseen, err := r.watch.follower.Unseen(ctx, "anomalies")
	if err != nil {
		return err
	}
	o := &r.record.Observer
	o.AlertsServed = served
	for _, n := range unseen {
		if c := r.correction; c != nil && c.switched > 0 && r.schedule.Intended(n) <= max(c.switched, c.followed) {
			o.Reprocessed++
		} else {
			o.Missed++
		}
	}
	return nil
}

func (r *run) batch(b architectures.Batch) results.Batch {
	return results.Batch{
		Generation: b.Generation, StartedAtS: b.StartedAt.Sub(r.origin).Seconds(), PublishedS: b.PublishedAt.Sub(r.origin).Seconds(),
		Rows: b.Rows, ChangedRows: b.ChangedRows, Mode: b.Mode, WaitS: b.WaitS, ReadS: b.ReadS, WriteS: b.WriteS, PublishS: b.PublishS,
		RealtimeRows: &b.RealtimeRows,
	}
}

// positions sums up over partitions.
func positions(progress architectures.Progress) []results.ComponentPosition {
	sums := []results.ComponentPosition{}
	for _, p := range progress.Positions {
		i := slices.IndexFunc(sums, func(s results.ComponentPosition) bool { return s.Component == p.Component })
		if i < 0 {
			sums = append(sums, results.ComponentPosition{Component: p.Component})
			i = len(sums) - 1
		}
		sums[i].Processed += p.Next
		sums[i].Late += p.Late
		sums[i].Duplicates += p.Duplicates
		sums[i].DeadLetters += p.DeadLetters
	}
	return sums
}

// writeSeries writes timeline.csv and latency.hlog.
func (r *run) writeSeries(stats loadgen.Stats, freshness *results.Histogram) error {
	log, err := r.folder.Create(results.LatencyFile)
	if err != nil {
		return err
	}
	if err := errors.Join(r.writeLog(log, stats, freshness), log.Close()); err != nil {
		return err
	}
	timeline, err := r.folder.Create(results.TimelineFile)
	if err != nil {
		return err
	}
	return errors.Join(results.WriteTimeline(timeline, r.timeline(stats)), timeline.Close())
}

func (r *run) writeLog(file *os.File, stats loadgen.Stats, freshness *results.Histogram) error {
	log, err := results.NewLogWriter(file, r.origin)
	if err != nil {
		return err
	}
	from, to := r.schedule.WarmupEnd(), max(r.drained, r.schedule.End())
	for tag, series := range map[string]*observe.Series{results.TagAlert: r.alerts(), results.TagQuery: r.queries()} {
		for s := range series.Seconds() {
			at := time.Duration(s.Second) * time.Second
			// Nothing is recorded before warm-up ends, also where that is in the middle of a second.
			if err := log.Write(tag, max(at, from), at+time.Second, s.Histogram); err != nil {
				return err
			}
		}
	}
	whole := map[string]*results.Histogram{results.TagAck: stats.Ack, results.TagScheduleDelay: stats.ScheduleDelay, results.TagFreshness: freshness}
	if r.watch.follower != nil {
		for rule, h := range r.watch.follower.LatencyByRule() {
			whole[results.TagAlert+"."+rule] = h
		}
	}
	for tag, h := range whole {
		if err := log.Write(tag, from, to, h); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) alerts() *observe.Series {
	if r.watch.follower == nil {
		return observe.NewSeries()
	}
	return r.watch.follower.Latency()
}

func (r *run) queries() *observe.Series {
	if r.watch.prober == nil {
		return observe.NewSeries()
	}
	return r.watch.prober.Latency()
}

// timeline puts everything that is counted by the second side by side.
func (r *run) timeline(stats loadgen.Stats) []results.Second {
	samples := r.watch.sampler.Samples()
	rows := make([]results.Second, max(len(stats.Seconds), len(samples)))
	for i := range rows {
		rows[i] = results.Second{Second: i, Phase: r.phase(i)}
		if i < len(stats.Seconds) {
			s := stats.Seconds[i]
			rows[i].Offered, rows[i].Sent, rows[i].Acked = &s.Offered, &s.Sent, &s.Acked
		}
	}
	var before observe.Sample
	for _, s := range samples {
		if s.Second >= len(rows) {
			continue
		}
		row := &rows[s.Second]
		row.Lag, row.RSS = s.Lag, s.RSS
		consecutive := s.Second == before.Second+1 || before.At == 0
		if s.Processed != nil && consecutive && (before.Processed != nil || before.At == 0) {
			n := *s.Processed
			if before.Processed != nil {
				n -= *before.Processed
			}
			row.Processed = &n
		}
		// The last sample comes when the drain ends; over a few milliseconds the operating system's ticks say nothing.
		if before.At > 0 && consecutive && s.At-before.At > time.Second/2 {
			row.CPU = map[string]float64{}
			for name, used := range s.CPU {
				if earlier, known := before.CPU[name]; known {
					row.CPU[name] = (used - earlier).Seconds() / (s.At - before.At).Seconds()
				}
			}
		}
		before = s
	}
	for s := range r.alerts().Seconds() {
		if s.Second < len(rows) {
			of := s.Histogram.Summary()
			rows[s.Second].Alerts, rows[s.Second].AlertP50MS, rows[s.Second].AlertP99MS = &of.Count, of.P50, of.P99
		}
	}
	for s := range r.queries().Seconds() {
		if s.Second < len(rows) {
			of := s.Histogram.Summary()
			rows[s.Second].Queries, rows[s.Second].QueryP99MS = &of.Count, of.P99
		}
	}
	return rows
}

// copyLogs puts the logs of Kafka and PostgreSQL beside those of the components.
func (r *run) copyLogs() error {
	logs, err := filepath.Glob(filepath.Join(r.workspace.Dir, "*.log"))
	if err != nil {
		return err
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := r.folder.Write("components/"+filepath.Base(log), text); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) phase(second int) string {
	for _, p := range slices.Backward(r.record.Phases) {
		if float64(second) >= p.FromS {
			return p.Name
		}
	}
	return ""
}
