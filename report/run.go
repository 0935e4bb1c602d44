// Package report shows runs: as a table in a terminal, as pictures, and as one HTML file. Everything it shows comes from
// a saved run, so every report can be made again.
package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lkbench/results"
)

// Run is a saved run as the renderers need it.
type Run struct {
	Dir      string
	Record   *results.Record
	Timeline []results.Second
	Tenths   []results.Tenth // of a run with faults or a reprocess; none of others
	// Series are the latencies after warm-up by the tag they have in latency.hlog.
	Series map[string]*results.Histogram
}

// Load reads a whole run.
func Load(dir string) (*Run, error) {
	record, err := results.ReadRecord(dir)
	if err != nil {
		return nil, err
	}
	return Open(dir, record)
}

// Open reads the files beside a record, which need not have been saved yet.
func Open(dir string, record *results.Record) (*Run, error) {
	run := &Run{Dir: dir, Record: record, Series: map[string]*results.Histogram{}}
	timeline, err := os.Open(filepath.Join(dir, results.TimelineFile))
	if err != nil {
		return nil, fmt.Errorf("read the run %s: %w", dir, err)
	}
	defer timeline.Close()
	if run.Timeline, err = results.ReadTimeline(timeline); err != nil {
		return nil, fmt.Errorf("read the run %s: %w", dir, err)
	}
	if run.Tenths, err = openTenths(dir); err != nil {
		return nil, fmt.Errorf("read the run %s: %w", dir, err)
	}
	log, err := os.Open(filepath.Join(dir, results.LatencyFile))
	if err != nil {
		return nil, fmt.Errorf("read the run %s: %w", dir, err)
	}
	defer log.Close()
	from := measuredFrom(record)
	err = results.ReadLog(log, func(i results.Interval) error {
		// The log rounds to milliseconds.
		if i.From < from-time.Millisecond {
			return nil
		}
		if s := run.Series[i.Tag]; s != nil {
			s.Merge(i.Samples)
		} else {
			run.Series[i.Tag] = i.Samples
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the run %s: %w", dir, err)
	}
	return run, nil
}

// openTenths reads the rows of 100 ms, which not every run has.
func openTenths(dir string) ([]results.Tenth, error) {
	file, err := os.Open(filepath.Join(dir, results.TenthsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return results.ReadTenths(file)
}

// measuredFrom is the end of the warm-up, since the first intended send.
func measuredFrom(r *results.Record) time.Duration {
	end := 0.0
	for _, p := range r.Phases {
		if p.Name == "warm-up" {
			end = max(end, p.ToS)
		}
	}
	return time.Duration(end * float64(time.Second))
}

// Write makes report.html and plots/*.png in a run's folder: of every fault that took effect a picture of its own.
func Write(dir string, run *Run) error {
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return err
	}
	type file struct {
		name string
		make func(run *Run) ([]byte, error)
	}
	files := []file{
		{"report.html", HTML},
		{filepath.Join("plots", "latency.png"), LatencyPNG},
		{filepath.Join("plots", "timeline.png"), TimelinePNG},
	}
	for i, f := range run.Record.Faults {
		if f.Recovery != nil && f.InjectedAtS != nil {
			name := fmt.Sprintf("recovery-%d.png", i+1)
			files = append(files, file{filepath.Join("plots", name), func(run *Run) ([]byte, error) { return RecoveryPNG(run, i) }})
		}
	}
	for _, f := range files {
		content, err := f.make(run)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
