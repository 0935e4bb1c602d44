package scenarios

import (
	"strings"
	"testing"
)

const (
	step      = "load: [{for: 5s, rate: 100}]\n"
	topNames  = "name, description, seed, time_scale, load_scale, partitions, events, warmup, load, queries, faults, reprocess, recovery, lambda, native, rules, drain, limits or expect"
	evNames   = "source, file, order, speed, customers, skew, hot_key, disorder, duplicates, repeats, malformed, oversized, burst, late, missing or boundary"
	stepNames = "shape, for, rate, from, to, peak, rise, hold, fall, steps or events"
	metrics   = "expected alert, query, freshness, ack or schedule_delay, each with .p50, p90, p95, p99, p999, max or mean; throughput, " +
		"correctness.missing, correctness.duplicate, correctness.wrong, correctness.unexpected, correctness.wrong_answers, " +
		"correctness.wrong_answer_seconds, correctness.broker_lost, restarts, recovery.detection, recovery.first_output, recovery.downtime, " +
		"recovery.lag_back, recovery.p99_back, recovery.freshness_back, recovery.all_right, reprocess.first_right or reprocess.all_right"
)

// refused are files, with sets, and the problems that must be reported, all of them.
var refused = []struct {
	name, text string
	sets       []string
	want       []string
}{
	{name: "empty", want: []string{"x.yaml: is empty, expected a scenario with at least a load, such as load: [{for: 20s, rate: 5000}]"}},
	{name: "only comments", text: "# nothing\n", want: []string{"x.yaml: is empty, expected a scenario with at least a load, such as load: [{for: 20s, rate: 5000}]"}},
	{name: "a set cannot mend an empty file", sets: []string{"seed=1"}, want: []string{"x.yaml: is empty, expected a scenario with at least a load, such as load: [{for: 20s, rate: 5000}]"}},
	{name: "not UTF-8", text: "name: \xff", want: []string{"x.yaml: is not UTF-8, expected a scenario in YAML"}},
	{name: "too large", text: strings.Repeat("#", 64<<10) + "#", want: []string{"x.yaml: has 65537 bytes, expected a scenario of at most 65536"}},
	{name: "not YAML", text: step + "a: b: c", want: []string{"x.yaml:2: is not YAML: mapping value is not allowed in this context"}},
	{name: "unclosed", text: "load: [", want: []string{"x.yaml:1: is not YAML: sequence end token ']' not found"}},
	{name: "repeated field", text: step + step, want: []string{`x.yaml:2: is not YAML: mapping key "load" already defined at [1:1]`}},
	{name: "repeated field in braces", text: "load: [{for: 5s, rate: 5, for: 6s}]", want: []string{`x.yaml:1: is not YAML: mapping key "for" already defined at [1:9]`}},
	{name: "two documents", text: step + "---\n" + step, want: []string{"x.yaml:3: begins a second document, expected one scenario in a file"}},
	{name: "a list", text: "- 1\n", want: []string{"x.yaml: is a list, expected a mapping with " + topNames}},
	{name: "a text", text: "hello", want: []string{`x.yaml: is "hello", expected a mapping with ` + topNames}},

	{name: "unknown field", text: step + "queris: {rate: 1}", want: []string{"x.yaml:2: queris: is an unknown field, did you mean queries? expected " + topNames}},
	{name: "unknown field below", text: step + "events:\n  seed: 1\n  skwe: 1", want: []string{
		"x.yaml:3: events.seed: is an unknown field, did you mean speed? expected " + evNames,
		"x.yaml:4: events.skwe: is an unknown field, did you mean skew? expected " + evNames,
	}},
	{name: "unknown field like none", text: step + "zookeeper: 1", want: []string{"x.yaml:2: zookeeper: is an unknown field, expected " + topNames}},
	{name: "unknown field in a list", text: "load:\n- for: 5s\n  rate: 1\n- for: 5s\n  form: 1\n  to: 2\n", want: []string{
		"x.yaml:5: load[1].form: is an unknown field, did you mean from? expected " + stepNames}},
	{name: "capital", text: step + "Seed: 1", want: []string{"x.yaml:2: Seed: is an unknown field, did you mean seed? expected " + topNames}},
	{name: "merge key", text: step + "<<: {seed: 1}", want: []string{"x.yaml:2: <<: is an unknown field, expected " + topNames}},
	{name: "anchor", text: step + "seed: &a 1", want: []string{"x.yaml:2: seed: is an anchor, an alias or a tag, expected a plain value"}},
	{name: "alias", text: step + "seed: *a", want: []string{"x.yaml:2: seed: is an anchor, an alias or a tag, expected a plain value"}},
	{name: "tag", text: step + "name: !!str 5", want: []string{"x.yaml:2: name: is an anchor, an alias or a tag, expected a plain value"}},

	{name: "number for a text", text: step + "name: 5", want: []string{"x.yaml:2: name: is 5, expected a text"}},
	{name: "text for a number", text: step + "partitions: many", want: []string{`x.yaml:2: partitions: is "many", expected a whole number`}},
	{name: "quoted number", text: step + `partitions: "4"`, want: []string{`x.yaml:2: partitions: is "4", expected a whole number`}},
	{name: "fraction for a whole number", text: step + "partitions: 4.5", want: []string{"x.yaml:2: partitions: is 4.5, expected a whole number"}},
	{name: "too great a number", text: step + "partitions: 18446744073709551615", want: []string{"x.yaml:2: partitions: is 18446744073709551615, expected a whole number"}},
	{name: "negative seed", text: step + "seed: -1", want: []string{"x.yaml:2: seed: is -1, expected a whole number from 0 to 18446744073709551615"}},
	{name: "infinite", text: step + "events: {skew: .inf}", want: []string{"x.yaml:2: events.skew: is .inf, expected a number"}},
	{name: "not a number", text: step + "events: {skew: .nan}", want: []string{"x.yaml:2: events.skew: is .nan, expected a number"}},
	{name: "infinite by exponent", text: step + "events: {skew: 1e999}", want: []string{`x.yaml:2: events.skew: is "1e999", expected a number`}},
	{name: "quoted exponent", text: step + `events: {skew: "1e0"}`, want: []string{`x.yaml:2: events.skew: is "1e0", expected a number`}},
	{name: "nothing", text: step + "events:\n  skew:\n  late:\n", want: []string{
		"x.yaml:3: events.skew: is nothing, expected a number", "x.yaml:4: events.late: is nothing, expected a mapping with share or by"}},
	{name: "list for a mapping", text: step + "events: [1]", want: []string{"x.yaml:2: events: is a list, expected a mapping with " + evNames}},
	{name: "mapping for a list", text: "load: {for: 5s, rate: 5}", want: []string{"x.yaml:1: load: is a mapping, expected a list"}},
	{name: "number for a duration", text: step + "drain: 60", want: []string{"x.yaml:2: drain: is 60, expected a duration with its unit, such as 500ms, 10s or 1m30s"}},
	{name: "wrong unit", text: step + "drain: 1 minute", want: []string{`x.yaml:2: drain: is "1 minute", expected a duration with its unit, such as 500ms, 10s or 1m30s`}},
	{name: "text for a rate", text: "load:\n- {for: 5s, rate: many}", want: []string{
		`x.yaml:2: load[0].rate: is "many", expected events per second, such as 5000, or a share of the capacity, such as 60%`}},
	{name: "shares of capacity", text: "load:\n- {for: 5s, rate: 0%}\n- {for: 5s, rate: 201%}\n- {for: 5s, rate: -5%}\n- {for: 5s, rate: 5 %}\n- {for: 5s, rate: 1e2%}", want: []string{
		"x.yaml:2: load[0].rate: is 0%, expected more than 0% of the capacity and 200% at most",
		"x.yaml:3: load[1].rate: is 201%, expected more than 0% of the capacity and 200% at most",
		`x.yaml:4: load[2].rate: is "-5%", expected events per second, such as 5000, or a share of the capacity, such as 60%`,
		`x.yaml:5: load[3].rate: is "5 %", expected events per second, such as 5000, or a share of the capacity, such as 60%`,
		`x.yaml:6: load[4].rate: is "1e2%", expected events per second, such as 5000, or a share of the capacity, such as 60%`}},

	{name: "name", text: step + "name: My Scenario", want: []string{`x.yaml:2: name: is "My Scenario", expected 1 to 40 of a-z, 0-9, - and _, the first a letter`}},
	{name: "empty name", text: step + `name: ""`, want: []string{`x.yaml:2: name: is "", expected 1 to 40 of a-z, 0-9, - and _, the first a letter`}},
	{name: "description", text: step + `description: "a\nb"`, want: []string{"x.yaml:2: description: has characters that cannot be printed, expected one line of text"}},
	{name: "scales", text: step + "time_scale: 0\nload_scale: 1e4", want: []string{
		"x.yaml:2: time_scale: is 0, expected 0.001 to 1000", "x.yaml:3: load_scale: is 10000, expected 0.001 to 1000"}},
	{name: "partitions", text: step + "partitions: 65", want: []string{"x.yaml:2: partitions: is 65, expected 1 to 64"}},
	{name: "no partition", text: step + "partitions: 0", want: []string{"x.yaml:2: partitions: is 0, expected 1 to 64"}},
	{name: "source", text: step + "events: {source: sythetic}", want: []string{`x.yaml:2: events.source: is "sythetic", did you mean synthetic? expected synthetic or csv`}},
	{name: "order", text: step + "events: {source: csv, file: a.csv, order: files}", want: []string{`x.yaml:2: events.order: is "files", did you mean file? expected event_time or file`}},
	{name: "order without csv", text: step + "events: {order: file}", want: []string{"x.yaml:2: events.order: is file, expected it with source: csv only"}},
	{name: "csv without file", text: step + "events:\n  source: csv", want: []string{"x.yaml:2: events.file: is missing, expected the path of a CSV file, because source is csv"}},
	{name: "file without csv", text: step + "events:\n  file: a.csv", want: []string{"x.yaml:3: events.file: is given, expected it with source: csv only"}},
	{name: "file name", text: step + `events: {source: csv, file: "a\u0007"}`, want: []string{"x.yaml:2: events.file: has characters that cannot be printed, expected the path of a CSV file"}},
	{name: "events out of bounds", text: step + "events:\n  speed: 0\n  customers: 0\n  skew: -1\n  hot_key: 1.5\n  boundary: -0.1\n  missing: 2\n", want: []string{
		"x.yaml:3: events.speed: is 0, expected 0.001 to 1000000",
		"x.yaml:4: events.customers: is 0, expected 1 to 50000000",
		"x.yaml:5: events.skew: is -1, expected 0 to 10",
		"x.yaml:6: events.hot_key: is 1.5, expected 0 to 1",
		"x.yaml:7: events.boundary: is -0.1, expected 0 to 1",
		"x.yaml:8: events.missing: is 2, expected 0 to 1",
	}},
	{name: "shares out of bounds", text: step + "events:\n  duplicates: 1.1\n  malformed: -1\n  disorder: {share: 7, max: -1s}\n  late: {share: 1.5, by: 9000h}\n", want: []string{
		"x.yaml:5: events.disorder.share: is 7, expected 0 to 1",
		"x.yaml:5: events.disorder.max: is -1s, expected 0s to 8760h",
		"x.yaml:6: events.late.share: is 1.5, expected 0 to 1",
		"x.yaml:6: events.late.by: is 9000h, expected 0s to 8760h",
		"x.yaml:3: events.duplicates: is 1.1, expected 0 to 1",
		"x.yaml:4: events.malformed: is -1, expected 0 to 1",
	}},
	{name: "shares beyond one", text: step + "events:\n  duplicates: 0.5\n  malformed: 0.5\n", want: []string{
		"x.yaml:2: events: has shares of malformed, oversized, duplicates, repeats and boundary with the sum 1.001, expected 1 at most, because they exclude each other"}},
	{name: "times beyond one", text: step + "events:\n  disorder: {share: 0.75, max: 1s}\n  late: {share: 0.5, by: 10m}\n", want: []string{
		"x.yaml:2: events: has shares of late and disorder with the sum 1.25, expected 1 at most, because they exclude each other"}},
	{name: "disorder without max", text: step + "events:\n  disorder: {share: 0.5}", want: []string{
		"x.yaml:3: events.disorder: has a share without max, expected how far event time may be moved back, such as max: 2s"}},
	{name: "late without by", text: step + "events:\n  late: {share: 0.5}", want: []string{
		"x.yaml:3: events.late: has a share without by, expected how far event time is moved back, such as by: 10m"}},

	{name: "no load", text: "seed: 1", want: []string{"x.yaml: load: has no step, expected at least one, such as {for: 20s, rate: 5000}"}},
	{name: "empty load", text: "seed: 1\nload: []", want: []string{"x.yaml:2: load: has no step, expected at least one, such as {for: 20s, rate: 5000}"}},
	{name: "zero length", text: "load:\n- for: 0s\n  rate: 5", want: []string{"x.yaml:2: load[0].for: is 0s, expected 1ms to 24h"}},
	{name: "no length", text: "load:\n- rate: 5", want: []string{"x.yaml:2: load[0].for: is 0s, expected 1ms to 24h"}},
	{name: "zero length after scaling", text: "load:\n- {for: 5s, rate: 5}\n- {for: 100ms, rate: 5}\ntime_scale: 0.005", want: []string{
		"x.yaml:3: load[1].for: is 500µs after time_scale 0.005, expected 1ms to 24h"}},
	{name: "negative rate", text: "load:\n- for: 5s\n  rate: -5", want: []string{"x.yaml:3: load[0].rate: is -5, expected 0.001 to 10000000"}},
	{name: "zero rate", text: "load:\n- {for: 5s, rate: 0}", want: []string{"x.yaml:2: load[0].rate: is 0, expected 0.001 to 10000000"}},
	{name: "no rate", text: "load:\n- {for: 5s}", want: []string{"x.yaml:2: load[0]: has no rate, expected rate, or from and to, in events per second"}},
	{name: "nothing for a step", text: "load:\n- for: 5s\n  rate: 5\n-\n", want: []string{"x.yaml:4: load[1]: is nothing, expected a mapping with " + stepNames}},
	{name: "rate and ramp", text: "load:\n- {for: 5s, rate: 5, from: 1}", want: []string{"x.yaml:2: load[0]: has a rate and a ramp, expected either rate, or from and to"}},
	{name: "ramp on the ground", text: "load:\n- {for: 5s, from: 0, to: 0}\nwarmup: 0s", want: []string{"x.yaml:2: load[0]: is a ramp from 0 to 0, expected one of them above 0"}},
	{name: "negative ramp", text: "load:\n- {for: 5s, from: 5, to: -1}", want: []string{"x.yaml:2: load[0].to: is -1, expected 0 to 10000000"}},
	{name: "warm-up at nothing", text: "load:\n- {for: 5s, from: 0, to: 10}\nwarmup: 5s", want: []string{
		"x.yaml:3: warmup: is at the first rate of the load, which is 0, expected a load that begins above 0, or warmup: 0s"}},
	{name: "no event", text: "load:\n- {for: 5s, rate: 0.1}", want: []string{"x.yaml:2: load[0]: has no event in 5s, expected one at least"}},
	{name: "negative warm-up", text: step + "warmup: -5s", want: []string{"x.yaml:2: warmup: is -5s, expected 0s to 24h"}},
	{name: "too long", text: "load: [{for: 20h, rate: 5}, {for: 5h, rate: 5}]", want: []string{"x.yaml:1: load: lasts more than 24h with the warm-up, expected less"}},
	{name: "far too long", text: step + "time_scale: 1000\nwarmup: 2562047h", want: []string{
		"x.yaml:3: warmup: is 1281023h53m38.427387904s after time_scale 1000, expected 0s to 24h",
		"x.yaml:1: load: lasts more than 24h with the warm-up after time_scale 1000, expected less"}},
	{name: "too many events", text: "load: [{for: 23h, rate: 10000000}]", want: []string{"x.yaml:1: load: has 828050000000 events with the warm-up, expected 100000000000 at most"}},

	{name: "queries", text: step + "queries: {rate: -1}", want: []string{"x.yaml:2: queries.rate: is -1, expected 0 to 10000"}},
	{name: "batch", text: step + "lambda: {batch_every: 0s}", want: []string{"x.yaml:2: lambda.batch_every: is 0s, expected 1ms to 24h"}},
	{name: "commit", text: step + "native: {commit_interval: 2m}", want: []string{"x.yaml:2: native.commit_interval: is 2m, expected 0s to 1m"}},
	{name: "drain", text: step + "drain: 0", want: []string{"x.yaml:2: drain: is 0s, expected 1s to 24h"}},
	{name: "rules", text: step + "rules:\n  relative_percent: -1\n  absolute_inr: 0.005\n  velocity_count: 0\n  window: 1500ms\n  watermark: 1ns\n  dedup_horizon: -1h\n  premium_inr: 1e12\n  frequent_count: -1\n", want: []string{
		"x.yaml:3: rules.relative_percent: is -1, expected 0 to 100000",
		"x.yaml:5: rules.velocity_count: is 0, expected 1 to 1000000000",
		"x.yaml:10: rules.frequent_count: is -1, expected 0 to 1000000000",
		"x.yaml:4: rules.absolute_inr: is 0.005, expected rupees with two decimals at most",
		"x.yaml:9: rules.premium_inr: is 1000000000000, expected 0 to 99999999999",
		"x.yaml:6: rules.window: is 1.5s, expected a whole number of seconds",
		"x.yaml:8: rules.dedup_horizon: is -1h, expected 0s to 8760h",
		"x.yaml:7: rules.watermark: is 1ns, expected whole microseconds",
	}},
	{name: "horizon", text: step + "rules: {window: 0s, dedup_horizon: 1500ns}", want: []string{
		"x.yaml:2: rules.window: is 0s, expected 1s to 8760h",
		"x.yaml:2: rules.dedup_horizon: is 1.5µs, expected whole microseconds"}},
	{name: "limits", text: step + "limits: {schedule_delay_p999: 0, observer_lag: -1s, offered_shortfall: 2, in_flight_mib: 0}", want: []string{
		"x.yaml:2: limits.schedule_delay_p999: is 0s, expected 1µs to 24h",
		"x.yaml:2: limits.observer_lag: is -1s, expected 1µs to 24h",
		"x.yaml:2: limits.offered_shortfall: is 2, expected 0 to 1",
		"x.yaml:2: limits.in_flight_mib: is 0, expected 1 to 65536"}},

	{name: "expectations", text: step + "expect:\n- alert.p98 < 2s\n- correctness.misssing == 0\n- beauty > 3\n- alert.p99\n- alert.p99 < 2\n- alert.p99 < -2s\n- correctness.missing == 2s\n" +
		"- correctness.missing <= 0.5\n- throughput >= 1k\n- correctness.wrong_answer_seconds < 5s\n- correctness.missing >= 0\n- alert.p99 < 0s\n- alert.p99 = 2s\n- {alert.p99: 2s}\n- throughput > NaN\n", want: []string{
		`x.yaml:3: expect[0]: names the unknown metric "alert.p98", did you mean alert.p90? ` + metrics,
		`x.yaml:4: expect[1]: names the unknown metric "correctness.misssing", did you mean correctness.missing? ` + metrics,
		`x.yaml:5: expect[2]: names the unknown metric "beauty", ` + metrics,
		`x.yaml:6: expect[3]: is "alert.p99", expected a metric, one of < <= > >= == and a value, such as "alert.p99 < 2s"`,
		`x.yaml:7: expect[4]: compares alert.p99 with "2", expected a duration with its unit, such as 50ms or 2s`,
		`x.yaml:8: expect[5]: compares alert.p99 with "-2s", expected a duration with its unit, such as 50ms or 2s`,
		`x.yaml:9: expect[6]: compares correctness.missing with "2s", expected a whole number`,
		`x.yaml:10: expect[7]: compares correctness.missing with "0.5", expected a whole number`,
		`x.yaml:11: expect[8]: compares throughput with "1k", expected a number per second without unit`,
		`x.yaml:12: expect[9]: compares correctness.wrong_answer_seconds with "5s", expected a whole number of seconds without unit`,
		`x.yaml:13: expect[10]: compares correctness.missing >= 0, which has the same outcome whatever happens, expected another bound`,
		`x.yaml:14: expect[11]: compares alert.p99 < 0, which has the same outcome whatever happens, expected another bound`,
		`x.yaml:15: expect[12]: is "alert.p99 = 2s", expected a metric, one of < <= > >= == and a value, such as "alert.p99 < 2s"`,
		`x.yaml:16: expect[13]: is a mapping, expected a text such as "alert.p99 < 2s"`,
		`x.yaml:17: expect[14]: compares throughput with "NaN", expected a number per second without unit`,
	}},

	{name: "sets", text: step, sets: []string{
		"seed", "=1", "evnts.skew=1", "events.skwe=1", "seed.x=1", "load.1.rate=5", "load.first.rate=5", "partitions=many", "expect=[",
		"name=", "events=7", "queries.rate=-1", "load.0.form=1", "expect.0=a", "events.disorder={shar: 1}",
	}, want: []string{
		"--set seed: is not an assignment, expected key=value, such as events.skew=0.5 or load.0.rate=100",
		"--set =1: is not an assignment, expected key=value, such as events.skew=0.5 or load.0.rate=100",
		"--set evnts.skew=1: evnts: is an unknown field, did you mean events? expected " + topNames,
		"--set events.skwe=1: events.skwe: is an unknown field, did you mean skew? expected " + evNames,
		`--set seed.x=1: seed: has no field "x"`,
		"--set load.1.rate=5: load.1: is none of the 1 items, expected their numbers, which begin with 0",
		"--set load.first.rate=5: load.first: is none of the 1 items, expected their numbers, which begin with 0",
		`--set partitions=many: partitions: is "many", expected a whole number`,
		"--set expect=[: expect: has no value that is YAML",
		"--set events=7: events: is 7, expected a mapping with " + evNames,
		"--set load.0.form=1: load[0].form: is an unknown field, did you mean from? expected " + stepNames,
		"--set events.disorder={shar: 1}: events.disorder.shar: is an unknown field, did you mean share? expected share or max",
		`--set name=: name: is "", expected 1 to 40 of a-z, 0-9, - and _, the first a letter`,
		"--set queries.rate=-1: queries.rate: is -1, expected 0 to 10000",
	}},
	{name: "a set that clashes with the file", text: step, sets: []string{"load.0.to=5"}, want: []string{
		"--set load.0.to=5: load[0]: has a rate and a ramp, expected either rate, or from and to"}},
	{name: "a set that is too much", text: step + "events: {malformed: 0.5}", sets: []string{"events.boundary=0.25", "events.duplicates=0.5", "events.skew=0"}, want: []string{
		"--set events.boundary=0.25: events: has shares of malformed, oversized, duplicates, repeats and boundary with the sum 1.25, expected 1 at most, because they exclude each other"}},
	{name: "several at once", text: "name: 5\nevents: {skwe: 1}\nload:\n- {for: 5s, rate: -1}\n", sets: []string{"partitions=0"}, want: []string{
		"x.yaml:1: name: is 5, expected a text",
		"x.yaml:2: events.skwe: is an unknown field, did you mean skew? expected " + evNames,
		"--set partitions=0: partitions: is 0, expected 1 to 64",
		"x.yaml:4: load[0].rate: is -1, expected 0.001 to 10000000",
	}},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, c.text, c.sets, c.want) })
	}
}
