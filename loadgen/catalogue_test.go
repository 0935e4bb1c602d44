package loadgen

import (
	"math"
	"testing"

	"lkbench/scenarios"
)

// Every scenario of the catalogue has a schedule, and the oddities it asks for, in the shares it asks for; repetitions beyond the horizon
// come once the stream is old enough, so there must only be some.
func TestCatalogue(t *testing.T) {
	for _, entry := range scenarios.Catalogue() {
		t.Run(entry.Name, func(t *testing.T) {
			s := catalogued(t, entry.Name)
			if s.NeedsCapacity() {
				var err error
				if s, err = s.Resolve(1000); err != nil {
					t.Fatal(err)
				}
			}
			source, schedule := mustSynthetic(t, s)
			kinds, events := map[Kind]float64{}, min(schedule.Len(), 1_000_000)
			for n := range events {
				kind := source.turns.at(n).kind
				for k := Duplicate; k <= Bursting; k <<= 1 {
					if kind&k != 0 {
						kinds[k]++
					}
				}
			}
			e := s.Events
			for k, share := range map[Kind]scenarios.Share{
				Duplicate: e.Duplicates, Malformed: e.Malformed + e.Oversized, Oversized: e.Oversized, Late: e.Late.Share, Disordered: e.Disorder.Share, Boundary: e.Boundary,
			} {
				want := float64(share) * float64(events)
				if sigma := math.Sqrt(want); math.Abs(kinds[k]-want) > 5*sigma+0.05*want {
					t.Errorf("%v events of kind %b, want about %.0f", kinds[k], k, want)
				}
			}
			for k, wanted := range map[Kind]bool{Repeated: e.Repeats > 0, Bursting: e.Burst != nil} {
				if (kinds[k] > 0) != wanted {
					t.Errorf("%v events of kind %b, the scenario has them: %v", kinds[k], k, wanted)
				}
			}
		})
	}
}
