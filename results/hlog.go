package results

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The tags of the series in latency.hlog. Alerts of one rule have the tag TagAlert + "." + rule.
const (
	TagAlert         = "alert"
	TagAck           = "ack"
	TagQuery         = "query"
	TagFreshness     = "freshness"
	TagScheduleDelay = "schedule_delay"
)

// validTag holds what cannot be mistaken for the log's own punctuation.
var validTag = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// LogWriter writes latency.hlog, an HdrHistogram interval log (log format 1.3, histograms in the compressed V2
// encoding, values in microseconds), which the public HdrHistogram tools read. Times in it are seconds since the
// origin of the run, which stands in its head as BaseTime. Overflows and negatives have no place in the format.
type LogWriter struct{ w io.Writer }

// NewLogWriter writes the head of the log. origin is the intended time of the first event.
func NewLogWriter(w io.Writer, origin time.Time) (*LogWriter, error) {
	seconds := float64(origin.UnixMilli()) / 1000
	_, err := fmt.Fprintf(w, "#[lkbench latencies in microseconds; Interval_Max in milliseconds]\n"+
		"#[Histogram log format version 1.3]\n"+
		"#[BaseTime: %.3f (seconds since epoch)]\n"+
		"#[StartTime: %.3f (seconds since epoch), %s]\n"+
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
		seconds, seconds, origin.UTC().Format(time.RFC3339))
	if err != nil {
		return nil, err
	}
	return &LogWriter{w}, nil
}

// Write adds the samples of one series in the interval [from, to) since the origin, usually one second. An empty
// series is left out.
func (l *LogWriter) Write(tag string, from, to time.Duration, h *Histogram) error {
	if !validTag.MatchString(tag) {
		return fmt.Errorf("%s: %q cannot be a tag", LatencyFile, tag)
	}
	if h.Count() == 0 {
		return nil
	}
	encoded, err := h.h.EncodeV2()
	if err != nil {
		return fmt.Errorf("%s: encode %s: %w", LatencyFile, tag, err)
	}
	_, err = fmt.Fprintf(l.w, "Tag=%s,%.3f,%.3f,%.3f,%s\n", tag, from.Seconds(), (to - from).Seconds(), float64(h.h.Max())/1000, encoded)
	return err
}

// Interval is one line of latency.hlog: the samples of one series in [From, To) since the origin of the run.
type Interval struct {
	Tag      string
	From, To time.Duration
	Samples  *Histogram
}

// ReadLog reads latency.hlog and hands over one interval after the other, so that a long log need not fit into memory.
// It stops at the first error of visit. Its own errors name the line.
func ReadLog(r io.Reader, visit func(Interval) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	n := 0
	for lines.Scan() {
		n++
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, `"`) {
			continue
		}
		interval, err := parseInterval(line)
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", LatencyFile, n, err)
		}
		if err := visit(interval); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: after line %d: %w", LatencyFile, n, err)
	}
	return nil
}

func parseInterval(line string) (Interval, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 5 || !strings.HasPrefix(fields[0], "Tag=") {
		return Interval{}, fmt.Errorf("expected Tag=…,start,length,max,histogram")
	}
	tag := strings.TrimPrefix(fields[0], "Tag=")
	if !validTag.MatchString(tag) {
		return Interval{}, fmt.Errorf("%q cannot be a tag", tag)
	}
	from, err := logSeconds(fields[1])
	if err != nil {
		return Interval{}, fmt.Errorf("start: %w", err)
	}
	length, err := logSeconds(fields[2])
	if err != nil {
		return Interval{}, fmt.Errorf("length: %w", err)
	}
	decoded, err := hdr.Decode([]byte(fields[4]))
	if err != nil {
		return Interval{}, fmt.Errorf("histogram: %w", err)
	}
	if decoded.LowestTrackableValue() != lowest/1000 || decoded.HighestTrackableValue() != highest/1000 || decoded.SignificantFigures() != digits {
		return Interval{}, fmt.Errorf("histogram: its range is not that of lkbench, 1 µs to 1 h with %d digits", digits)
	}
	return Interval{tag, from, from + length, FromHDR(decoded)}, nil
}

// logSeconds reads a time of the log. A year bounds it, so that sums cannot overflow.
func logSeconds(text string) (time.Duration, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, err
	}
	if !(v >= 0 && v <= 366*24*3600) {
		return 0, fmt.Errorf("%s s is not a time of a run", text)
	}
	return time.Duration(v*1e6+0.5) * time.Microsecond, nil
}
