package scenarios

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var refusedShapes = []struct {
	name, text string
	sets       []string
	want       []string
}{
	{name: "unknown", text: "load:\n- {shape: spkie, for: 5s, rate: 5}\n- {shape: constant, for: 5s, rate: 5}", want: []string{
		`x.yaml:2: load[0].shape: is "spkie", did you mean spike? expected spike, step, diurnal, poisson or replay, or none for a constant rate or a ramp`,
		`x.yaml:3: load[1].shape: is "constant", expected spike, step, diurnal, poisson or replay, or none for a constant rate or a ramp`}},
	{name: "missing", text: "load:\n- {shape: spike, for: 5s, rate: 5, hold: 1s}\n- {shape: step, for: 5s, from: 5, to: 9}\n- {shape: step, for: 5s, steps: 5}\n- {shape: diurnal, for: 5s, peak: 5}\n" +
		"- {shape: poisson, for: 5s}\n- {shape: replay, for: 5s}\n- {shape: spike, for: 5s, peak: 5, hold: 1s}", want: []string{
		"x.yaml:2: load[0]: has no peak, which shape: spike needs",
		"x.yaml:3: load[1]: has no steps, which shape: step needs",
		"x.yaml:4: load[2]: has no from and to, which shape: step needs",
		"x.yaml:5: load[3]: has no rate, which shape: diurnal needs",
		"x.yaml:6: load[4]: has no rate, which shape: poisson needs",
		"x.yaml:7: load[5]: has no events, which shape: replay needs",
		"x.yaml:8: load[6]: has no rate, which shape: spike needs"}},
	{name: "superfluous", text: "load:\n- {for: 5s, rate: 5, peak: 6}\n- {for: 5s, rate: 5,\n   steps: 2}\n- {shape: replay, for: 5s, events: 5, rate: 5}\n- {shape: step, for: 5s, from: 1, to: 2, steps: 2, rate: 5}\n" +
		"- {shape: spike, for: 5s, rate: 5, peak: 9, hold: 1s, to: 7}", want: []string{
		"x.yaml:2: load[0].peak: is given, expected it with shape: spike or diurnal only",
		"x.yaml:4: load[1].steps: is given, expected it with shape: step only",
		"x.yaml:5: load[2].rate: is given, expected it with shape: spike, diurnal or poisson only",
		"x.yaml:6: load[3].rate: is given, expected it with shape: spike, diurnal or poisson only",
		"x.yaml:7: load[4].to: is given, expected it with shape: step only"}},
	{name: "bounds", text: "load:\n- {shape: spike, for: 5s, rate: 5, peak: 0, hold: 1s}\n- {shape: spike, for: 5s, rate: 5, peak: 6}\n- {shape: spike, for: 5s, rate: 5, peak: 6, rise: 2s, hold: 2s, fall: 2s}\n" +
		"- {shape: step, for: 5s, from: 5, to: 9, steps: 1}\n- {shape: step, for: 5s, from: 5, to: 9, steps: 1001}\n- {shape: step, for: 5s, from: 0, to: 0, steps: 5}\n- {shape: diurnal, for: 5s, rate: 0, peak: 5}\n" +
		"- {shape: poisson, for: 5s, rate: 1e9}\n- {shape: replay, for: 5s, events: 0}\n- {shape: replay, for: 0s, events: 5}\n- {shape: spike, for: 5s, rate: 5, peak: 6, rise: -1s, hold: 2s}", want: []string{
		"x.yaml:2: load[0].peak: is 0, expected 0.001 to 10000000",
		"x.yaml:3: load[1]: has no rise, hold or fall, expected how long the spike lasts, such as hold: 10s",
		"x.yaml:4: load[2]: has a rise, hold and fall of 6s together, expected 5s at most, which it lasts",
		"x.yaml:5: load[3].steps: is 1, expected 2 to 1000",
		"x.yaml:6: load[4].steps: is 1001, expected 2 to 1000",
		"x.yaml:7: load[5]: is a ramp from 0 to 0, expected one of them above 0",
		"x.yaml:8: load[6].rate: is 0, expected 0.001 to 10000000",
		"x.yaml:9: load[7].rate: is 1000000000, expected 0.001 to 10000000",
		"x.yaml:10: load[8].events: is 0, expected 1 to 100000000000",
		"x.yaml:11: load[9].for: is 0s, expected 1ms to 24h",
		"x.yaml:12: load[10].rise: is -1s, expected 0s to 24h"}},
	{name: "a spike by a set", text: "load: [{shape: spike, for: 5s, rate: 5, peak: 6, hold: 1s}]", sets: []string{"load.0.rise=5s"}, want: []string{
		"--set load.0.rise=5s: load[0]: has a rise, hold and fall of 6s together, expected 5s at most, which it lasts"}},
	{name: "warm-up of a replay", text: "load: [{shape: replay, for: 5s, events: 5}]", want: []string{
		"x.yaml: warmup: is at the first rate of the load, which is 0, expected a load that begins above 0, or warmup: 0s"}},
	{name: "too many events to replay", text: "load: [{for: 5s, rate: 10}, {shape: replay, for: 5s, events: 99999999999}]", want: []string{
		"x.yaml:1: load: has 100000000099 events with the warm-up, expected 100000000000 at most"}},
	{name: "load scale", text: "load: [{for: 5s, rate: 200000}]\nload_scale: 100", want: []string{
		"x.yaml:1: load[0].rate: is 20000000 after load_scale 100, expected 0.001 to 10000000"}},
	{name: "no event left", text: "load: [{for: 1s, rate: 5}]\nload_scale: 0.1", want: []string{
		"x.yaml:1: load[0]: has no event in 1s after load_scale 0.1, expected one at least"}},

	{name: "events", text: step + "events:\n  repeats: -1\n  oversized: 1.5\n  burst: {every: 1s, for: 2s, share: 2}\n", want: []string{
		"x.yaml:3: events.repeats: is -1, expected 0 to 1",
		"x.yaml:4: events.oversized: is 1.5, expected 0 to 1",
		"x.yaml:5: events.burst.share: is 2, expected 0 to 1"}},
	{name: "repeats in the order of a file", text: step + "events: {source: csv, file: a.csv, order: file, repeats: 0.1}", want: []string{
		"x.yaml:2: events.repeats: is given with order: file, where most rows lie beyond the horizon anyhow, expected order: event_time"}},
	{name: "more than there is", text: step + "events: {malformed: 0.2, oversized: 0.2, duplicates: 0.2, repeats: 0.2, boundary: 0.25}", want: []string{
		"x.yaml:2: events: has shares of malformed, oversized, duplicates, repeats and boundary with the sum 1.05, expected 1 at most, because they exclude each other"}},
	{name: "bursts", text: step + "events: {burst: {every: 1s, for: 2s, share: 1}}", want: []string{
		"x.yaml:2: events.burst: lasts for 2s every 1s, expected one to end before the next begins"}},
	{name: "a burst by a set", text: step, sets: []string{"events.burst.every=2s"}, want: []string{
		"--set events.burst.every=2s: events.burst.for: is 0s, expected 1ms to 24h"}},
}

func TestParseRefusesShapes(t *testing.T) {
	for _, c := range refusedShapes {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, c.text, c.sets, c.want) })
	}
}

// TestShapes reads one of each, and knows how many events it has.
func TestShapes(t *testing.T) {
	s, err := Parse("x.yaml", []byte(`load:
- {shape: spike, for: 10s, rate: 100, peak: 500, rise: 2s, hold: 3s, fall: 1s}
- {shape: step, for: 10s, from: 100, to: 300, steps: 5}
- {shape: diurnal, for: 20s, rate: 100, peak: 200}
- {shape: poisson, for: 10s, rate: 50}
- {shape: replay, for: 10s, events: 1234}
- {for: 10s, to: 100}
- {for: 10s, rate: 60%}
- {shape: spike, for: 10s, rate: 10%, peak: 120.5%, hold: 2s}
`))
	if err != nil {
		t.Fatal(err)
	}
	perS := func(v float64) Rate { return Rate{PerS: v} }
	const second = Duration(time.Second)
	want := []Step{
		{Shape: ShapeSpike, For: 10 * second, Rate: perS(100), Peak: perS(500), Rise: 2 * second, Hold: 3 * second, Fall: second},
		{Shape: ShapeStep, For: 10 * second, From: perS(100), To: perS(300), Steps: 5},
		{Shape: ShapeDiurnal, For: 20 * second, Rate: perS(100), Peak: perS(200)},
		{Shape: ShapePoisson, For: 10 * second, Rate: perS(50)},
		{Shape: ShapeReplay, For: 10 * second, Events: 1234},
		{For: 10 * second, To: perS(100)},
		{For: 10 * second, Rate: Rate{Share: 0.6}},
		{Shape: ShapeSpike, For: 10 * second, Rate: Rate{Share: 0.1}, Peak: Rate{Share: 1.205}, Hold: 2 * second},
	}
	if diff := cmp.Diff(want, s.Load); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// 10 s at 100 and, above it, a trapezium of 4.5 s × 400; steps of 100, 150, 200, 250, 300 for 2 s each; the mean of a cosine.
	for i, events := range []float64{2800, 2000, 3000, 500, 1234, 500, 0, 0} {
		if got := s.Load[i].area(); math.Abs(got-events) > 1e-6 {
			t.Errorf("%s has %v events, want %v", s.Load[i].Shape, got, events)
		}
	}
	checkReadsBack(t, s)
}
