package infra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script writes a program of one file that does what a shell does with text, and gives its directory.
func script(t *testing.T, name, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindJava(t *testing.T) {
	tests := []struct {
		name, says string
		want       string // in the error; "" for none
		version    string
		major      int
	}{
		{"17", `echo 'openjdk version "17.0.15" 2025-04-15' >&2`, "", "17.0.15", 17},
		{"25 without minor version", `echo 'openjdk version "25" 2025-09-16' >&2`, "", "25", 25},
		{"early access", `echo 'openjdk version "26-ea" 2026-03-17' >&2`, "", "26-ea", 26},
		{"after a note", `echo 'Picked up _JAVA_OPTIONS: -Xmx1g' >&2; echo 'java version "21.0.2" 2024-01-16 LTS' >&2`, "", "21.0.2", 21},
		{"11", `echo 'openjdk version "11.0.22" 2024-01-16' >&2`, "too old: ", "", 0},
		{"8", `echo 'java version "1.8.0_402"' >&2`, "is Java 1.8.0_402, and Kafka needs 17 or newer", "", 0},
		{"broken", `echo 'Error: could not find libjvm.so' >&2; exit 1`, "libjvm.so", "", 0},
		{"something else", `echo 'hello'`, `says "hello"`, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bin := script(t, "java", test.says)
			for _, by := range []string{"JAVA_HOME", "PATH"} {
				t.Setenv("JAVA_HOME", "")
				if by == "PATH" {
					t.Setenv("PATH", bin+":/usr/bin:/bin")
				} else {
					t.Setenv("JAVA_HOME", filepath.Dir(bin))
				}
				java, err := FindJava(t.Context())
				if test.want == "" {
					if err != nil || java.Version != test.version || java.Major != test.major || java.Path != filepath.Join(bin, "java") {
						t.Errorf("by %s: got %+v, %v", by, java, err)
					}
					continue
				}
				if err == nil {
					t.Fatalf("by %s: no error", by)
				}
				for _, part := range []string{test.want, bin, javaCommand()} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("by %s: the error lacks %q: %v", by, part, err)
					}
				}
			}
		})
	}
}

func TestNoJava(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	if _, err := FindJava(t.Context()); err == nil || !strings.Contains(err.Error(), "no java on the path") || !strings.Contains(err.Error(), javaCommand()) {
		t.Errorf("got %v", err)
	}
	t.Setenv("JAVA_HOME", "/no/such/java")
	if _, err := FindJava(t.Context()); err == nil || !strings.Contains(err.Error(), "JAVA_HOME=/no/such/java") || !strings.Contains(err.Error(), javaCommand()) {
		t.Errorf("got %v", err)
	}
}

func TestFindMaven(t *testing.T) {
	t.Setenv("PATH", script(t, "mvn", `printf '\033[1mApache Maven 3.9.9\033[m\nMaven home: /usr\n'`)+":/usr/bin:/bin")
	if maven, err := FindMaven(t.Context()); err != nil || maven.Version != "3.9.9" {
		t.Errorf("got %+v, %v", maven, err)
	}
	t.Setenv("PATH", script(t, "mvn", "echo 'The JAVA_HOME environment variable is not defined correctly' >&2; exit 1")+":/usr/bin:/bin")
	if _, err := FindMaven(t.Context()); err == nil || !strings.Contains(err.Error(), "JAVA_HOME") || !strings.Contains(err.Error(), mavenCommand()) {
		t.Errorf("a broken one: got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := FindMaven(t.Context()); err == nil || !strings.Contains(err.Error(), mavenCommand()) || !strings.Contains(err.Error(), kafkaLibsVariable) {
		t.Errorf("none: got %v", err)
	}
}
