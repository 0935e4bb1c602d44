package doctor

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everyState is a machine on which every state is to be seen.
func everyState(t *testing.T) Findings {
	t.Helper()
	p := complete()
	p.Engine = fails[Engine]("no container engine answers at unix:///nonexistent (DOCKER_HOST): no such file\x1b[2J or\ndirectory")
	p.PostgresCached = gives(Cached{"18.3.0", "/var/cache/lkbench/postgres-18.3.0", false})
	p.Machine = []MachineProbe{machineGives(
		diskCheck("/var/cache/lkbench", 72<<30), loadCheck(3, 2, 4), governorCheck(files()),
		portsCheck(15000, 31999, 200, 0, 32768),
		Check{Name: "odd", Status: OK, Found: strings.Repeat("unbreakable", 12) + " 宽宽宽宽"},
	)}
	return Examine(t.Context(), patience, p)
}

// The table in the widths that people have: a wide terminal, a common one, a narrow one, and a pipe.
func TestTableGolden(t *testing.T) {
	f := everyState(t)
	for name, width := range map[string]int{"pipe": 0, "100": 100, "60": 60, "30": 30} {
		var b strings.Builder
		if err := f.Table(&b, width, false); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "table-"+name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// No line is wider than the terminal, none ends with blanks, nothing reaches the terminal that it would obey, and every
// text is there whatever the width.
func TestTableFits(t *testing.T) {
	f := everyState(t)
	for width := 1; width <= 130; width++ {
		var b strings.Builder
		if err := f.Table(&b, width, false); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if got := twwidth.Width(line); got > max(width, leastWidth) {
				t.Errorf("width %d: a line has %d columns: %q", width, got, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("width %d: blanks at the end of %q", width, line)
			}
		}
		if strings.ContainsAny(b.String(), "\x1b\t\r") {
			t.Errorf("width %d: a control character", width)
		}
		together := strings.Join(strings.Fields(b.String()), "")
		for _, c := range f.Machine {
			for _, word := range strings.Fields(c.Found) {
				if len(word) < leastWidth && !strings.Contains(together, word) {
					t.Errorf("width %d: %q of %s is not shown", width, word, c.Name)
				}
			}
		}
	}
}

// A colour never stands alone: without colours the text is the same.
func TestTableColours(t *testing.T) {
	f := everyState(t)
	for _, width := range []int{0, 30, 80} {
		var plain, painted strings.Builder
		if err := f.Table(&plain, width, false); err != nil {
			t.Fatal(err)
		}
		if err := f.Table(&painted, width, true); err != nil {
			t.Fatal(err)
		}
		without := painted.String()
		for _, code := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
			if !strings.Contains(without, code) {
				t.Errorf("width %d: %q is not there", width, code)
			}
			without = strings.ReplaceAll(without, code, "")
		}
		if without != plain.String() {
			t.Errorf("width %d: the colours change the text:\n%s\n%s", width, without, plain.String())
		}
	}
}

func TestSummary(t *testing.T) {
	for want, f := range map[string]Findings{
		"No provider works here.": {},
		"Works here: a.":          {Providers: []Part{{Name: "a", Works: true}, {Name: "b"}}},
		"Works here: a, b. 1 thing makes this machine noisy.": {Providers: []Part{{Name: "a", Works: true}, {Name: "b", Works: true}},
			Machine: []Check{{Status: Warning}, {Status: Unknown}}},
		"Works here: a. 2 things make this machine noisy.": {Providers: []Part{{Name: "a", Works: true}},
			Machine: []Check{{Status: Warning}, {Status: Warning}}},
	} {
		if got := f.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 20: "1 MiB", 1023 << 10: "1023 KiB", 15 << 26: "960 MiB", 3 << 29: "1.5 GiB", 252 << 30: "252 GiB", 2 << 40: "2 TiB"} {
		if got := bytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
