package results

import (
	"strings"
	"testing"
)

// The worst fault counts, and one that is not known to be better than the worst makes the value unknown.
func TestRecoveryMetricsAreOfTheWorstFault(t *testing.T) {
	fault := func(lag Span) Fault {
		return Fault{Kind: "crash", Target: "stream", Recovery: &Recovery{LagBack: lag}}
	}
	after := func(s float64) Span { return Span{S: &s} }
	for _, c := range []struct {
		name   string
		faults []Fault
		op     string
		bound  float64
		met    bool
		value  *float64
		why    string
	}{
		{"no fault", nil, "<", 1e9, false, nil, ""},
		{"a fault without effect", []Fault{{Kind: "crash"}}, "<", 1e9, false, nil, ""},
		{"met", []Fault{fault(after(2.3)), fault(after(1))}, "<=", 2300, true, new(2300.0), ""},
		{"the first is the worst", []Fault{fault(after(2.3)), fault(after(1))}, "<", 2300, false, new(2300.0), ""},
		{"the last is the worst", []Fault{fault(after(1)), fault(after(2.3))}, "<", 2300, false, new(2300.0), ""},
		{"zero is measured", []Fault{fault(after(0))}, "==", 0, true, new(0.0), ""},
		{"censored", []Fault{fault(after(1)), fault(Span{S: new(23.4), Censored: true})}, "<", 60_000, false, nil, "censored: not within 23.4 s (crash of stream)"},
		{"censored, and asked for the opposite", []Fault{fault(Span{S: new(23.4), Censored: true})}, ">", 1, false, nil, "censored"},
		{"not measured", []Fault{fault(Span{Why: "no samples"}), fault(after(1))}, "<", 60_000, false, nil, "not measured: no samples (crash of stream)"},
		{"without a reason", []Fault{fault(Span{}), fault(after(1))}, "<", 60_000, false, nil, "not measured (crash of stream)"},
	} {
		got := Evaluate("recovery.lag_back", c.op, c.bound, &Record{Faults: c.faults})
		if got.Met != c.met || (got.Value == nil) != (c.value == nil) || got.Value != nil && *got.Value != *c.value || !strings.HasPrefix(got.Why, c.why) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if c.why != "" && !strings.Contains(got.reason(), c.why) {
			t.Errorf("%s: the reason is %q", c.name, got.reason())
		}
	}
	// A fault that ends nothing has no detection, and hides none of the others.
	mixed := []Fault{{Recovery: &Recovery{Detection: Span{Why: "it ended nothing"}}}, {Recovery: &Recovery{Detection: after(0.4)}}}
	if got := Evaluate("recovery.detection", "<", 401, &Record{Faults: mixed}); !got.Met {
		t.Errorf("detection of two faults: %+v", got)
	}
}
