package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lkbench/results"
)

// save writes a run as the runner does: files first, then the reports, then the record.
func save(t testing.TB, record *results.Record, timeline []results.Second, log func(w *results.LogWriter) error) string {
	t.Helper()
	folder, err := results.Create(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	file, err := folder.Create(results.LatencyFile)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := results.NewLogWriter(file, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := log(writer); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = folder.Create(results.TimelineFile); err != nil {
		t.Fatal(err)
	}
	if err := results.WriteTimeline(file, timeline); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := Open(folder.Dir(), record)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(folder.Dir(), run); err != nil {
		t.Fatal(err)
	}
	dir, err := folder.Commit(record)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The series of a run are what its log says after the warm-up.
func TestLoadLeavesTheWarmUpOut(t *testing.T) {
	record := &results.Record{Arch: "kappa", Phases: []results.Phase{{Name: "warm-up", ToS: 2.5}, {Name: "baseline", FromS: 2.5, ToS: 5}}}
	dir := save(t, record, []results.Second{{Second: 4, Phase: "baseline"}}, func(w *results.LogWriter) error {
		for _, from := range []time.Duration{0, 2000, 2500, 3000, 4000} {
			h := results.NewHistogram()
			h.Record((from + 1) * time.Millisecond)
			from *= time.Millisecond
			for _, tag := range []string{results.TagAlert, results.TagQuery} {
				if err := w.Write(tag, from, from+500*time.Millisecond, h); err != nil {
					return err
				}
			}
		}
		return nil
	})
	run, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if run.Dir != dir || run.Record.Arch != "kappa" || len(run.Timeline) != 1 || len(run.Series) != 2 {
		t.Errorf("%+v", run)
	}
	s := run.Series[results.TagAlert].Summary()
	if s.Count != 3 || *s.Min < 2499 || *s.Min > 2502 || *s.Max < 4000 || *s.Max > 4005 {
		t.Errorf("%d samples from %v to %v", s.Count, *s.Min, *s.Max)
	}
	if err := results.VerifyChecksums(dir); err != nil {
		t.Error(err)
	}
}

func TestRunsThatCannotBeLoaded(t *testing.T) {
	nothing := func(*results.LogWriter) error { return nil }
	for _, c := range []struct {
		name   string
		damage func(dir string) error
		want   string
	}{
		{"no timeline", func(dir string) error { return os.Remove(filepath.Join(dir, results.TimelineFile)) }, "timeline.csv"},
		{"bad timeline", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, results.TimelineFile), []byte("x\n"), 0o644)
		}, "timeline.csv: line 1"},
		{"no log", func(dir string) error { return os.Remove(filepath.Join(dir, results.LatencyFile)) }, "latency.hlog"},
		{"bad log", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, results.LatencyFile), []byte("x\n"), 0o644)
		}, "latency.hlog: line 1"},
		{"no record", func(dir string) error { return os.Remove(filepath.Join(dir, results.RecordFile)) }, "not the folder of a run"},
	} {
		dir := save(t, &results.Record{}, nil, nothing)
		if err := c.damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	run, dir := sample(b, "lambda", 1), b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(dir, run); err != nil {
			b.Fatal(err)
		}
	}
}
