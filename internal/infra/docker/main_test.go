package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

// harnessVerb makes the test binary a harness: it starts an instance, writes where, and hangs until it is killed.
const harnessVerb = "__harness"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == harnessVerb {
		if err := beHarness(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func beHarness(ctx context.Context) error {
	w, err := infra.NewWorkspace(ctx)
	if err != nil {
		return err
	}
	if _, err := (Provider{}).Start(ctx, infra.Options{Workspace: w, Executable: os.Args[0]}); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(w.Dir); err != nil {
		return err
	}
	select {}
}

// needEngine gives a client of the engine, and skips or fails the test where there is none or an image is missing.
func needEngine(t *testing.T) *client.Client {
	t.Helper()
	infratest.NeedDocker(t)
	_, c, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, image := range []string{DefaultKafkaImage, DefaultPostgresImage} {
		if has, err := hasImage(t.Context(), c, "", image); err != nil || !has {
			if os.Getenv("CI") == "true" {
				t.Fatalf("image %s is missing (%v): make images builds it", image, err)
			}
			t.Skipf("image %s is missing (%v): make images builds it", image, err)
		}
	}
	return c
}

// ownCache gives the test a cache of its own, so that its sweeps see its runs only.
func ownCache(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lkbench-test-") // not t.TempDir, which is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LKBENCH_CACHE", dir)
}

func newWorkspace(t *testing.T) *infra.Workspace {
	t.Helper()
	w, err := infra.NewWorkspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// start starts an instance that ends with the test.
func start(t *testing.T, p Provider) (*infra.Instance, *infra.Workspace) {
	t.Helper()
	w := newWorkspace(t)
	began := time.Now()
	i, err := p.Start(t.Context(), infra.Options{Workspace: w, Executable: os.Args[0], Note: func(m string) { t.Log(m) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := i.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i, w
}

// labelled lists what on the engine carries a workspace's label.
func labelled(t *testing.T, c *client.Client, name string) []string {
	t.Helper()
	found, err := listLabelled(t.Context(), c, name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func listLabelled(ctx context.Context, c *client.Client, name string) ([]string, error) {
	mine := client.Filters{}.Add("label", WorkspaceLabel+"="+name)
	containers, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return nil, err
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	if err != nil {
		return nil, err
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, x := range containers.Items {
		found = append(found, "container "+x.Labels[RoleLabel])
	}
	for _, x := range networks.Items {
		found = append(found, "network "+x.Name)
	}
	for _, x := range volumes.Items {
		found = append(found, "volume "+x.Labels[RoleLabel])
	}
	return found, nil
}

// noteOf gives what a workspace was entrusted with.
func noteOf(t *testing.T, w *infra.Workspace) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Dir, "outside-"+Kind))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
