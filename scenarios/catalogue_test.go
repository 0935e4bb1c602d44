package scenarios

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCatalogue(t *testing.T) {
	var names []string
	for _, e := range Catalogue() {
		names = append(names, e.Name)
		s, err := Load(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != e.Name || s.Description != e.Description || s.Description == "" {
			t.Errorf("%s: the file says %q (%q), the catalogue %q", e.Name, s.Name, s.Description, e.Description)
		}
		length := s.Warmup
		for _, step := range s.Load {
			length += step.For
		}
		if limit := map[string]time.Duration{"smoke": 10 * time.Second}[e.Name]; limit > 0 && time.Duration(length) >= limit || time.Duration(length) > 45*time.Second {
			t.Errorf("%s takes %v", e.Name, length)
		}
		if len(s.Expect) == 0 {
			t.Errorf("%s expects nothing", e.Name)
		}
		checkReadsBack(t, s)
	}
	if diff := cmp.Diff([]string{"odd", "smoke", "spike", "steady"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestLoadUnknown(t *testing.T) {
	_, err := Load("spkie")
	var bad *Error
	const want = `scenario "spkie" is neither in the catalogue nor a file, did you mean spike? expected odd, smoke, spike or steady, or the path of a file`
	if !errors.As(err, &bad) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
