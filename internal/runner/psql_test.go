package runner

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"lkbench/internal/infra"
)

// The command is printed on screens: it never shows the password, and finds the run's tables.
func TestPsql(t *testing.T) {
	own := &run{
		workspace: &infra.Workspace{Dir: t.TempDir()},
		instance:  &infra.Instance{Postgres: "postgres://bench:s3cret@127.0.0.1:15432/lkbench?sslmode=disable"},
	}
	command, err := own.psql()
	if err != nil {
		t.Fatal(err)
	}
	file := own.workspace.Dir + "/pgpass"
	if want := "PGPASSFILE=" + file + " psql -h 127.0.0.1 -p 15432 -U bench -d lkbench"; command != want {
		t.Errorf("got  %s\nwant %s", command, want)
	}
	line, err := os.ReadFile(file)
	if err != nil || string(line) != "127.0.0.1:15432:lkbench:bench:s3cret\n" {
		t.Errorf("the password file holds %q, %v", line, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password file is %v, %v", info.Mode(), err)
	}

	foreign := &run{
		workspace: &infra.Workspace{Dir: t.TempDir()},
		instance: &infra.Instance{
			Prefix:   "lkbench_abc_",
			Postgres: "postgres://o%27hara:s3cret@db.example.com:5432/my%20db?sslmode=disable&search_path=lkbench_abc",
		},
	}
	command, err = foreign.psql()
	if err != nil {
		t.Fatal(err)
	}
	if want := `PGOPTIONS='-c search_path=lkbench_abc' psql -h db.example.com -p 5432 -U 'o'\''hara' -d 'my db'`; command != want {
		t.Errorf("got  %s\nwant %s", command, want)
	}
	if files, _ := os.ReadDir(foreign.workspace.Dir); len(files) != 0 {
		t.Errorf("it wrote %v: a password of somebody else must reach no file", files)
	}
}

// A shell reads quoted words as they are.
func TestQuoted(t *testing.T) {
	for _, word := range []string{"", "plain", "two words", "o'hara", `$HOME "x" \ *`, "a\nb"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(word)).Output()
		if err != nil || strings.TrimSuffix(string(out), "\n") != strings.TrimSuffix(word, "\n") {
			t.Errorf("%q came back as %q, %v", word, out, err)
		}
	}
}
