package infratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"lkbench/internal/infra"
)

// NeedPostgres skips a test where PostgreSQL is neither cached nor can be fetched, and under -short. With CI=true a missing
// one fails the test.
func NeedPostgres(t testing.TB) {
	t.Helper()
	need(t, "PostgreSQL", func(context.Context) error {
		_, _, cached, err := infra.PostgresCached()
		if err != nil || cached {
			return err
		}
		_, err = server() // fetches it
		return err
	})
}

// NeedJava skips a test of infra.Local where it cannot run: under -short, and where Java 17 or newer is missing, or Maven
// while Kafka's jars are not cached. With CI=true a missing one fails the test.
func NeedJava(t testing.TB) {
	t.Helper()
	need(t, "Java and Kafka", func(ctx context.Context) error {
		if _, err := infra.FindJava(ctx); err != nil {
			return err
		}
		_, _, cached, err := infra.KafkaCached()
		if err != nil || cached {
			return err
		}
		_, err = infra.FindMaven(ctx)
		return err
	})
}

// NeedDocker skips a test of containers where no engine answers, and under -short. With CI=true a missing one fails the test.
// It asks in the simplest way, so that it can be used in the tests of package docker itself.
func NeedDocker(t testing.TB) {
	t.Helper()
	need(t, "a Docker engine", pingEngine)
}

// need skips the test, or fails it in CI, if what it needs is not there.
func need(t testing.TB, what string, look func(context.Context) error) {
	t.Helper()
	if testing.Short() {
		t.Skipf("-short: needs %s; make test does", what)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := look(ctx)
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s: %v", what, err)
	}
	t.Skipf("needs %s: %v", what, err)
}

// defaultEngine is where an engine listens if DOCKER_HOST does not say otherwise.
const defaultEngine = "unix:///var/run/docker.sock"

func pingEngine(ctx context.Context) error {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = defaultEngine
	}
	network, address, ok := strings.Cut(host, "://")
	if !ok {
		return fmt.Errorf("DOCKER_HOST=%s: expected unix:///path or tcp://host:port", host)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no engine answers on %s: %w", host, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the engine on " + host + " answers " + response.Status)
	}
	return nil
}

// NeedImages is NeedDocker for tests that start containers of these images. has is docker.HasImage.
func NeedImages(t testing.TB, has func(ctx context.Context, name string) (bool, error), names ...string) {
	t.Helper()
	NeedDocker(t)
	need(t, "container images", func(ctx context.Context) error {
		for _, name := range names {
			if there, err := has(ctx, name); err != nil || !there {
				return fmt.Errorf("image %s is missing (%v): make images builds it", name, err)
			}
		}
		return nil
	})
}
