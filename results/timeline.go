package results

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Second is one row of timeline.csv: what happened in one second of the run. Counts are of that second alone. A nil
// field, or a component that a map lacks, was not measured.
type Second struct {
	Second     int    // since the first intended send; warm-up starts at 0
	Phase      string // warm-up, baseline, fault, recovery, drain
	Offered    *int64 // events the schedule intended
	Sent       *int64
	Acked      *int64
	Processed  *int64 // events every component has durably processed
	Lag        *int64 // events acknowledged and not yet processed by every component, at the end of the second
	Alerts     *int64 // alerts that became visible
	AlertP50MS *float64
	AlertP99MS *float64
	Queries    *int64 // probe queries answered
	QueryP99MS *float64

	CPU map[string]float64 // seconds of CPU used, by component: the cores that were busy
	RSS map[string]int64   // resident bytes at the end of the second, by component
}

// column is one fixed column of a timeline whose rows are of type R. Exactly one of count and value is set.
type column[R any] struct {
	name  string
	count func(row *R) **int64
	value func(row *R) **float64
}

var timelineColumns = []column[Second]{
	{name: "offered", count: func(s *Second) **int64 { return &s.Offered }},
	{name: "sent", count: func(s *Second) **int64 { return &s.Sent }},
	{name: "acked", count: func(s *Second) **int64 { return &s.Acked }},
	{name: "processed", count: func(s *Second) **int64 { return &s.Processed }},
	{name: "lag", count: func(s *Second) **int64 { return &s.Lag }},
	{name: "alerts", count: func(s *Second) **int64 { return &s.Alerts }},
	{name: "alert_p50_ms", value: func(s *Second) **float64 { return &s.AlertP50MS }},
	{name: "alert_p99_ms", value: func(s *Second) **float64 { return &s.AlertP99MS }},
	{name: "queries", count: func(s *Second) **int64 { return &s.Queries }},
	{name: "query_p99_ms", value: func(s *Second) **float64 { return &s.QueryP99MS }},
}

const (
	cpuColumn = "cpu."
	rssColumn = "rss."
)

// WriteTimeline writes timeline.csv: one row a second, in order; cells that were not measured are empty.
func WriteTimeline(w io.Writer, seconds []Second) error {
	cpu, rss := map[string]bool{}, map[string]bool{}
	for _, s := range seconds {
		for name := range s.CPU {
			cpu[name] = true
		}
		for name := range s.RSS {
			rss[name] = true
		}
	}
	cpuNames, rssNames := slices.Sorted(maps.Keys(cpu)), slices.Sorted(maps.Keys(rss))

	header := []string{"second", "phase"}
	for _, c := range timelineColumns {
		header = append(header, c.name)
	}
	for _, name := range cpuNames {
		header = append(header, cpuColumn+name)
	}
	for _, name := range rssNames {
		header = append(header, rssColumn+name)
	}
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for _, s := range seconds {
		row := []string{strconv.Itoa(s.Second), s.Phase}
		for _, c := range timelineColumns {
			row = append(row, c.format(&s))
		}
		for _, name := range cpuNames {
			v, ok := s.CPU[name]
			row = append(row, cell(ok, strconv.FormatFloat(v, 'f', -1, 64)))
		}
		for _, name := range rssNames {
			v, ok := s.RSS[name]
			row = append(row, cell(ok, strconv.FormatInt(v, 10)))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func cell(measured bool, text string) string {
	if !measured {
		return ""
	}
	return text
}

func (c column[R]) format(row *R) string {
	if c.count != nil {
		if v := *c.count(row); v != nil {
			return strconv.FormatInt(*v, 10)
		}
		return ""
	}
	if v := *c.value(row); v != nil {
		return strconv.FormatFloat(*v, 'f', -1, 64)
	}
	return ""
}

func (c column[R]) parse(row *R, text string) error {
	if text == "" {
		return nil
	}
	if c.count != nil {
		v, err := strconv.ParseInt(text, 10, 64)
		*c.count(row) = &v
		return err
	}
	v, err := finite(text)
	*c.value(row) = &v
	return err
}

func finite(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = errors.New("not a finite number")
	}
	return v, err
}

// ReadTimeline reads timeline.csv. Errors name the line and the column.
func ReadTimeline(r io.Reader) ([]Second, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the header: %w", TimelineFile, err)
	}
	fixed := []string{"second", "phase"}
	for _, c := range timelineColumns {
		fixed = append(fixed, c.name)
	}
	if len(header) < len(fixed) || !slices.Equal(header[:len(fixed)], fixed) {
		return nil, fmt.Errorf("%s: line 1: expected the columns %s, then cpu.* and rss.*", TimelineFile, strings.Join(fixed, ","))
	}
	for i, name := range header[len(fixed):] {
		if !strings.HasPrefix(name, cpuColumn) && !strings.HasPrefix(name, rssColumn) || slices.Contains(header[:len(fixed)+i], name) {
			return nil, fmt.Errorf("%s: line 1: unexpected column %q", TimelineFile, name)
		}
	}
	var seconds []Second
	for {
		row, err := in.Read()
		if err == io.EOF {
			return seconds, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", TimelineFile, err)
		}
		line, _ := in.FieldPos(0)
		s, column, err := parseSecond(header, row)
		if err == nil && len(seconds) > 0 && s.Second <= seconds[len(seconds)-1].Second {
			column, err = 0, errors.New("seconds must ascend")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d, column %s: %w", TimelineFile, line, header[column], err)
		}
		seconds = append(seconds, s)
	}
}

// parseSecond reads one row; on an error it gives the column that is wrong.
func parseSecond(header, row []string) (s Second, column int, err error) {
	if s.Second, err = strconv.Atoi(row[0]); err != nil {
		return s, 0, err
	}
	s.Phase = row[1]
	for i, text := range row {
		switch fixed := i - 2; {
		case fixed < 0 || text == "":
		case fixed < len(timelineColumns):
			err = timelineColumns[fixed].parse(&s, text)
		case strings.HasPrefix(header[i], cpuColumn):
			if s.CPU == nil {
				s.CPU = map[string]float64{}
			}
			s.CPU[strings.TrimPrefix(header[i], cpuColumn)], err = finite(text)
		default:
			if s.RSS == nil {
				s.RSS = map[string]int64{}
			}
			s.RSS[strings.TrimPrefix(header[i], rssColumn)], err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return s, i, err
		}
	}
	return s, 0, nil
}
