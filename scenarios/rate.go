package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxShare is the highest share of the capacity that a load can ask for: beyond twice of what is sustainable a longer run shows
// nothing that a shorter one does not.
const maxShare = 2

var percent = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)%$`)

// rate reads a number of events per second, or a share of the capacity.
func (d *decoder) rate(n ast.Node, v reflect.Value, field, at string) {
	text, _ := textOf(n)
	if m := percent.FindStringSubmatch(text); m != nil {
		// Through the exponent, not a division, so that what is read is the decimal number that was written.
		share, err := strconv.ParseFloat(m[1]+"e-2", 64)
		if err != nil || !(share > 0 && share <= maxShare) {
			d.add(at, field, "is %s, expected more than 0%% of the capacity and %d%% at most", shorten(text), maxShare*100)
			return
		}
		v.Set(reflect.ValueOf(Rate{Share: Share(share)}))
		return
	}
	perS, ok := number(n)
	if !ok {
		d.add(at, field, "is %s, expected events per second, such as 5000, or a share of the capacity, such as 60%%", describe(n))
		return
	}
	v.Set(reflect.ValueOf(Rate{PerS: perS}))
}

// MarshalYAML writes the rate as it is read.
func (r Rate) MarshalYAML() ([]byte, error) { return []byte(r.String()), nil }

// String is the rate as a scenario has it.
func (r Rate) String() string {
	if r.Share == 0 {
		return plain(r.PerS)
	}
	whole, decimals, _ := strings.Cut(plain(r.Share), ".")
	decimals += strings.Repeat("0", max(0, 2-len(decimals)))
	text := strings.TrimLeft(whole+decimals[:2], "0")
	if text == "" {
		text = "0"
	}
	if rest := decimals[2:]; rest != "" {
		text += "." + rest
	}
	return text + "%"
}

// rates are all rates of a step, also those that its shape does not have.
func (s *Step) rates() []*Rate { return []*Rate{&s.Rate, &s.From, &s.To, &s.Peak} }

// hasShare says whether a rate of the step is a share of the capacity.
func (s Step) hasShare() bool {
	return slices.ContainsFunc(s.rates(), func(r *Rate) bool { return r.Share != 0 })
}

// NeedsCapacity says whether a rate of the load is a share of the capacity, so that Resolve must come before a run.
func (s *Scenario) NeedsCapacity() bool {
	return slices.ContainsFunc(s.Load, Step.hasShare)
}

// Resolve returns a copy in which every share of the capacity, which is in events per second, is a rate in whole events per
// second. The error is an *Error: with real rates a scenario may turn out to be too much, or to have no event.
func (s *Scenario) Resolve(capacity float64) (*Scenario, error) {
	if !(capacity > 0) || math.IsInf(capacity, 0) {
		return nil, errorf("scenario %s: the capacity is %v events/s, expected more than 0", s.Name, capacity)
	}
	file := fmt.Sprintf("scenario %s at a capacity of %s events/s", s.Name, plain(capacity))
	resolved := s.clone()
	for i := range resolved.Load {
		for _, r := range resolved.Load[i].rates() {
			if r.Share == 0 {
				continue
			}
			perS := math.Round(float64(r.Share) * capacity)
			if perS == 0 {
				return nil, errorf("%s: load[%d]: has a rate of %v, which is less than an event a second, expected more", file, i, r)
			}
			*r = Rate{PerS: perS}
		}
	}
	text, err := resolved.Marshal()
	if err != nil {
		return nil, errorf("scenario %s: %v", s.Name, err)
	}
	d := &decoder{file: file, unlined: true}
	return d.scenario(text, nil)
}
