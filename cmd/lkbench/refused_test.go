package main

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/infratest"
)

// TestRefused asks for servers that cannot be had: exit code 1, an error that says what to do, and nothing is left.
func TestRefused(t *testing.T) {
	t.Run("no Java", func(t *testing.T) {
		infratest.NeedPostgres(t)
		t.Setenv("JAVA_HOME", t.TempDir())
		refused(t, "correct or unset the variable", "--infra=local")
	})
	t.Run("no image", func(t *testing.T) {
		infratest.NeedImages(t, docker.HasImage, docker.DefaultPostgresImage)
		refused(t, "docker pull 127.0.0.1:1/nobody/has:this fetches it by hand", "--infra=docker", "--kafka-image=127.0.0.1:1/nobody/has:this")
	})
	t.Run("no engine", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short: only what needs nothing")
		}
		t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
		refused(t, "/nowhere/docker.sock", "--infra=docker")
	})
	t.Run("external", func(t *testing.T) {
		servers := infratest.Secure(t)
		t.Setenv("LKBENCH_KAFKA_CONFIG", servers.KafkaProperties)
		for name, c := range map[string]struct{ postgres, kafka, want string }{
			"wrong password":     {want: "password", postgres: changed(t, servers.Follower, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wr0ng") })},
			"without TLS":        {want: "sslmode", postgres: changed(t, servers.Follower, func(u *url.URL) { u.RawQuery = "sslmode=disable" })},
			"Kafka is not there": {want: "127.0.0.1:1", postgres: servers.Follower, kafka: "127.0.0.1:1"},
			"no Kafka":           {want: "Kafka", postgres: servers.Follower, kafka: servers.Postgres.Server.Address},
		} {
			t.Run(name, func(t *testing.T) {
				t.Setenv("LKBENCH_POSTGRES", c.postgres)
				args := []string{"--infra=external"}
				if c.kafka != "" {
					args = append(args, "--kafka="+c.kafka)
				}
				text := refused(t, c.want, args...)
				servers.NoPassword(t, text)
				if strings.Contains(text, "wr0ng") {
					t.Errorf("the wrong password is told: %s", text)
				}
				nothingLeft(t, servers)
			})
		}
	})
}

// changed is a connection string with something else in it.
func changed(t *testing.T, connection string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		t.Fatal("the connection string is no URL")
	}
	change(u)
	return u.String()
}

// refused runs lkbench and wants exit code 1, an error with some words, and no folder.
func refused(t *testing.T, want string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "lkbench", append([]string{"run", "--arch=kappa", "--scenario=smoke", "--progress=none"}, args...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), want) {
		t.Errorf("lkbench run %s: %v, want exit code 1 and %q:\n%s", strings.Join(args, " "), err, want, out)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return string(out)
}
