package loadgen

import (
	"math"
	"slices"
	"testing"
	"time"

	"lkbench/internal/bank"
	"lkbench/scenarios"
)

// ordinary is a scenario without any oddity.
func ordinary(events int) *scenarios.Scenario {
	return &scenarios.Scenario{
		Name: "ordinary", Seed: 42,
		Events: scenarios.Events{Source: "synthetic", Speed: 60, Customers: 200_000},
		Load:   []scenarios.Step{{For: scenarios.Duration(time.Duration(events) * time.Millisecond), Rate: scenarios.Rate{PerS: 1000}}},
		Rules: scenarios.Rules{RelativePercent: 50, AbsoluteINR: 50000, VelocityCount: 3, Window: scenarios.Duration(5 * time.Minute),
			Watermark: scenarios.Duration(2 * time.Minute), DedupHorizon: scenarios.Duration(time.Hour), PremiumINR: 15000, FrequentCount: 10},
	}
}

func mustSynthetic(t testing.TB, s *scenarios.Scenario) (*Synthetic, *Schedule) {
	t.Helper()
	schedule := mustSchedule(t, s)
	source, err := NewSynthetic(s, schedule)
	if err != nil {
		t.Fatal(err)
	}
	return source, schedule
}

// observed gathers what is needed to describe a stream of transactions.
type observed struct {
	count                                                 float64
	amounts, balances, ages                               []float64
	noDOB, noGender, noPlace, noBalance, unknownDOB, male float64
	relative, absolute, overdraft, any                    float64
	integer, zero, negative                               float64
	atoms                                                 map[float64]float64
	places                                                map[string]float64
	away                                                  float64
	sx, sy, sxx, syy, sxy, pairs                          float64
}

func observe(t *testing.T, events int) *observed {
	source, schedule := mustSynthetic(t, ordinary(events))
	o := &observed{atoms: map[float64]float64{}, places: map[string]float64{}}
	rules, reference := bank.DefaultRules(), baseTime.Time()
	home, birthdays := map[string]string{}, map[string]time.Time{}
	var buf []byte
	for n := range schedule.Len() {
		e := source.Event(n, buf[:0])
		buf = e.Value[:0]
		var tx bank.Transaction
		if err := bank.Decode(e.Value, &tx); err != nil {
			t.Fatalf("event %d: %v: %s", n, err, e.Value)
		}
		o.count++
		amount, balance := float64(tx.Amount)/100, float64(tx.Balance)/100
		o.amounts = append(o.amounts, amount)
		count := func(sum *float64, is bool) {
			if is {
				*sum++
			}
		}
		count(&o.integer, tx.Amount%100 == 0)
		count(&o.zero, tx.Amount == 0)
		count(&o.negative, tx.Amount < 0)
		o.atoms[amount]++
		count(&o.noDOB, tx.DOB == nil)
		count(&o.noGender, tx.Gender == nil)
		count(&o.noPlace, tx.Location == nil)
		count(&o.noBalance, !tx.HasBalance)
		count(&o.male, string(tx.Gender) == "M")
		if tx.DOB != nil {
			born, known := birthdays[string(tx.DOB)]
			if !known {
				var err error
				if born, err = time.Parse(time.DateOnly, string(tx.DOB)); err != nil {
					t.Fatal(err)
				}
				birthdays[string(tx.DOB)] = born
			}
			if born.Year() == 1800 {
				o.unknownDOB++
			} else {
				o.ages = append(o.ages, reference.Sub(born).Hours()/24/365.2425)
			}
		}
		o.places[string(tx.Location)]++
		if was, known := home[string(tx.Customer)]; known && was != string(tx.Location) {
			o.away++
		} else if !known {
			home[string(tx.Customer)] = string(tx.Location)
		}
		raised := rules.Check(&tx)
		count(&o.relative, slices.Contains(raised, bank.HighValueRelative))
		count(&o.absolute, slices.Contains(raised, bank.HighValueAbsolute))
		count(&o.overdraft, slices.Contains(raised, bank.OverdraftAttempt))
		count(&o.any, len(raised) > 0)
		if tx.HasBalance {
			o.balances = append(o.balances, balance)
		}
		if tx.HasBalance && tx.Balance > 0 && tx.Amount > 0 {
			x, y := math.Log(amount), math.Log(balance)
			o.pairs++
			o.sx, o.sy, o.sxx, o.syy, o.sxy = o.sx+x, o.sy+y, o.sxx+x*x, o.syy+y*y, o.sxy+x*y
		}
	}
	slices.Sort(o.amounts)
	slices.Sort(o.balances)
	slices.Sort(o.ages)
	return o
}

func (o *observed) correlation() float64 {
	n := o.pairs
	return (o.sxy/n - o.sx/n*o.sy/n) / math.Sqrt((o.sxx/n-o.sx/n*o.sx/n)*(o.syy/n-o.sy/n*o.sy/n))
}

func at(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1))] }

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func deviation(xs []float64) float64 {
	m, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(xs)))
}

// Every figure of the public profile beside the generated one. Run with -v for the table. The tolerance is relative, or absolute for
// shares of few rows; heavy-tailed moments get more.
func TestSyntheticFit(t *testing.T) {
	const rows = 1_048_567 // of the public file
	o := observe(t, 400_000)
	share := func(x float64) float64 { return x / o.count }
	figures := []struct {
		name                         string
		profile, generated, relative float64
	}{
		{"amount p1", 8, at(o.amounts, 0.01), 0.08},
		{"amount p5", 30, at(o.amounts, 0.05), 0.05},
		{"amount p25", 161, at(o.amounts, 0.25), 0.03},
		{"amount p50", 459.03, at(o.amounts, 0.50), 0.03},
		{"amount p75", 1200, at(o.amounts, 0.75), 0.03},
		{"amount p95", 5176, at(o.amounts, 0.95), 0.03},
		{"amount p99", 20000, at(o.amounts, 0.99), 0.05},
		{"amount max", 1560034.99, at(o.amounts, 1), 0.6},
		{"amount mean", 1574.335, mean(o.amounts), 0.06},
		{"amount sd", 6574.743, deviation(o.amounts), 0.15},
		{"amount zero", 835.0 / rows, share(o.zero), 0.2},
		{"amount integer", 0.88, share(o.integer), 0.01},
		{"amount 50", 30663.0 / rows, share(o.atoms[50]), 0.05},
		{"amount 100", 34182.0 / rows, share(o.atoms[100]), 0.05},
		{"amount 200", 31124.0 / rows, share(o.atoms[200]), 0.05},
		{"amount 500", 29038.0 / rows, share(o.atoms[500]), 0.05},
		{"amount 1000", 23196.0 / rows, share(o.atoms[1000]), 0.05},
		{"balance p1", 3.35, at(o.balances, 0.01), 0.1},
		{"balance p5", 70.15, at(o.balances, 0.05), 0.1},
		{"balance p25", 4721.76, at(o.balances, 0.25), 0.05},
		{"balance p50", 16792.18, at(o.balances, 0.50), 0.05},
		{"balance p75", 57657.36, at(o.balances, 0.75), 0.05},
		{"balance p95", 414522.23, at(o.balances, 0.95), 0.05},
		{"balance p99", 1586508.61, at(o.balances, 0.99), 0.08},
		{"balance max", 115035495.10, at(o.balances, 1), 0.6},
		{"balance mean", 115403.5, mean(o.balances), 0.1},
		{"balance sd", 846485.4, deviation(o.balances), 0.25},
		{"log-log correlation", 0.26, o.correlation(), 0.08},
		{"male", 765530.0 / rows, share(o.male), 0.02},
		{"no gender", 1100.0 / rows, share(o.noGender), 0.25},
		{"no DOB", 3397.0 / rows, share(o.noDOB), 0.15},
		{"DOB 1800", 57339.0 / rows, share(o.unknownDOB), 0.05},
		{"no balance", 2369.0 / rows, share(o.noBalance), 0.1},
		{"no location", 151.0 / rows, share(o.noPlace), 0.35},
		{"age p5", 22, at(o.ages, 0.05), 0.02},
		{"age p50", 29, at(o.ages, 0.50), 0.02},
		{"age p95", 49, at(o.ages, 0.95), 0.02},
		{"MUMBAI", 0.0979, share(o.places["MUMBAI"]), 0.05},
		{"NEW DELHI", 0.0808, share(o.places["NEW DELHI"]), 0.05},
		{"GURGAON", 0.0707, share(o.places["GURGAON"]), 0.05},
		{"PUNE", 0.0247, share(o.places["PUNE"]), 0.05},
		{"FARIDABAD", 0.011, share(o.places["FARIDABAD"]), 0.08},
		{"high_value_relative", 0.113, share(o.relative), 0.06},
		{"high_value_absolute", 0.0042, share(o.absolute), 0.15},
		{"overdraft_attempt", 0.083, share(o.overdraft), 0.05},
		{"any of the three", 0.1147, share(o.any), 0.06},
	}
	t.Logf("%-22s %14s %14s %8s", "", "profile", "generated", "differs")
	for _, f := range figures {
		differs := f.generated/f.profile - 1
		t.Logf("%-22s %14.5g %14.5g %7.1f%%", f.name, f.profile, f.generated, 100*differs)
		if !(math.Abs(differs) <= f.relative) {
			t.Errorf("%s: generated %v, the profile has %v: %.1f%% apart, allowed %.0f%%", f.name, f.generated, f.profile, 100*differs, 100*f.relative)
		}
	}
	if o.negative > 0 {
		t.Errorf("%v negative amounts; the profile has none", o.negative)
	}
	if away := share(o.away); away < 0.04 || away > 0.12 {
		t.Errorf("%.3f of events are away from where the customer was first seen; ties of locations need some", away)
	}
	t.Logf("%-22s %14v %14v (of fewer rows)", "distinct locations", 9355, len(o.places))
	if len(o.places) < 6000 || len(o.places) > 9355+1 {
		t.Errorf("%d locations occur in %v events; the profile has 9355 in %d rows", len(o.places), o.count, rows)
	}
}
