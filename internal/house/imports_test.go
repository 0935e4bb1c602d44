// Package house holds the rules of the house as tests.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "lkbench"

// may says which rooms of ours a room may import, beside itself. Rooms that are not listed may import everything; the
// longest matching prefix counts.
var may = map[string][]string{
	"scenarios":                {},
	"results":                  {},
	"results/recovery":         {"results"},
	"internal/network":         {},
	"internal/fault":           {"scenarios", "results", "internal/bank", "internal/infra", "internal/kafka", "internal/network", "internal/proc"},
	"internal/capacity":        {"results"},
	"internal/chaos":           {"results"},
	"internal/bank":            {},
	"internal/proc":            {},
	"internal/kafka":           {"internal/network"},
	"internal/infra":           {"internal/proc", "internal/kafka", "deploy"},
	"architectures":            {"internal/bank", "internal/kafka", "internal/network"},
	"internal/native":          {"architectures", "internal/bank", "internal/kafka", "internal/network"},
	"architectures/kappa":      {"architectures", "internal/bank", "internal/native"},
	"architectures/lambda":     {"architectures", "internal/bank", "internal/native", "internal/network"},
	"loadgen":                  {"scenarios", "internal/bank", "internal/kafka", "results"},
	"report":                   {"results"},
	"internal/observe":         {"results", "internal/bank"},
	"internal/oracle":          {"loadgen", "internal/bank", "internal/kafka", "results"},
	"internal/runner":          {"architectures", "scenarios", "loadgen", "results", "internal/bank", "internal/kafka", "internal/infra", "internal/observe", "internal/oracle", "internal/proc", "internal/fault", "internal/network", "results/recovery"},
	"architectures/archtest":   nil, // a test suite: drives everything
	"internal/infra/docker":    {"internal/infra", "internal/kafka"},
	"internal/infra/external":  {"internal/infra", "internal/kafka"},
	"internal/doctor":          {"internal/infra", "internal/infra/docker", "internal/infra/external", "internal/kafka"},
	"deploy":                   {},
	"internal/infra/infratest": nil, // used by tests only; see TestOnlyTestsUseTestHelpers
	"internal/bench":           nil, // make bench: drives everything, no part of the program
	"cmd/lkbench":              nil,
}

// TestImports holds every non-test file against the table of rooms in docs/internals.md.
func TestImports(t *testing.T) {
	for file, imports := range importsOf(t, false) {
		room, allowed := roomOf(filepath.Dir(file))
		if allowed == nil && !slices.Contains([]string{"architectures/archtest", "internal/infra/infratest", "internal/bench", "cmd/lkbench"}, room) {
			t.Errorf("%s lies in no room of docs/internals.md: add it there and to this test", file)
		}
		if allowed == nil {
			continue
		}
		for _, imp := range imports {
			target, _ := roomOf(imp)
			if target != room && !slices.Contains(allowed, target) {
				t.Errorf("%s imports %s: %s may import only %v", file, imp, room, allowed)
			}
		}
	}
}

// TestOnlyTestsUseTestHelpers keeps the test suites out of the program.
func TestOnlyTestsUseTestHelpers(t *testing.T) {
	for file, imports := range importsOf(t, false) {
		for _, imp := range imports {
			helper := imp == "architectures/archtest" || imp == "internal/infra/infratest"
			if helper && !strings.HasPrefix(file, "architectures/archtest/") {
				t.Errorf("%s is part of the program and imports %s", file, imp)
			}
		}
	}
}

// TestOracleSharesNoRules keeps the judge independent: of internal/bank it may use types and constants, no function.
func TestOracleSharesNoRules(t *testing.T) {
	forbidden := []string{"bank.Decode", ".Check(", "bank.DefaultRules()", ".WindowStart("}
	files, err := filepath.Glob("../oracle/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no oracle to look at: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range forbidden {
			if strings.Contains(string(text), f) {
				t.Errorf("%s uses %s: the oracle shares no rule code with what it judges", file, f)
			}
		}
	}
}

// roomOf gives the room a directory (relative to the module) belongs to and what that room may import.
func roomOf(dir string) (string, []string) {
	for d := filepath.ToSlash(dir); d != "."; d = filepath.ToSlash(filepath.Dir(d)) {
		if allowed, ok := may[d]; ok {
			return d, allowed
		}
	}
	return dir, nil
}

// importsOf lists our own packages that each Go file of the module imports, relative to the module.
func importsOf(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(rel)] = nil
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(p, module+"/"); ok {
				found[filepath.ToSlash(rel)] = append(found[filepath.ToSlash(rel)], ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Fatalf("found only %d Go files: the test looks in the wrong place", len(found))
	}
	return found
}
