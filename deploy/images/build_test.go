package images_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"lkbench/deploy"
)

func inCI() bool { return os.Getenv("CI") == "true" }

// TestNames holds the versions that stand in several places against each other.
func TestNames(t *testing.T) {
	if want := "apache/kafka:" + deploy.KafkaVersion; kafkaImage != want {
		t.Errorf("--infra=docker runs %s, make images builds %s", kafkaImage, want)
	}
	if want := "<kafka.version>" + deploy.KafkaVersion + "</kafka.version>"; !strings.Contains(string(deploy.KafkaPOM), want) {
		t.Errorf("the pom, of which the image is built, does not say %s", want)
	}
	text, err := os.ReadFile("postgres/rootfs.sh")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^full=((\d+)\.\S+)$`).FindSubmatch(text)
	if version == nil {
		t.Fatal("postgres/rootfs.sh: expected a line full=VERSION")
	}
	if string(version[1]) != string(embeddedpostgres.V18) {
		t.Errorf("the image is built of PostgreSQL %s, --infra=embedded runs %s", version[1], embeddedpostgres.V18)
	}
	if want := "postgres:" + string(version[2]); postgresImage != want {
		t.Errorf("--infra=docker runs %s, make images builds %s", postgresImage, want)
	}
	for _, file := range []string{"need.sh", "../../.ci/setup"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range []string{kafkaImage, postgresImage} {
			if !strings.Contains(string(text), "docker pull "+image) {
				t.Errorf("%s tells how to pull images, but not %s", file, image)
			}
		}
	}
}

// TestNothingToDo runs make images where the images are there: a line about each, and no build. What a build would need first
// is a Maven that tells on it.
func TestNothingToDo(t *testing.T) {
	need(t, kafkaImage)
	need(t, postgresImage)
	bin := fakes(t, map[string]string{"mvn": "echo a build was begun; exit 1"})
	out, code := script(t, "build.sh", []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "REBUILD="})
	for _, image := range []string{kafkaImage, postgresImage} {
		want := image + " is there, built from these files: nothing to do"
		if !builtHere(t, image) {
			want = image + " is there and was not built here: left as it is"
		}
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("expected %q and exit code 0, got %d and\n%s(after a change of deploy/images: make images)", want, code, out)
		}
	}
}

// TestBuild tries the decisions of build.sh with a docker of our own.
func TestBuild(t *testing.T) {
	linuxOnly(t)
	const pulled = `case "$1 $2" in "version "*) echo 28;; "image inspect") echo;; *) echo "$*" >>"$CALLS";; esac`
	const stale = `case "$1 $2" in "version "*) echo 28;; "image inspect") echo 0123456789abcdef;; *) echo "$*" >>"$CALLS";; esac`
	for name, test := range map[string]struct {
		docker, says string
		code         int
	}{
		"a pulled image is left alone": {pulled, "postgres:18 is there and was not built here: left as it is", 0},
		"an old build is replaced":     {stale, "building postgres:18", 1},
		"no engine":                    {"echo cannot connect >&2; exit 1", "no Docker engine answers at unix:///nowhere: cannot connect", 1},
	} {
		t.Run(name, func(t *testing.T) {
			bin := fakes(t, map[string]string{"docker": test.docker, "mvn": "echo no such artifact; exit 1"})
			calls := filepath.Join(bin, "calls")
			out, code := script(t, "build.sh", []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CALLS=" + calls, "DOCKER_HOST=unix:///nowhere", "REBUILD=", "TMPDIR=" + t.TempDir()}, "postgres")
			if strings.Contains(out, "needs what this machine lacks") && !inCI() {
				t.Skip(out)
			}
			if code != test.code || !strings.Contains(out, test.says) {
				t.Errorf("expected %q and exit code %d, got %d and\n%s", test.says, test.code, code, out)
			}
			if called, err := os.ReadFile(calls); err == nil {
				t.Errorf("nothing could be built, and yet: docker %s", called)
			}
		})
	}
}

// TestTidy looks at files and labels of the local builds.
func TestTidy(t *testing.T) {
	for _, image := range []string{kafkaImage, postgresImage} {
		t.Run(image, func(t *testing.T) {
			need(t, image)
			if !builtHere(t, image) {
				t.Skipf("%s was not built here", image)
			}
			if found := untidy(t, image, ":"); found != "" {
				t.Errorf("files that let somebody become another, that everybody may change, that are nobody's, or left over:\n%s", found)
			}
			defects := "cp /bin/busybox /bin/root; chmod 4755 /bin/root; >/opened; chmod 666 /opened; >/stray; chown 4711 /stray; >/tmp/left"
			if found := untidy(t, image, defects); strings.Join(strings.Fields(found), " ") != "/bin/root /opened /stray /tmp/left" {
				t.Errorf("the search does not find what it is for, only:\n%s", found)
			}
			about := property(t, image, "{{json .Config.Labels}}")
			for _, want := range []string{"Not the upstream image", "local build", `"org.opencontainers.image.version":"`} {
				if !strings.Contains(about, want) {
					t.Errorf("the labels do not say %q: %s", want, about)
				}
			}
		})
	}
}

// untidy lists the files of an image that should not be so, after a command has been run in it.
func untidy(t *testing.T, image, command string) string {
	t.Helper()
	c, err := run(t, []string{"--user", "0", "--entrypoint", "/bin/sh"}, image, "-c", command+`
		find / -xdev -type f -perm /6000
		find / -xdev -type f -perm -2
		find / -xdev ! -user 0 ! -user 999 ! -user 1000
		find /tmp -type f`)
	if err != nil {
		t.Fatal(err)
	}
	if code := c.do("wait"); code != "0" {
		t.Fatalf("exit code %s: %s", code, c.log())
	}
	return c.log()
}

// fakes makes a directory of programs, by name and shell script.
func fakes(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// script runs one of our shell scripts and gives what it said and its exit code.
func script(t *testing.T, path string, environment []string, arguments ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{path}, arguments...)...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
