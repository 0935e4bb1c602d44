package scenarios

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// base has warm-up until 5s and load until 45s.
const base = "load: [{for: 40s, rate: 100}]\n"

var kindNames = oneOf(Kinds())

var refusedFaults = []struct {
	name, text string
	sets       []string
	want       []string
}{
	{name: "no kind, no time", text: base + "faults:\n- {target: stream}\n- {at: 10s}", want: []string{
		"x.yaml:3: faults[0]: has no at, expected when it begins, counted from the first event, warm-up included",
		"x.yaml:4: faults[1]: has no kind, expected " + kindNames}},
	{name: "unknown kind", text: base + "faults:\n- {at: 10s, kind: crahs, target: stream}", want: []string{
		`x.yaml:3: faults[0].kind: is "crahs", did you mean crash? expected ` + kindNames}},
	{name: "unknown field", text: base + "faults:\n- {at: 10s, kind: crash, taget: stream}", want: []string{
		"x.yaml:3: faults[0].taget: is an unknown field, did you mean target? expected at, kind, target, for, times, every, share, mib, to, direction, mean, jitter, kib_per_s, view or sessions"}},
	{name: "missing", text: base + "faults:\n- {at: 10s, kind: pause, target: stream}\n- {at: 15s, kind: latency, target: stream}\n- {at: 20s, kind: restart-loop, target: stream, times: 2}\n" +
		"- {at: 25s, kind: cpu, target: stream, for: 1s}\n- {at: 30s, kind: bandwidth, target: stream, to: kafka, for: 1s}\n- {at: 35s, kind: memory, target: all, for: 1s}\n- {at: 38s, kind: zombie, target: all}", want: []string{
		"x.yaml:3: faults[0]: has no for, which pause needs",
		"x.yaml:4: faults[1]: has no to, which latency needs",
		"x.yaml:5: faults[2]: has no every, which restart-loop needs",
		"x.yaml:6: faults[3]: has no share, which cpu needs",
		"x.yaml:7: faults[4]: has no kib_per_s, which bandwidth needs",
		"x.yaml:8: faults[5]: has no mib, which memory needs",
		"x.yaml:9: faults[6]: has no for, which zombie needs"}},
	{name: "superfluous", text: base + "faults:\n- {at: 10s, kind: crash, target: stream,\n   to: kafka}\n- {at: 15s, kind: reset, target: stream, to: kafka, for: 1s}\n- {at: 20s, kind: topic-full, for: 1s, target: broker}\n" +
		"- {at: 30s, kind: partition, target: stream, to: kafka, for: 1s, direction: in}", want: []string{
		"x.yaml:4: faults[0].to: is given, which crash has no use for, expected at, kind, target or for only",
		"x.yaml:5: faults[1].for: is given, which reset has no use for, expected at, kind, target or to only",
		"x.yaml:6: faults[2].target: is given, which topic-full has no use for, expected at, kind or for only",
		"x.yaml:7: faults[3].direction: is given, which partition has no use for, expected at, kind, target, to or for only"}},
	{name: "targets", text: base + "faults:\n- {at: 10s, kind: lock, target: stream, for: 1s}\n- {at: 12s, kind: zombie, target: broker-2, for: 1s}\n- {at: 14s, kind: drop, target: database, to: kafka, for: 1s}\n" +
		"- {at: 16s, kind: crash, target: The Stream}\n- {at: 18s, kind: leader-move, target: database}\n", want: []string{
		`x.yaml:3: faults[0].target: is "stream", which lock cannot be done to, expected database, or no target`,
		`x.yaml:4: faults[1].target: is "broker-2", which zombie cannot be done to, expected a component or a role of components: stream, speed, ingest, batch, all or random`,
		`x.yaml:5: faults[2].target: is "database", which drop cannot be done to, expected a component or a role of components: stream, speed, ingest, batch, all or random`,
		`x.yaml:6: faults[3].target: is "The Stream", which crash cannot be done to, expected a role or the name of a component or server`,
		`x.yaml:7: faults[4].target: is "database", which leader-move cannot be done to, expected broker, or no target`}},
	{name: "bounds", text: base + "faults:\n- {at: 10s, kind: crash, target: stream, for: -1s}\n- {at: 12s, kind: cpu, target: stream, for: 1s, share: 1.5}\n- {at: 14s, kind: memory, target: stream, for: 1s, mib: -1}\n" +
		"- {at: 16s, kind: latency, target: stream, to: kafka, for: 1s, mean: 10ms, jitter: 11ms}\n- {at: 18s, kind: bandwidth, target: stream, to: kafka, for: 1s, kib_per_s: -5}\n" +
		"- {at: 20s, kind: slow-query, for: 1s, sessions: 1001, view: profiles}\n- {at: 22s, kind: restart-loop, target: all, times: 1001, every: 1ms}\n- {at: 24s, kind: drop, target: all, to: kafak, direction: inn, for: 1s}", want: []string{
		"x.yaml:3: faults[0].for: is -1s, expected 1ms to 24h",
		"x.yaml:4: faults[1].share: is 1.5, expected 0.01 to 1",
		"x.yaml:5: faults[2].mib: is -1, expected 1 to 1048576",
		"x.yaml:6: faults[3].jitter: is 11ms, expected 0s to 10ms",
		"x.yaml:7: faults[4].kib_per_s: is -5, expected 1 to 1048576",
		"x.yaml:8: faults[5].sessions: is 1001, expected 1 to 1000",
		`x.yaml:8: faults[5].view: is "profiles", expected anomalies, customer_windows or customer_profiles`,
		"x.yaml:9: faults[6].times: is 1001, expected 1 to 1000",
		`x.yaml:10: faults[7].to: is "kafak", did you mean kafka? expected kafka or postgres`,
		`x.yaml:10: faults[7].direction: is "inn", did you mean in? expected both, out or in`}},
	{name: "times", text: base + "faults:\n- {at: 4s, kind: crash, target: stream}\n- {at: 45s, kind: crash, target: stream}\n- {at: 40s, kind: crash, target: stream, for: 6s}\n" +
		"- {at: 40s, kind: restart-loop, target: stream, times: 3, every: 2s}\n- {at: 44s, kind: zombie, target: stream, for: 1500ms}", want: []string{
		"x.yaml:3: faults[0].at: is 4s, within the warm-up of 5s, where it has no baseline, expected 5s at least",
		"x.yaml:4: faults[1].at: is 45s, not before the load's end at 45s, expected less",
		"x.yaml:5: faults[2]: ends at 46s, after the load's end at 45s, where nothing is measured, expected it within the load",
		"x.yaml:6: faults[3]: ends at 46s, after the load's end at 45s, where nothing is measured, expected it within the load",
		"x.yaml:7: faults[4]: ends at 45.5s, after the load's end at 45s, where nothing is measured, expected it within the load"}},
	{name: "times after scaling", text: base + "faults: [{at: 40s, kind: crash, target: stream, for: 6s}]\ntime_scale: 0.5", want: []string{
		"x.yaml:2: faults[0]: ends at 23s, after the load's end at 22.5s after time_scale 0.5, where nothing is measured, expected it within the load"}},
	{name: "a set of a fault", text: base + "faults: [{at: 40s, kind: crash, target: stream, for: 1s}]", sets: []string{"faults.0.for=6s", "faults.1.for=1s"}, want: []string{
		"--set faults.1.for=1s: faults.1: is none of the 1 items, expected their numbers, which begin with 0",
		"--set faults.0.for=6s: faults[0]: ends at 46s, after the load's end at 45s, where nothing is measured, expected it within the load"}},
	{name: "a bound by a set", text: base + "faults: [{at: 40s, kind: crash, target: stream, for: 1s}]", sets: []string{"faults.0.for=25h"}, want: []string{
		"--set faults.0.for=25h: faults[0].for: is 25h, expected 1ms to 24h"}},
	{name: "overlap", text: base + "faults:\n- {at: 10s, kind: pause, target: stream, for: 3s}\n- {at: 12s, kind: crash, target: all}\n", want: []string{
		"x.yaml:4: faults[1]: (crash of all at 12s) overlaps faults[0] (pause of stream, 10s to 13s) and cannot be undone apart from it, expected one after the other, or other targets"}},
	{name: "overlap by a set", text: base + "faults:\n- {at: 10s, kind: pause, target: stream, for: 3s}\n- {at: 14s, kind: crash, target: all}\n", sets: []string{"faults.1.at=12s", "time_scale=0.5"}, want: []string{
		"--set faults.1.at=12s: faults[1]: (crash of all at 6s) overlaps faults[0] (pause of stream, 5s to 6.5s) after time_scale 0.5 and cannot be undone apart from it, expected one after the other, or other targets"}},
	{name: "no faults where the load is wrong", text: "load: [{for: 40s}]\nfaults: [{at: 400s, kind: crash}]", want: []string{
		"x.yaml:1: load[0]: has no rate, expected rate, or from and to, in events per second"}},

	{name: "random", text: base + "faults:\n  random: {count: 0, between: [4s, 46s], kinds: [crash, topic-full]}", want: []string{
		`x.yaml:3: faults.random.kinds[1]: is "topic-full", expected ` + oneOf(drawable()),
		"x.yaml:3: faults.random.between: begins at 4s, within the warm-up of 5s, where a fault has no baseline, expected more"}},
	{name: "random beyond the end", text: base + "faults:\n  random: {count: 3, between: [10s, 46s]}", want: []string{
		"x.yaml:3: faults.random.between: ends at 46s, after the load's end at 45s, expected it within the load"}},
	{name: "random without time", text: base + "faults:\n  random: {count: 3}", want: []string{
		"x.yaml:3: faults.random.between: is 0s to 0s, expected two times, the earlier one first, such as [10s, 50s]"}},
	{name: "too many", text: base + "faults:\n  random: {count: 31, between: [10s, 40s]}", want: []string{
		"x.yaml:3: faults.random.count: is 31, expected 1 to 30, one a second between 10s and 40s at most"}},
	{name: "too many to follow", text: base + "faults:\n" + strings.Repeat("- {at: 10s, kind: leader-move}\n", 101), want: []string{
		"x.yaml:2: faults: has 101 items, expected 100 at most"}},
	{name: "no random", text: base + "faults:\n  count: 7", want: []string{
		"x.yaml:3: faults.count: is an unknown field, expected random"}},
	{name: "nothing random", text: base + "faults: {}", want: []string{
		"x.yaml:2: faults.random.between: is 0s to 0s, expected two times, the earlier one first, such as [10s, 50s]"}},
	{name: "a time too many", text: base + "faults:\n  random: {count: 7, between: [10s, 20s, 30s]}", want: []string{
		"x.yaml:3: faults.random.between: is a list, expected a list of 2"}},
	{name: "random by a set", text: base + "faults: {random: {count: 7, between: [10s, 40s]}}", sets: []string{"faults.random.count=0", "faults.random.sed=7", "faults.0.for=1s"}, want: []string{
		"--set faults.random.sed=7: faults.random.sed: is an unknown field, did you mean seed? expected seed, count, between or kinds",
		"--set faults.0.for=1s: faults.0: is none of the 0 items, expected their numbers, which begin with 0"}},

	{name: "reprocess", text: base + "reprocess:\n- {at: 4s}\n- {at: 45s, grace: -1s}\n- {grace: 1s}", want: []string{
		"x.yaml:2: reprocess: has 3 items, expected one at most",
	}},
	{name: "times of a reprocess", text: base + "reprocess: [{at: 4s, grace: -1s}]", want: []string{
		"x.yaml:2: reprocess[0].at: is 4s, within the warm-up of 5s, where it has no baseline, expected 5s at least",
		"x.yaml:2: reprocess[0].grace: is -1s, expected 0s to 24h"}},
	{name: "a reprocess without time", text: base + "reprocess: [{grace: 1s}]", want: []string{
		"x.yaml:2: reprocess[0]: has no at, expected when it begins, counted from the first event, warm-up included"}},
	{name: "a reprocess too late", text: base + "reprocess: [{at: 45s}]", want: []string{
		"x.yaml:2: reprocess[0].at: is 45s, not before the load's end at 45s, expected less"}},
	{name: "changed rules", text: base + "reprocess:\n- at: 20s\n  rules:\n    relative_percent: -1\n    absolute_inr: 0.001\n    velocity_count: 0\n    premium_inr: 1e12\n    frequent_count: -1", want: []string{
		"x.yaml:5: reprocess[0].rules.relative_percent: is -1, expected 0 to 100000",
		"x.yaml:6: reprocess[0].rules.absolute_inr: is 0.001, expected rupees with two decimals at most",
		"x.yaml:7: reprocess[0].rules.velocity_count: is 0, expected 1 to 1000000000",
		"x.yaml:8: reprocess[0].rules.premium_inr: is 1000000000000, expected 0 to 99999999999",
		"x.yaml:9: reprocess[0].rules.frequent_count: is -1, expected 0 to 1000000000"}},
	{name: "rules that cannot change", text: base + "reprocess:\n- {at: 20s, rules: {window: 10m, dedup_horison: 1h}}", sets: []string{"reprocess.0.rules.watermark=1m"}, want: []string{
		"x.yaml:3: reprocess[0].rules.window: cannot change while a stream runs, since it shapes what is kept of it, expected relative_percent, absolute_inr, velocity_count, premium_inr or frequent_count",
		"x.yaml:3: reprocess[0].rules.dedup_horison: is an unknown field, expected relative_percent, absolute_inr, velocity_count, premium_inr or frequent_count",
		"--set reprocess.0.rules.watermark=1m: reprocess[0].rules.watermark: cannot change while a stream runs, since it shapes what is kept of it, expected relative_percent, absolute_inr, velocity_count, premium_inr or frequent_count"}},
	{name: "recovery", text: base + "recovery: {hold: -1s, before: 0s, lag_factor: 0.5, lag_floor: -1s, latency_factor: 0, latency_floor: -1s}", want: []string{
		"x.yaml:2: recovery.hold: is -1s, expected 0s to 24h",
		"x.yaml:2: recovery.before: is 0s, expected 1ms to 24h",
		"x.yaml:2: recovery.lag_factor: is 0.5, expected 1 to 1000",
		"x.yaml:2: recovery.lag_floor: is -1s, expected 0s to 24h",
		"x.yaml:2: recovery.latency_factor: is 0, expected 1 to 1000",
		"x.yaml:2: recovery.latency_floor: is -1s, expected 0s to 24h"}},
}

func TestParseRefusesFaults(t *testing.T) {
	for _, c := range refusedFaults {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, c.text, c.sets, c.want) })
	}
}

func checkRefused(t *testing.T, text string, sets, want []string) {
	t.Helper()
	s, err := Parse("x.yaml", []byte(text), sets...)
	var bad *Error
	if !errors.As(err, &bad) || s != nil {
		t.Fatalf("got %+v, %v", s, err)
	}
	if diff := cmp.Diff(want, bad.Problems); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, strings.Join(bad.Problems, "\n"))
	}
}
