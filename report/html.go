package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lkbench/results"
)

//go:embed assets
var assets embed.FS

// page is what the template of report.html shows.
type page struct {
	Record      *results.Record
	Meaning     string
	Summaries   []named
	Counts      []pair
	Load        []pair
	Environment []pair
	Command     string
	Sections    []section
	Marks       []legend
	Charts      charts

	ChartCSS, CSS template.CSS
	ChartJS, JS   template.JS
}

type named struct {
	Name string
	results.Summary
}

// legend is a symbol in the pictures and what it stands for.
type legend struct{ Symbol, Name string }

// pair is a named value; a bad one stands out.
type pair struct {
	Name, Value string
	Bad         bool
}

// HTML makes report.html: one file that loads nothing.
func HTML(run *Run) ([]byte, error) {
	r := run.Record
	p := page{
		Record: r, Meaning: meaning(r.Verdict.Status), Summaries: summaries(r), Counts: counts(r), Load: load(r),
		Environment: environment(r), Command: command(r.Environment.Command), Sections: sections(r), Charts: chartData(run),
	}
	for _, m := range marks(results.Fault{InjectedAtS: new(0.0), Recovery: &results.Recovery{}}) {
		p.Marks = append(p.Marks, legend{m.symbol, m.name})
	}
	var err error
	asset := func(name string) string {
		content, readErr := assets.ReadFile("assets/" + name)
		if readErr != nil && err == nil {
			err = readErr
		}
		return string(content)
	}
	// The program's own files, the only text that is not escaped.
	p.ChartCSS, p.CSS = template.CSS(asset("uPlot.min.css")), template.CSS(asset("report.css"))
	p.ChartJS = template.JS("/*\n" + asset("uPlot.LICENSE") + "*/\n" + asset("uPlot.iife.min.js"))
	p.JS = template.JS(asset("report.js"))
	source := asset("report.html")
	if err != nil {
		return nil, err
	}
	t, err := template.New("report.html").Funcs(template.FuncMap{
		"verdict":  verdict,
		"decimals": func(v float64, digits int) string { return decimals(&v, digits) },
		"ms":       func(v *float64) string { return decimals(v, 2) },
		"mib":      mebibytes,
		"title":    func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
		"count":    count,
		"measured": measured, "throughput": throughput,
	}).Parse(source)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write report.html: %w", err)
	}
	return b.Bytes(), nil
}

func meaning(s results.Status) string {
	switch s {
	case results.Passed:
		return "Every answer was right, every expectation was met, and the measurement is valid."
	case results.ThresholdFailed:
		return "The measurement is valid and every answer was right, but an expectation was not met."
	case results.Invalid:
		return "The measurement cannot be trusted."
	case results.Incorrect:
		return "The system lost, duplicated or corrupted data."
	}
	return "Nobody has judged this run."
}

func summaries(r *results.Record) []named {
	all := []named{{"alert", r.Latency.Alert}}
	for _, rule := range slices.Sorted(maps.Keys(r.Latency.AlertByRule)) {
		all = append(all, named{"alert, " + rule, r.Latency.AlertByRule[rule]})
	}
	all = append(all, named{"alert, until commit", r.Latency.AlertCommit})
	return append(all, named{"query", r.Latency.Query}, named{"freshness", r.Freshness}, named{"acknowledgement", r.Latency.Ack},
		named{"schedule delay", r.Load.ScheduleDelay}, named{"observer lag", r.Observer.Lag})
}

func integer(v int64) string { return strconv.FormatInt(v, 10) }

func mebibytes(bytes int64) string {
	v := float64(bytes) / (1 << 20)
	return decimals(&v, 0)
}

func measured(t results.Threshold) string {
	if t.Value == nil {
		return none
	}
	return strings.TrimSpace(strconv.FormatFloat(*t.Value, 'g', 6, 64) + " " + t.Unit)
}

func counts(r *results.Record) []pair {
	c := r.Correctness
	// Nothing wrong among nothing checked is not a result.
	checked := func(n, among int64) string {
		if among == 0 {
			return none
		}
		return integer(n)
	}
	rows := func(name string, n int64) pair { return pair{"rows " + name, checked(n, c.Expected), n != 0} }
	answers := func(name string, n int64) pair { return pair{Name: "answers " + name, Value: checked(n, c.Answers)} }
	topic := func(name string, n int64) pair { return pair{name, checked(n, c.Expected), n != 0} }
	of := func(name string, n, want int64) pair {
		if c.Expected == 0 {
			return pair{Name: name, Value: none}
		}
		return pair{name, fmt.Sprintf("%d of %d", n, want), n != want}
	}
	wrong := answers("wrong", c.WrongAnswers)
	wrong.Bad = c.WrongAnswers != 0
	return []pair{
		{Name: "rows expected in the views", Value: integer(c.Expected)}, {Name: "rows observed in the views", Value: checked(c.Observed, c.Expected)},
		rows("missing", c.Missing), rows("duplicate", c.Duplicate), rows("wrong", c.Wrong), rows("unexpected", c.Unexpected),
		{Name: "answers to queries", Value: integer(c.Answers)}, answers("right", c.RightAnswers), answers("stale", c.StaleAnswers), wrong,
		{"seconds with wrong answers", checked(c.WrongAnswerSeconds, c.Answers), c.WrongAnswerSeconds != 0},
		{"queries without answer", integer(c.FailedQueries), c.FailedQueries != 0},
		topic("events lost by the broker", c.BrokerLost), topic("events stored twice by the broker", c.BrokerDuplicate),
		topic("records corrupted by the broker", c.BrokerCorrupt), topic("foreign records", c.ForeignRecords),
		of("malformed records dead-lettered", c.DeadLettered, c.MalformedSent), of("late events counted as late", c.LateCounted, c.LateExpected),
	}
}

func load(r *results.Record) []pair {
	l, o := r.Load, r.Observer
	return []pair{
		{Name: "offered, events/s", Value: decimals(&l.OfferedPerS, 1)}, {Name: "sent, events/s", Value: decimals(&l.SentPerS, 1)},
		{Name: "events offered", Value: integer(l.Offered)}, {Name: "events sent", Value: integer(l.Sent), Bad: l.Sent != l.Offered},
		{Name: "events acknowledged", Value: integer(l.Acked), Bad: l.Acked != l.Sent}, {Name: "events with unknown outcome", Value: integer(l.Indeterminate), Bad: l.Indeterminate != 0},
		{Name: "events of the warm-up", Value: integer(l.Warmup)},
		{Name: "highest bytes in flight, MiB", Value: mebibytes(l.InFlightBytes) + " of " + mebibytes(r.Limits.InFlightBytes), Bad: l.InFlightLimited},
		{Name: "alerts seen by the observer", Value: integer(o.Alerts)}, {Name: "alerts in the served view", Value: integer(o.AlertsServed), Bad: o.Alerts < o.AlertsServed},
		{Name: "highest observer lag, ms", Value: decimals(&o.MaxLagMS, 1) + " of " + decimals(&r.Limits.ObserverLagMS, 0), Bad: o.MaxLagMS > r.Limits.ObserverLagMS},
		{Name: "from command to first event, s", Value: decimals(&r.StartS, 2)}, {Name: "from last event to verdict, s", Value: decimals(&r.FinishS, 2)},
	}
}

func environment(r *results.Record) []pair {
	e := r.Environment
	all := []pair{
		{Name: "lkbench", Value: e.Version}, {Name: "Go", Value: e.GoVersion}, {Name: "system", Value: strings.TrimSpace(e.OS + "/" + e.Arch + " " + e.Kernel)},
		{Name: "CPU", Value: e.CPU}, {Name: "cores", Value: strconv.Itoa(e.Cores)}, {Name: "memory, MiB", Value: mebibytes(e.MemoryBytes)},
		{Name: "Kafka", Value: e.Kafka}, {Name: "PostgreSQL", Value: e.Postgres},
	}
	if how := watched(r); how != "" {
		all = append(all, pair{Name: "observer", Value: how})
	}
	for _, what := range e.Cannot {
		all = append(all, pair{Name: "not possible on this infrastructure", Value: what})
	}
	for _, settings := range []struct {
		prefix string
		values map[string]string
	}{{"", e.Settings}, {"Kafka ", e.KafkaSettings}, {"PostgreSQL ", e.PostgresSettings}} {
		for _, name := range slices.Sorted(maps.Keys(settings.values)) {
			all = append(all, pair{Name: settings.prefix + name, Value: settings.values[name]})
		}
	}
	return all
}

// command writes arguments so that a shell reads the same ones.
func command(arguments []string) string {
	quoted := make([]string, len(arguments))
	for i, a := range arguments {
		quoted[i] = a
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,@%+") != "" {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
