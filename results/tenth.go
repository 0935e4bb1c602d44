package results

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// TenthsFile is the timeline of a run with faults or a reprocess, one row every 100 ms.
const TenthsFile = "timeline-100ms.csv"

// Tenth is one row of TenthsFile: what happened in 100 ms of the run. Counts are of that time alone. A nil field was not
// measured: a question that was not answered leaves a gap, never a zero.
type Tenth struct {
	AtMS       int64    // since the first intended send, where the row begins
	Offered    *int64   // events the schedule intended
	Acked      *int64   // events acknowledged
	Processed  *int64   // events every component has durably processed
	Lag        *int64   // events acknowledged and not yet processed by every component, at the end
	Alerts     *int64   // alerts that became visible
	AlertMaxMS *float64 // the longest of their latencies
	AlertP99MS *float64 // over the second that ends with this row; null where it holds fewer than ten alerts
}

var tenthColumns = []column[Tenth]{
	{name: "offered", count: func(t *Tenth) **int64 { return &t.Offered }},
	{name: "acked", count: func(t *Tenth) **int64 { return &t.Acked }},
	{name: "processed", count: func(t *Tenth) **int64 { return &t.Processed }},
	{name: "lag", count: func(t *Tenth) **int64 { return &t.Lag }},
	{name: "alerts", count: func(t *Tenth) **int64 { return &t.Alerts }},
	{name: "alert_max_ms", value: func(t *Tenth) **float64 { return &t.AlertMaxMS }},
	{name: "alert_p99_ms", value: func(t *Tenth) **float64 { return &t.AlertP99MS }},
}

func tenthHeader() []string {
	header := []string{"at_ms"}
	for _, c := range tenthColumns {
		header = append(header, c.name)
	}
	return header
}

// WriteTenths writes TenthsFile; cells that were not measured are empty.
func WriteTenths(w io.Writer, tenths []Tenth) error {
	out := csv.NewWriter(w)
	if err := out.Write(tenthHeader()); err != nil {
		return err
	}
	for _, t := range tenths {
		row := []string{strconv.FormatInt(t.AtMS, 10)}
		for _, c := range tenthColumns {
			row = append(row, c.format(&t))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// ReadTenths reads TenthsFile. Errors name the line and the column.
func ReadTenths(r io.Reader) ([]Tenth, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the header: %w", TenthsFile, err)
	}
	if want := tenthHeader(); !slices.Equal(header, want) {
		return nil, fmt.Errorf("%s: line 1: expected the columns %s", TenthsFile, strings.Join(want, ","))
	}
	var tenths []Tenth
	for {
		row, err := in.Read()
		if err == io.EOF {
			return tenths, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", TenthsFile, err)
		}
		line, _ := in.FieldPos(0)
		t, column, err := parseTenth(row)
		if err == nil && len(tenths) > 0 && t.AtMS <= tenths[len(tenths)-1].AtMS {
			column, err = 0, errors.New("times must ascend")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d, column %s: %w", TenthsFile, line, header[column], err)
		}
		tenths = append(tenths, t)
	}
}

// parseTenth reads one row; on an error it gives the column that is wrong.
func parseTenth(row []string) (t Tenth, column int, err error) {
	if t.AtMS, err = strconv.ParseInt(row[0], 10, 64); err != nil {
		return t, 0, err
	}
	for i, c := range tenthColumns {
		if err := c.parse(&t, row[i+1]); err != nil {
			return t, i + 1, err
		}
	}
	return t, 0, nil
}
