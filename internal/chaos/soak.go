package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"lkbench/results"
)

// Drift is a figure of the second half of a run's load against its first.
type Drift struct {
	What          string // such as "alert p99" or "memory of stream"
	Unit          string
	First, Second float64 // median over the seconds of the half
}

// Share is by how much the second half is higher, as a share of the first.
func (d Drift) Share() float64 { return d.Second/d.First - 1 }

// Drifts compares the two halves of the measured load: what a system that leaks, or falls behind slowly, shows. A figure with
// fewer than ten seconds in either half is left out.
func Drifts(seconds []results.Second) []Drift {
	var load []results.Second
	for _, s := range seconds {
		if s.Phase == "baseline" {
			load = append(load, s)
		}
	}
	halves := [2][]results.Second{load[:len(load)/2], load[len(load)/2:]}
	var drifts []Drift
	add := func(what, unit string, value func(s results.Second) (float64, bool)) {
		d := Drift{What: what, Unit: unit}
		for i, half := range halves {
			var values []float64
			for _, s := range half {
				if v, ok := value(s); ok {
					values = append(values, v)
				}
			}
			if len(values) < 10 {
				return
			}
			slices.Sort(values)
			*[2]*float64{&d.First, &d.Second}[i] = values[len(values)/2]
		}
		drifts = append(drifts, d)
	}
	pointer := func(of func(s results.Second) *float64) func(results.Second) (float64, bool) {
		return func(s results.Second) (float64, bool) {
			if v := of(s); v != nil {
				return *v, true
			}
			return 0, false
		}
	}
	add("alert p50", "ms", pointer(func(s results.Second) *float64 { return s.AlertP50MS }))
	add("alert p99", "ms", pointer(func(s results.Second) *float64 { return s.AlertP99MS }))
	add("query p99", "ms", pointer(func(s results.Second) *float64 { return s.QueryP99MS }))
	add("lag", "events", func(s results.Second) (float64, bool) {
		if s.Lag == nil {
			return 0, false
		}
		return float64(*s.Lag), true
	})
	components := map[string]bool{}
	for _, s := range load {
		for name := range s.RSS {
			components[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		add("memory of "+name, "MiB", func(s results.Second) (float64, bool) {
			rss, ok := s.RSS[name]
			return float64(rss) / (1 << 20), ok
		})
	}
	return drifts
}

// WriteSoak writes the drifts of a run as a Markdown table, with the space that its servers took per million events.
func WriteSoak(w io.Writer, r *results.Record, seconds []results.Second) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %.0f s at %.0f events/s: %s\n\n", r.Arch, r.Scenario, r.DurationS, r.Load.OfferedPerS, r.Verdict.Status)
	b.WriteString("| figure, median of seconds | first half | second half | change |\n|---|--:|--:|--:|\n")
	for _, d := range Drifts(seconds) {
		change := "-"
		if d.First > 0 {
			change = fmt.Sprintf("%+.0f%%", 100*d.Share())
		}
		fmt.Fprintf(&b, "| %s | %.1f %s | %.1f %s | %s |\n", d.What, d.First, d.Unit, d.Second, d.Unit, change)
	}
	b.WriteString("\n")
	events := float64(r.Load.Sent+r.Load.Warmup) / 1e6
	for _, u := range r.Resources {
		if u.DiskBytes != nil && events > 0 {
			fmt.Fprintf(&b, "%s: %.0f MiB on disk at the end, %.0f MiB per million events\n", u.Component,
				float64(*u.DiskBytes)/(1<<20), float64(*u.DiskBytes)/(1<<20)/events)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
