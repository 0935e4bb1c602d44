package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be lkbench: for the scripts, and for the components that a run starts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lkbench": main})
}

// TestQuick are the scripts that start nothing.
func TestQuick(t *testing.T) { scripts(t, "testdata/quick") }

// TestRun are the scripts that run scenarios on Kafka and PostgreSQL.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole scenarios; make test does")
	}
	scripts(t, "testdata/run")
}

// passedOn are the variables that scripts have from the environment and may change for the commands they run. The cache is where
// PostgreSQL was put for everybody, instead of one copy for each script.
var passedOn = []string{"LKBENCH_CACHE", "LKBENCH_POSTGRES_BIN", "LKBENCH_KAFKA_LIBS", "HOME", "CI", "DOCKER_HOST", "JAVA_HOME"}

func scripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			for _, name := range passedOn {
				if v, ok := os.LookupEnv(name); ok {
					env.Setenv(name, v)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "flip": flip, "onerun": oneRun},
	})
}

// exits CODE COMMAND… runs a command and demands its exit code. Its output is in the files stdout and stderr of the
// working directory, since only the builtin exec can feed the builtin stdout.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	path := ts.Getenv("PATH")
	program := args[1]
	for _, dir := range filepath.SplitList(path) {
		if full := filepath.Join(dir, args[1]); isFile(full) {
			program = full
			break
		}
	}
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+path)
	for _, name := range passedOn {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit code says it
	ts.Check(os.WriteFile(ts.MkAbs("stdout"), stdout.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), stderr.Bytes(), 0o644))
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
		ts.Fatalf("exit code %v, want %d\nstdout: %s\nstderr: %s", cmd.ProcessState, want, &stdout, &stderr)
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// flip FILE changes one byte in the middle of a file; FILE may be a pattern that matches once.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	file := match(ts, args[0])
	content, err := os.ReadFile(file)
	ts.Check(err)
	content[len(content)/2] ^= 1
	ts.Check(os.WriteFile(file, content, 0o644))
}

// onerun VAR PATTERN sets an environment variable to the one path that matches.
func oneRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: onerun VAR PATTERN")
	}
	ts.Setenv(args[0], match(ts, args[1]))
}

func match(ts *testscript.TestScript, pattern string) string {
	found, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s matches %d paths, want 1: %v", pattern, len(found), found)
	}
	return found[0]
}
