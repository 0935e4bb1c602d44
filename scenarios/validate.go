package scenarios

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	sourceSynthetic = "synthetic"
	sourceCSV       = "csv"
	orderEventTime  = "event_time"
	orderFile       = "file"
)

// Bounds beyond which a value is a slip of the pen, or could not be carried out.
const (
	maxEvents    = 100_000_000_000 // what the digits of a TransactionID can number
	maxRate      = 10_000_000
	maxLength    = Duration(24 * time.Hour)       // of anything in wall-clock time
	maxEventTime = Duration(365 * 24 * time.Hour) // of anything in event time
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// validate draws random faults, applies the scales and adds a problem for everything that makes no sense.
func (d *decoder) validate(s *Scenario) {
	d.check(namePattern.MatchString(s.Name), "name", "is %q, expected 1 to 40 of a-z, 0-9, - and _, the first a letter", s.Name)
	d.check(isLine(s.Description), "description", "has characters that cannot be printed, expected one line of text")
	between(d, "time_scale", s.TimeScale, 0.001, 1000)
	between(d, "load_scale", s.LoadScale, 0.001, 1000)
	between(d, "partitions", s.Partitions, 1, 64)
	d.events(s.Events)
	d.graces(s)
	d.draw(s)
	d.scale(s)
	between(d, "warmup", s.Warmup, 0, maxLength)
	d.load(s)
	d.burst(s.Events.Burst)
	between(d, "lambda.batch_every", s.Lambda.BatchEvery, Duration(time.Millisecond), maxLength)
	between(d, "recovery.hold", s.Recovery.Hold, 0, maxLength)
	between(d, "recovery.before", s.Recovery.Before, Duration(time.Millisecond), maxLength)
	if !d.hasFailed("warmup") && !d.hasFailed("load") { // else it is not known when anything ends
		d.faults(s)
		d.reprocess(s)
	}
	d.scaled = ""
	between(d, "recovery.lag_factor", s.Recovery.LagFactor, 1, 1000)
	between(d, "recovery.lag_floor", s.Recovery.LagFloor, 0, maxLength)
	between(d, "recovery.latency_factor", s.Recovery.LatencyFactor, 1, 1000)
	between(d, "recovery.latency_floor", s.Recovery.LatencyFloor, 0, maxLength)
	between(d, "queries.rate", s.Queries.Rate, 0, 10_000)
	between(d, "native.commit_interval", s.Native.CommitInterval, 0, Duration(time.Minute))
	d.rules(s.Rules)
	between(d, "drain", s.Drain, Duration(time.Second), maxLength)
	between(d, "limits.schedule_delay_p999", s.Limits.ScheduleDelayP999, Duration(time.Microsecond), maxLength)
	between(d, "limits.observer_lag", s.Limits.ObserverLag, Duration(time.Microsecond), maxLength)
	between(d, "limits.offered_shortfall", s.Limits.OfferedShortfall, 0, 1)
	between(d, "limits.in_flight_mib", s.Limits.InFlightMiB, 1, 65_536)
}

// scale applies the scales, unless they are wrong. What is wrong afterwards is told with them.
func (d *decoder) scale(s *Scenario) {
	if d.hasFailed("time_scale") || d.hasFailed("load_scale") {
		return
	}
	if s.TimeScale != 1 {
		d.scaled = fmt.Sprintf(" after time_scale %v", s.TimeScale)
	}
	if s.LoadScale != 1 {
		d.scaledLoad = fmt.Sprintf(" after load_scale %v", s.LoadScale)
	}
	s.scale()
}

func (d *decoder) events(e Events) {
	d.choice("events.source", e.Source, sourceSynthetic, sourceCSV)
	d.choice("events.order", e.Order, orderEventTime, orderFile)
	switch e.Source {
	case sourceSynthetic:
		d.check(e.File == "", "events.file", "is given, expected it with source: csv only")
		d.check(e.Order != orderFile, "events.order", "is file, expected it with source: csv only")
	case sourceCSV:
		d.check(e.File != "", "events.file", "is missing, expected the path of a CSV file, because source is csv")
		d.check(e.Order != orderFile || e.Repeats == 0, "events.repeats", "is given with order: file, where most rows lie beyond the horizon anyhow, expected order: event_time")
		d.check(isLine(e.File), "events.file", "has characters that cannot be printed, expected the path of a CSV file")
	}
	between(d, "events.speed", e.Speed, 0.001, 1_000_000)
	between(d, "events.customers", e.Customers, 1, 50_000_000)
	between(d, "events.skew", e.Skew, 0, 10)
	between(d, "events.hot_key", e.HotKey, 0, 1)
	between(d, "events.boundary", e.Boundary, 0, 1)
	if e.Missing != nil {
		between(d, "events.missing", *e.Missing, 0, 1)
	}
	between(d, "events.disorder.share", e.Disorder.Share, 0, 1)
	between(d, "events.disorder.max", e.Disorder.Max, 0, maxEventTime)
	between(d, "events.late.share", e.Late.Share, 0, 1)
	between(d, "events.late.by", e.Late.By, 0, maxEventTime)
	between(d, "events.duplicates", e.Duplicates, 0, 1)
	between(d, "events.repeats", e.Repeats, 0, 1)
	between(d, "events.malformed", e.Malformed, 0, 1)
	between(d, "events.oversized", e.Oversized, 0, 1)
	d.check(e.Disorder.Share <= 0 || e.Disorder.Max != 0, "events.disorder", "has a share without max, expected how far event time may be moved back, such as max: 2s")
	d.check(e.Late.Share <= 0 || e.Late.By != 0, "events.late", "has a share without by, expected how far event time is moved back, such as by: 10m")

	// What an event is and when it happened are drawn apart.
	what, when := e.Malformed+e.Oversized+e.Duplicates+e.Repeats+e.Boundary, e.Late.Share+e.Disorder.Share
	d.blame("events", "malformed", "oversized", "duplicates", "repeats", "boundary")
	d.check(what <= 1, "events", "has shares of malformed, oversized, duplicates, repeats and boundary with the sum %s, expected 1 at most, because they exclude each other", plain(what))
	d.blame("events", "late.share", "disorder.share")
	d.check(when <= 1, "events", "has shares of late and disorder with the sum %s, expected 1 at most, because they exclude each other", plain(when))
}

func (d *decoder) burst(b *Burst) {
	if b == nil {
		return
	}
	between(d, "events.burst.every", b.Every, Duration(time.Millisecond), maxLength)
	between(d, "events.burst.for", b.For, Duration(time.Millisecond), maxLength)
	between(d, "events.burst.share", b.Share, 0, 1)
	d.blame("events.burst", "for", "every")
	d.check(b.For <= b.Every, "events.burst", "lasts for %v every %v%s, expected one to end before the next begins", b.For, b.Every, d.scaled)
}

func (d *decoder) rules(r Rules) {
	d.relativePercent("rules", r.RelativePercent)
	d.velocityCount("rules", r.VelocityCount)
	d.frequentCount("rules", r.FrequentCount)
	d.rupees("rules.absolute_inr", r.AbsoluteINR)
	d.rupees("rules.premium_inr", r.PremiumINR)
	between(d, "rules.window", r.Window, Duration(time.Second), maxEventTime)
	d.check(time.Duration(r.Window)%time.Second == 0, "rules.window", "is %v, expected a whole number of seconds", r.Window)
	between(d, "rules.watermark", r.Watermark, 0, maxEventTime)
	between(d, "rules.dedup_horizon", r.DedupHorizon, 0, maxEventTime)
	d.check(time.Duration(r.Watermark)%time.Microsecond == 0, "rules.watermark", "is %v, expected whole microseconds", r.Watermark)
	d.check(time.Duration(r.DedupHorizon)%time.Microsecond == 0, "rules.dedup_horizon", "is %v, expected whole microseconds", r.DedupHorizon)
}

func (d *decoder) relativePercent(of string, percent int) {
	between(d, of+".relative_percent", percent, 0, 100_000)
}

func (d *decoder) velocityCount(of string, count int) {
	between(d, of+".velocity_count", count, 1, 1_000_000_000)
}

func (d *decoder) frequentCount(of string, count int) {
	between(d, of+".frequent_count", count, 0, 1_000_000_000)
}

func (d *decoder) rupees(field string, rupees float64) {
	between(d, field, rupees, 0, maxRupees)
	d.check(hasPaise(rupees), field, "is %v, expected rupees with two decimals at most", rupees)
}

// check adds a problem of a field unless all is well, or the field is known to be wrong already.
func (d *decoder) check(ok bool, field, format string, args ...any) {
	if !ok && !d.hasFailed(field) {
		d.add(d.place(field), field, format, args...)
	}
}

func between[T cmp.Ordered](d *decoder, field string, value, low, high T) {
	d.check(value >= low && value <= high, field, "is %s%s, expected %s to %s", plain(value), d.scaled, plain(low), plain(high))
}

// plain writes a number as a person does: 1000000, not 1e+06.
func plain(value any) string {
	switch v := value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case Share:
		return strconv.FormatFloat(float64(v), 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

func (d *decoder) choice(field, value string, known ...string) {
	d.check(slices.Contains(known, value), field, "is %q, %s", value, didYouMean(value, known))
}

// hasFailed says whether a problem of the field, of a part of it or of what it is a part of was found already. The empty
// field stands for the whole file; only a problem with that itself counts.
func (d *decoder) hasFailed(field string) bool {
	return slices.ContainsFunc(d.failed, func(f string) bool { return f == field || partOf(f, field) || partOf(field, f) })
}

func partOf(part, whole string) bool {
	rest, ok := strings.CutPrefix(part, whole)
	return ok && whole != "" && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// place is where a field, or else the nearest thing that it would be a part of, was given.
func (d *decoder) place(field string) string {
	for {
		if at, ok := d.where[field]; ok {
			return at
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
		if field == "" {
			return d.file
		}
	}
}

// blame moves the place of a field to the --set that gave one of its parts, if there is one: what the file says was consistent.
func (d *decoder) blame(field string, parts ...string) {
	for _, part := range parts {
		if at := d.where[field+"."+part]; strings.HasPrefix(at, setPrefix) {
			d.where[field] = at
		}
	}
}

func isLine(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}
