package scenarios

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var catalogued = []string{
	"backlog", "cascade", "chaos", "crash-batch", "crash-broker", "crash-database", "crash-stream", "dirty", "disk-full", "disorder", "diurnal",
	"duplicates", "hotkey", "late", "odd", "partition", "pause-database", "poison", "ramp", "reprocess", "rule-change", "slow-network", "smoke",
	"soak", "spike", "steady", "step", "topic-full",
}

func TestCatalogue(t *testing.T) {
	var names []string
	for _, e := range Catalogue() {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff(catalogued, names); diff != "" {
		t.Error(diff)
	}
	for _, e := range Catalogue() {
		t.Run(e.Name, func(t *testing.T) {
			s, err := Load(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			checkDocumented(t, e, s)
			checkExpects(t, s)
			checkTimes(t, s)
			checkReadsBack(t, s)
			for _, sets := range [][]string{{"time_scale=0.1"}, {"time_scale=0.2", "load_scale=0.5"}} {
				scaled, err := Load(e.Name, sets...)
				if err != nil {
					t.Fatal(err)
				}
				checkReadsBack(t, scaled)
			}
		})
	}
}

// checkDocumented: a file begins with the question that it answers, and has its line in the list.
func checkDocumented(t *testing.T, e Entry, s *Scenario) {
	t.Helper()
	if s.Name != e.Name || s.Description != e.Description || s.Description == "" {
		t.Errorf("the file says %q (%q), the catalogue %q", s.Name, s.Description, e.Description)
	}
	const longestName, columns = len("crash-database"), 80
	if longestName+2+len(e.Description) > columns || len(e.Name) > longestName {
		t.Errorf("does not fit into a line of the list: %s  %s", e.Name, e.Description)
	}
	comment, _, _ := strings.Cut(e.Text, "\nname: ")
	for line := range strings.Lines(comment) {
		if !strings.HasPrefix(line, "# ") {
			t.Errorf("%q is no part of a comment before the name", line)
		}
	}
	if question, _, ok := strings.Cut(comment, "?"); !ok || strings.Contains(question, ".") {
		t.Errorf("begins with no question: %s", comment)
	}
}

// checkExpects: every scenario asks for right answers, but the one that must lose events, which asks for the loss.
func checkExpects(t *testing.T, s *Scenario) {
	t.Helper()
	asked := map[string]string{}
	for _, e := range s.Expect {
		asked[e.Metric] = e.Text
	}
	want := []string{"correctness.missing == 0", "correctness.wrong == 0"}
	if s.Name == "topic-full" {
		want = []string{"correctness.missing > 0"}
	}
	for _, text := range want {
		if metric, _, _ := strings.Cut(text, " "); asked[metric] != text {
			t.Errorf("expects %q of %s, want %q", asked[metric], metric, text)
		}
	}
}

// checkTimes: a scenario is over in a minute, and one with a fault has a time before it to compare with and one after it to
// recover in.
func checkTimes(t *testing.T, s *Scenario) {
	t.Helper()
	least, most, before, after := 20*time.Second, time.Minute, 10*time.Second, 15*time.Second
	switch s.Name {
	case "smoke", "chaos":
		least, most, before, after = 5*time.Second, 12*time.Second, time.Second, 0
	case "soak":
		least, most = 10*time.Minute, 11*time.Minute
	}
	if length := time.Duration(s.Length()); length < least || length > most {
		t.Errorf("takes %v", length)
	}
	for _, f := range s.Faults {
		if time.Duration(f.At-s.Warmup) < before || time.Duration(s.Length()-f.End()) < after {
			t.Errorf("%s, of a load from %v to %v", f.text(), s.Warmup, s.Length())
		}
	}
}

// TestTheOrdinaryLimits: where limits are relaxed the file says why.
func TestTheOrdinaryLimits(t *testing.T) {
	for _, e := range Catalogue() {
		before, _, relaxed := strings.Cut(e.Text, "\nlimits:")
		lines := strings.Split(before, "\n")
		if last := lines[len(lines)-1]; relaxed && !strings.HasPrefix(last, "# ") {
			t.Errorf("%s relaxes limits after %q, without a reason", e.Name, last)
		}
	}
}

func TestLoadUnknown(t *testing.T) {
	_, err := Load("spkie")
	var bad *Error
	want := `scenario "spkie" is neither in the catalogue nor a file, did you mean spike? expected ` + oneOf(catalogued) + ", or the path of a file"
	if !errors.As(err, &bad) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
