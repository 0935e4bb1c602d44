// Package images_test tries the images that make images builds, or the upstream images if those are on the engine: what
// lkbench relies on must hold of both.
package images_test

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/infratest"
)

const (
	kafkaImage    = docker.DefaultKafkaImage
	postgresImage = docker.DefaultPostgresImage
)

// patience is how long a server may take to come up on a machine that does much else.
const patience = 3 * time.Minute

// container is one that the test started; it ends with the test.
type container struct {
	t  *testing.T
	id string
}

// run starts a container: docker's own arguments, the image, and what follows the image.
func run(t *testing.T, options []string, image string, arguments ...string) (container, error) {
	t.Helper()
	all := append([]string{"create", "--label", "lkbench.test=" + t.Name()}, options...)
	id, err := command(t, append(append(all, image), arguments...)...)
	if err != nil {
		return container{}, err
	}
	t.Cleanup(func() {
		// Not with the test's context, which has ended by now.
		if out, err := exec.Command("docker", "rm", "--force", "--volumes", id).CombinedOutput(); err != nil {
			t.Errorf("remove container %s: %v\n%s", id, err, out)
		}
	})
	_, err = command(t, "start", id)
	return container{t, id}, err
}

// runOnPort starts a container whose port is published on a port of 127.0.0.1 that stays the same over restarts.
func runOnPort(t *testing.T, image string, options func(port int) []string, arguments ...string) (container, int) {
	t.Helper()
	type started struct {
		container
		port int
	}
	s, err := infra.OnFreePort(func(port int) (started, error) {
		c, err := run(t, options(port), image, arguments...)
		return started{c, port}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.container, s.port
}

// do runs a docker command on the container and gives its standard output.
func (c container) do(verb string, arguments ...string) string {
	c.t.Helper()
	out, err := command(c.t, append([]string{verb, c.id}, arguments...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// exec runs a command in the container's shell.
func (c container) exec(script string) string {
	c.t.Helper()
	return c.do("exec", "sh", "-c", script)
}

// log gives what the container has said on both its outputs.
func (c container) log() string {
	out, _ := exec.CommandContext(c.t.Context(), "docker", "logs", c.id).CombinedOutput()
	return string(out)
}

// await polls until try succeeds, and shows the container's log if it does not.
func (c container) await(what string, try func(ctx context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, 10*time.Second)
		err := try(once)
		done()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.t.Fatalf("%s: %v\n%s", what, err, c.log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// command runs docker. Its error says what docker said.
func command(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "docker", arguments...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", &commandError{arguments, err, complaint.String()}
	}
	return strings.TrimSpace(out.String()), nil
}

type commandError struct {
	arguments []string
	cause     error
	said      string
}

func (e *commandError) Error() string {
	return "docker " + strings.Join(e.arguments, " ") + ": " + e.cause.Error() + "\n" + e.said
}

// need skips the test where there is no engine or no such image; in CI it fails.
func need(t *testing.T, image string) {
	t.Helper()
	infratest.NeedDocker(t)
	if _, err := command(t, "image", "inspect", image); err != nil {
		missing := t.Skipf
		if inCI() {
			missing = t.Fatalf
		}
		missing("%s is not on the engine: make images builds it", image)
	}
}

// property gives one property of an image or a container, which a template of docker's names.
func property(t *testing.T, of, template string) string {
	t.Helper()
	out, err := command(t, "inspect", "--format", template, of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// builtHere tells whether an image is a local build; some things are asked of those only.
func builtHere(t *testing.T, image string) bool {
	t.Helper()
	return property(t, image, `{{index .Config.Labels "lkbench.images"}}`) != ""
}
