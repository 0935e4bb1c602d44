package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"lkbench/internal/infra/infratest"
)

// seen is what a script reads of doctor's JSON.
type seen struct {
	SchemaVersion int  `json:"schema_version"`
	Works         bool `json:"works"`
	Providers     []struct {
		Name, Status string
		Works        bool
		Checks       []seenCheck
	}
	Machine []seenCheck
}

type seenCheck struct {
	Name, Status, Found, Do string
	Measured                map[string]float64
}

// doctorJSON runs the verb as main does and reads what it prints.
func doctorJSON(t *testing.T, code int, args ...string) seen {
	t.Helper()
	var stdout, stderr bytes.Buffer
	got := run(t.Context(), append([]string{"doctor", "--json", "--timeout=60s"}, args...), strings.NewReader(""), &stdout, &stderr)
	if got != code || stderr.Len() > 0 {
		t.Fatalf("exit code %d, want %d; standard error: %s", got, code, &stderr)
	}
	var s seen
	if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
		t.Fatalf("%v in\n%s", err, &stdout)
	}
	if s.SchemaVersion != 1 || s.Works != (code == 0) || len(s.Providers) != 4 {
		t.Errorf("got %+v", s)
	}
	return s
}

func (s seen) check(t *testing.T, provider, name string) seenCheck {
	t.Helper()
	checks := s.Machine
	for _, p := range s.Providers {
		if p.Name == provider {
			checks = p.Checks
		}
	}
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%q has no check %s: %+v", provider, name, checks)
	return seenCheck{}
}

// What a script needs is in the JSON: states, words and figures; and the exit code says whether anything works.
func TestDoctorJSON(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	t.Setenv("LKBENCH_CACHE", filepath.Join("/var/tmp", "lkbench-is-not-here"))
	s := doctorJSON(t, 0)
	for _, want := range []struct{ provider, check, status string }{
		{"embedded", "kafka", "ok"}, {"local", "java", "missing"}, {"docker", "engine", "missing"},
		{"docker", "kafka_image", "not_checked"}, {"external", "addresses", "not_checked"},
	} {
		if c := s.check(t, want.provider, want.check); c.Status != want.status || c.Found == "" || c.Status == "missing" && c.Do == "" {
			t.Errorf("%s of %s is %+v, want %s", want.check, want.provider, c, want.status)
		}
	}
	for name, figure := range map[string]string{"cpu": "all", "memory": "total_bytes", "disk": "free_bytes", "ports": "tried", "timer": "late_p99_ms", "clock": "read_ns"} {
		if c := s.check(t, "", name); c.Measured[figure] <= 0 {
			t.Errorf("%s has no %s: %+v", name, figure, c)
		}
	}
	t.Setenv("LKBENCH_CACHE", "/dev/null")
	if c := doctorJSON(t, 1).check(t, "", "cache"); c.Status != "missing" || c.Do == "" {
		t.Errorf("a cache that is no directory: %+v", c)
	}
}

// Where a Docker engine runs it is found, with its version.
func TestDoctorFindsDocker(t *testing.T) {
	infratest.NeedDocker(t)
	if c := doctorJSON(t, 0).check(t, "docker", "engine"); c.Status != "ok" && c.Status != "warning" || !strings.Contains(c.Found, "Docker Engine ") || c.Measured["cpus"] < 1 {
		t.Errorf("got %+v", c)
	}
}

// Where a Java that can run Kafka is installed it is found, with its version.
func TestDoctorFindsJava(t *testing.T) {
	infratest.NeedJava(t)
	s := doctorJSON(t, 0)
	if c := s.check(t, "local", "java"); c.Status != "ok" || !strings.Contains(c.Found, "Java ") {
		t.Errorf("got %+v", c)
	}
	for _, name := range []string{"kafka", "maven"} {
		if c := s.check(t, "local", name); c.Status != "ok" && c.Status != "to_fetch" {
			t.Errorf("got %+v", c)
		}
	}
}
