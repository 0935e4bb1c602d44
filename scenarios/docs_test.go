package scenarios

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocs holds the tables of docs/scenarios.md against what is accepted: the kinds with their fields, the shapes, the
// defaults of recovery and the questions of the catalogue.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(text)

	var want []string
	for _, k := range kinds {
		needs, may := named(k.needs), named(k.may)
		target := map[targets]string{anyTarget: "any", componentOnly: "component", databaseOnly: "database", brokerOnly: "broker", noTarget: "none"}[k.targets]
		all := strings.Join(needs, ", ")
		if len(may) > 0 && all != "" {
			all += ", "
		}
		if len(may) > 0 {
			all += "[" + strings.Join(may, ", ") + "]"
		}
		want = append(want, fmt.Sprintf("`%s` | %s | %s", k.name, all, target))
	}
	var got []string
	for _, row := range rows(docs, "| kind |") {
		got = append(got, fmt.Sprintf("%s | %s | %s", row[0], row[1], row[3]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-code +docs)\n%s", diff)
	}

	shaped := map[string]bool{}
	for _, row := range rows(docs, "| `shape` |") {
		name := strings.Trim(row[0], "`")
		if name == "none" {
			name = ""
		}
		shaped[name] = true
		for _, s := range shapes {
			for _, field := range slices.Concat(s.needs, s.may) {
				if s.name == name && name != "" && !strings.Contains(row[1], "`"+field+"`") {
					t.Errorf("shape %s: no %s in %q", name, field, row[1])
				}
			}
		}
	}
	if len(shaped) != len(shapes) {
		t.Errorf("%d shapes, not %d", len(shaped), len(shapes))
	}

	want, got = nil, nil
	for _, e := range Catalogue() {
		comment, _, _ := strings.Cut(strings.ReplaceAll(e.Text, "\n# ", " "), "?")
		want = append(want, fmt.Sprintf("`%s` | %s?", e.Name, strings.TrimPrefix(comment, "# ")))
	}
	for _, row := range rows(docs, "| scenario |") {
		question, _, _ := strings.Cut(row[1], "?")
		got = append(got, fmt.Sprintf("%s | %s?", row[0], question))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("catalogue (-files +docs)\n%s", diff)
	}
}

// rows are the cells of the table whose heading begins so.
func rows(docs, heading string) [][]string {
	_, rest, _ := strings.Cut(docs, "\n"+heading)
	table, _, _ := strings.Cut(rest, "\n\n")
	var all [][]string
	for _, line := range strings.Split(table, "\n")[2:] {
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		all = append(all, cells)
	}
	return all
}

func named(fields []string) []string {
	var names []string
	for _, f := range fields {
		names = append(names, "`"+f+"`")
	}
	return names
}
