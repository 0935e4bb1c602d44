package images_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestEngine tries .ci/dockerd, which starts an engine where none answers and never a second one, with programs of our own.
func TestEngine(t *testing.T) {
	linuxOnly(t)
	const (
		never   = "exit 1"
		once    = `test -e "$STATE/up"` // answers once the engine has come up
		engine  = `echo started >>"$STATE/starts"; touch "$STATE/up"; exec sleep 300`
		broken  = `echo started >>"$STATE/starts"; echo no cgroups here >&2; exit 1`
		third   = `echo >>"$STATE/asked"; test "$(wc -l <"$STATE/asked")" -gt 3`
		nothing = "exit 1"
		alive   = `echo "$OUR_PROCESS"`
		gone    = "echo 2147483646"
	)
	for name, test := range map[string]struct {
		docker, dockerd, pidof, id, host string
		says                             string
		code, starts                     int
	}{
		"one answers":           {docker: "exit 0", dockerd: engine, pidof: nothing},
		"none answers":          {docker: once, dockerd: engine, pidof: nothing, says: "started a Docker engine", starts: 1},
		"one is coming up":      {docker: third, dockerd: engine, pidof: alive},
		"one hangs":             {docker: never, dockerd: engine, pidof: gone, says: "not starting a second one", code: 1},
		"it cannot be started":  {docker: once, dockerd: broken, pidof: nothing, says: "no cgroups here", code: 1, starts: 1},
		"another host is meant": {docker: never, dockerd: engine, pidof: nothing, host: "tcp://127.0.0.1:1", says: "DOCKER_HOST is tcp://127.0.0.1:1", code: 1},
		"not root":              {docker: never, dockerd: engine, pidof: nothing, id: "1000", says: "needs root", code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			id := test.id
			if id == "" {
				id = "0"
			}
			state := t.TempDir()
			bin := fakes(t, map[string]string{"docker": test.docker, "dockerd": test.dockerd, "pidof": test.pidof, "id": "echo " + id})
			environment := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "STATE=" + state, "LKBENCH_DOCKERD_STATE=" + state,
				"OUR_PROCESS=" + strconv.Itoa(os.Getpid()), "DOCKER_HOST=" + test.host}

			// Two at once, as two checkouts under test may be.
			var wait sync.WaitGroup
			said, codes := make([]string, 2), make([]int, 2)
			for i := range said {
				wait.Go(func() { said[i], codes[i] = script(t, "../../.ci/dockerd", environment) })
			}
			wait.Wait()
			both := said[0] + said[1]
			started := regexp.MustCompile(`started a Docker engine: process (\d+)`).FindStringSubmatch(both)
			if started != nil {
				endEngine(t, started[1])
			}

			if codes[0] != test.code || codes[1] != test.code || !strings.Contains(both, test.says) {
				t.Errorf("expected %q and exit code %d, got %v and\n%s", test.says, test.code, codes, both)
			}
			starts, _ := os.ReadFile(filepath.Join(state, "starts"))
			got := strings.Count(string(starts), "started")
			// An engine that cannot be started is tried by each of the two.
			if want := test.starts * (1 + test.code); got != want {
				t.Errorf("expected %d starts, got %d", want, got)
			}
		})
	}
}

// TestSetup runs .ci/setup with a path on which nothing is that it looks for.
func TestSetup(t *testing.T) {
	linuxOnly(t)
	const all = "chromium postgresql-client maven openjdk-17-jdk-headless docker.io busybox-static unzip xz-utils"
	for name, test := range map[string]struct {
		id, openjdk string
		says        []string
		installs    string
	}{
		"root on Debian":           {id: "0", openjdk: "exit 0", installs: all, says: []string{"the command docker was not found", "will be skipped (with CI=true they fail)"}},
		"a Debian without Java 17": {id: "0", openjdk: "exit 100", installs: strings.Replace(all, "openjdk-17", "default", 1)},
		"somebody else": {id: "1000", openjdk: "exit 0", says: []string{
			"sudo apt-get install chromium postgresql-client maven openjdk-17-jdk-headless docker.io", "No Docker engine answers", "systemctl start docker"}},
	} {
		t.Run(name, func(t *testing.T) {
			bin := fakes(t, map[string]string{"id": "echo " + test.id, "apt-get": `echo "$*" >>"$INSTALLED"`, "apt-cache": test.openjdk})
			for _, tool := range []string{"sh", "dirname", "uname", "sed", "cut", "ls", "timeout", "readlink", "cat"} {
				path, err := exec.LookPath(tool)
				if err == nil {
					err = os.Symlink(path, filepath.Join(bin, tool))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			list := filepath.Join(bin, "installed")
			out, code := script(t, "../../.ci/setup", []string{"PATH=" + bin, "INSTALLED=" + list, "JAVA_HOME=", "DOCKER_HOST="})
			for _, want := range test.says {
				if !strings.Contains(out, want) {
					t.Errorf("expected %q", want)
				}
			}
			installed, err := os.ReadFile(list)
			if test.installs == "" && err == nil {
				t.Errorf("who is not root installs nothing, and yet: apt-get %s", installed)
			}
			for _, want := range strings.Fields(test.installs) {
				if strings.Count(" "+strings.ReplaceAll(string(installed), "\n", " ")+" ", " "+want+" ") != 1 {
					t.Errorf("expected %s to be installed, once", want)
				}
			}
			if code != 0 || t.Failed() {
				t.Errorf("exit code %d, apt-get %s\n%s", code, installed, out)
			}
		})
	}
}

// endEngine ends the engine, which must have outlived the script in a session of its own.
func endEngine(t *testing.T, process string) {
	t.Helper()
	pid, err := strconv.Atoi(process)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		t.Fatalf("the engine ended with the script that started it: %v", err)
	}
	// After the name in parentheses: state, parent, group, session.
	_, rest, _ := strings.Cut(string(stat), ") ")
	if session := strings.Fields(rest)[3]; session != process {
		t.Errorf("process %s is of session %s, not of its own: it would end with the terminal", process, session)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("images are built, and engines started, on Linux only")
	}
}
