package docker

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

// dockerHome gives the test a home without Docker's configuration, and no variables of Docker.
func dockerHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"} {
		t.Setenv(name, "")
	}
	return home
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestHosts(t *testing.T) {
	contextFile := func(home, name string) string {
		return filepath.Join(home, ".docker", "contexts", "meta", fmt.Sprintf("%x", sha256.Sum256([]byte(name))), "meta.json")
	}
	const colima = `{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///colima.sock","SkipTLSVerify":false}}}`
	for name, test := range map[string]struct {
		prepare func(home string)
		want    string // the addresses, or a part of the error
		fails   bool
	}{
		"nothing said": {func(string) {}, "unix:///var/run/docker.sock", false},
		"variable":     {func(string) { os.Setenv("DOCKER_HOST", "tcp://127.0.0.1:2375") }, "tcp://127.0.0.1:2375", false},
		"context in use": {func(home string) {
			write(t, filepath.Join(home, ".docker", "config.json"), `{"currentContext":"colima"}`)
			write(t, contextFile(home, "colima"), colima)
		}, "unix:///colima.sock", false},
		"variable before context": {func(home string) {
			write(t, filepath.Join(home, ".docker", "config.json"), `{"currentContext":"colima"}`)
			os.Setenv("DOCKER_HOST", "unix:///mine.sock")
		}, "unix:///mine.sock", false},
		"context by variable": {func(home string) {
			write(t, contextFile(home, "colima"), colima)
			os.Setenv("DOCKER_CONTEXT", "colima")
		}, "unix:///colima.sock", false},
		"default context": {func(home string) {
			write(t, filepath.Join(home, ".docker", "config.json"), `{"currentContext":"default"}`)
		}, "unix:///var/run/docker.sock", false},
		"rootless": {func(home string) { write(t, filepath.Join(home, "run", "docker.sock"), "") },
			"unix:///var/run/docker.sock unix://HOME/run/docker.sock", false},
		"unknown context":        {func(string) { os.Setenv("DOCKER_CONTEXT", "gone") }, `context "gone" of Docker (DOCKER_CONTEXT)`, true},
		"context without engine": {func(home string) { write(t, contextFile(home, "k"), `{}`); os.Setenv("DOCKER_CONTEXT", "k") }, "names no engine", true},
		"damaged configuration":  {func(home string) { write(t, filepath.Join(home, ".docker", "config.json"), `{`) }, "config.json", true},
	} {
		t.Run(name, func(t *testing.T) {
			home := dockerHome(t)
			test.prepare(home)
			found, err := hosts()
			if test.fails {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, %v, want an error with %q", found, err, test.want)
				}
				return
			}
			var all []string
			for _, h := range found {
				all = append(all, h.address)
			}
			if got := strings.ReplaceAll(strings.Join(all, " "), home, "HOME"); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestFindSaysWhatWasTried(t *testing.T) {
	home := dockerHome(t)
	hangs, err := net.Listen("unix", filepath.Join(home, "hangs.sock")) // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	write(t, filepath.Join(home, "file.sock"), "no socket")
	for address, want := range map[string][]string{
		"unix:///no/such/docker.sock":                {"unix:///no/such/docker.sock (DOCKER_HOST)", "no such file", "start Docker", "DOCKER_HOST=unix://"},
		"unix://" + filepath.Join(home, "file.sock"): {"file.sock", "connection refused", "start Docker"},
		"unix://" + hangs.Addr().String():            {"hangs.sock", "no answer within 1s"},
		"tcp://192.0.2.1:2375":                       {"tcp://192.0.2.1:2375", "another machine", "127.0.0.1"},
		"ssh://somebody@somewhere":                   {"ssh://somebody@somewhere", `by "ssh"`},
	} {
		t.Setenv("DOCKER_HOST", address)
		_, err := Find(t.Context())
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error lacks %q: %v", address, part, err)
			}
		}
		if _, err := (Provider{}).Start(t.Context(), infra.Options{}); err == nil || !strings.Contains(err.Error(), want[0]) {
			t.Errorf("%s: a start says %v", address, err)
		}
	}
}

func TestFind(t *testing.T) {
	infratest.NeedDocker(t)
	engine, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if engine.Host == "" || engine.Version == "" || engine.API == "" || engine.OS == "" || engine.Cores < 1 || engine.MemoryBytes < 1<<20 || engine.Cgroups == "" {
		t.Errorf("the engine is %+v", engine)
	}
}

func TestWhatToDoWithoutPermission(t *testing.T) {
	if got := whatToDo(fmt.Errorf("dial: %w", os.ErrPermission)); !strings.Contains(got, "group docker") {
		t.Errorf("got %q", got)
	}
}
