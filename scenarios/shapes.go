package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// fields are those of a mapping that a kind of it needs and those that it may have; any other must be left out.
type fields struct {
	name       string
	needs, may []string
}

func (f fields) has(field string) bool {
	return slices.Contains(f.needs, field) || slices.Contains(f.may, field)
}

// shapes are the fields of a Step by its shape, beside shape and for. A ramp has from or to; that is checked apart.
var shapes = []fields{
	{name: "", may: []string{"rate", "from", "to"}},
	{name: ShapeSpike, needs: []string{"rate", "peak"}, may: []string{"rise", "hold", "fall"}},
	{name: ShapeStep, needs: []string{"steps"}, may: []string{"from", "to"}},
	{name: ShapeDiurnal, needs: []string{"rate", "peak"}},
	{name: ShapePoisson, needs: []string{"rate"}},
	{name: ShapeReplay, needs: []string{"events"}},
}

// namesOf are the names of those that keep accepts, without the empty one.
func namesOf(list []fields, keep func(f fields) bool) []string {
	var names []string
	for _, f := range list {
		if f.name != "" && keep(f) {
			names = append(names, f.name)
		}
	}
	return names
}

func (d *decoder) load(s *Scenario) {
	d.check(len(s.Load) > 0, "load", "has no step, expected at least one, such as {for: 20s, rate: 5000}")
	total, length := 0.0, s.Warmup
	for i, step := range s.Load {
		field := fmt.Sprintf("load[%d]", i)
		between(d, field+".for", step.For, Duration(time.Millisecond), maxLength)
		d.shape(step, field)
		if i == 0 {
			first := step.first()
			d.check(s.Warmup <= 0 || first.Share > 0 || first.PerS > 0 || d.hasFailed(field), "warmup",
				"is at the first rate of the load, which is 0, expected a load that begins above 0, or warmup: 0s")
			total += first.PerS * time.Duration(s.Warmup).Seconds()
		}
		area := step.area()
		d.check(area >= 1 || len(s.Load) > 1 || step.hasShare(), field, "has no event in %v%s%s, expected one at least", step.For, d.scaled, d.scaledLoad)
		total += area
		length = min(length+step.For, maxLength+1)
	}
	d.check(length <= maxLength, "load", "lasts more than %v with the warm-up%s, expected less", maxLength, d.scaled)
	d.check(total <= maxEvents, "load", "has %.0f events with the warm-up%s, expected %d at most", total, d.scaledLoad, int64(maxEvents))
}

// shape checks that a step has what its shape needs, no more, and within bounds.
func (d *decoder) shape(step Step, field string) {
	i := slices.IndexFunc(shapes, func(s fields) bool { return s.name == step.Shape })
	if i < 0 {
		known := namesOf(shapes, func(fields) bool { return true })
		d.check(false, field+".shape", "is %q, %s, or none for a constant rate or a ramp", step.Shape, didYouMean(step.Shape, known))
		return
	}
	shape := shapes[i]
	given := func(name string) bool { return d.where[field+"."+name] != "" }
	for _, name := range []string{"rate", "from", "to", "peak", "rise", "hold", "fall", "steps", "events"} {
		if given(name) && !shape.has(name) {
			of := namesOf(shapes, func(f fields) bool { return f.has(name) })
			d.check(false, field+"."+name, "is given, expected it with shape: %s only", oneOf(of))
		}
	}
	for _, name := range shape.needs {
		d.check(given(name), field, "has no %s, which shape: %s needs", name, step.Shape)
	}
	ramp := given("from") || given("to")
	switch {
	case shape.has("from") && ramp && given("rate"): // a step has its own problem with rate
		d.blame(field, "rate", "from", "to")
		d.check(false, field, "has a rate and a ramp, expected either rate, or from and to")
	case shape.has("from") && ramp:
		d.perS(field+".from", step.From, 0)
		d.perS(field+".to", step.To, 0)
		d.check(step.From != Rate{} || step.To != Rate{}, field, "is a ramp from 0 to 0, expected one of them above 0")
	case step.Shape == "" && !given("rate"):
		d.check(false, field, "has no rate, expected rate, or from and to, in events per second")
	case step.Shape == ShapeStep:
		d.check(false, field, "has no from and to, which shape: step needs")
	case given("rate"):
		d.perS(field+".rate", step.Rate, lowestRate)
	}
	switch step.Shape {
	case ShapeSpike:
		d.perS(field+".peak", step.Peak, lowestRate)
		between(d, field+".rise", step.Rise, 0, maxLength)
		between(d, field+".hold", step.Hold, 0, maxLength)
		between(d, field+".fall", step.Fall, 0, maxLength)
		whole := step.Rise + step.Hold + step.Fall
		d.blame(field, "rise", "hold", "fall", "for")
		d.check(whole > 0, field, "has no rise, hold or fall, expected how long the spike lasts, such as hold: 10s")
		d.check(whole <= step.For, field, "has a rise, hold and fall of %v together%s, expected %v at most, which it lasts", whole, d.scaled, step.For)
	case ShapeStep:
		d.check(step.Steps >= 2 && step.Steps <= 1000, field+".steps", "is %d, expected 2 to 1000", step.Steps)
	case ShapeDiurnal:
		d.perS(field+".peak", step.Peak, lowestRate)
	case ShapeReplay:
		d.check(step.Events >= 1 && step.Events <= maxEvents, field+".events", "is %d%s, expected 1 to %d", step.Events, d.scaledLoad, int64(maxEvents))
	}
}

// lowestRate is an event in a quarter of an hour.
const lowestRate = 0.001

// perS checks a rate. One that is a share was checked when it was read, and is again when it has become a rate.
func (d *decoder) perS(field string, r Rate, low float64) {
	d.check(r.Share > 0 || r.PerS >= low && r.PerS <= maxRate, field, "is %s%s, expected %s to %d", plain(r.PerS), d.scaledLoad, plain(low), maxRate)
}

// first is the rate that a step begins with: it has one of the two.
func (s Step) first() Rate {
	if s.Rate != (Rate{}) {
		return s.Rate
	}
	return s.From
}

// area is how many events a step has, without those of rates that are a share.
func (s Step) area() float64 {
	length := time.Duration(s.For).Seconds()
	switch s.Shape {
	case ShapeReplay:
		return float64(s.Events)
	case ShapeSpike:
		top := time.Duration(s.Rise/2 + s.Hold + s.Fall/2).Seconds()
		return s.Rate.PerS*(length-top) + s.Peak.PerS*top
	case ShapeDiurnal:
		return (s.Rate.PerS + s.Peak.PerS) / 2 * length
	}
	return (s.Rate.PerS + (s.From.PerS+s.To.PerS)/2) * length // either the one or the other
}
