package bench

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lkbench/internal/infra/infratest"
)

// TestParts runs the parts that need no minute, so that what they know of the program's tables, topics and verbs stays true.
func TestParts(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts servers")
	}
	infratest.Postgres(t) // skips where there is none
	program := filepath.Join(t.TempDir(), "lkbench")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "lkbench/cmd/lkbench").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, text)
	}
	figures := map[string][]string{
		"a": {"| bare franz-go producer", "| generator: makes", "| schedule delay p99.9"},
		"c": {"| bare consume and decode", "| stream: all views"},
		"d": {"| master rows read", "10,000 |                     11,000 |", "(changes)", "| read: binary COPY"},
	}
	for _, p := range Parts() {
		wanted, ok := figures[p.Name]
		if !ok {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			dir := t.TempDir()
			var out strings.Builder
			b := &Bench{Executable: program, Dir: dir, Size: Quick(), Out: io.MultiWriter(&out, t.Output()), Log: t.Logf}
			if err := p.Run(b, t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, w := range wanted {
				if !strings.Contains(out.String(), w) {
					t.Errorf("no %q in the tables", w)
				}
			}
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left {
				if filepath.Ext(f.Name()) != ".log" {
					t.Errorf("%s was left behind", f.Name())
				}
			}
		})
	}
}
