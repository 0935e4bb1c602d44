package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lkbench/internal/infra"
)

// What a killed harness leaves on the engine is removed by the sweep of a later start; what belongs to a live run, or to
// nobody that lkbench knows, is not touched.
func TestSweepRemovesWhatAKilledHarnessLeft(t *testing.T) {
	c := needEngine(t)
	ownCache(t)
	stranger := strangersContainer(t, c)
	live, liveWorkspace := start(t, Provider{})
	harness := exec.Command(os.Args[0], harnessVerb)
	harness.Stderr = os.Stderr
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = harness.Wait()
		t.Fatalf("the harness did not start: %v", err)
	}
	var dir string
	if err := json.Unmarshal(line, &dir); err != nil {
		t.Fatal(err)
	}
	removers := infra.Removers{Kind: Remove}
	ofLive, ofHarness := labelled(t, c, filepath.Base(liveWorkspace.Dir)), labelled(t, c, filepath.Base(dir))
	if swept, err := infra.Sweep(t.Context(), removers); err != nil || len(swept) != 0 {
		t.Errorf("a sweep beside two live runs removed %v, %v", swept, err)
	}
	if now := labelled(t, c, filepath.Base(dir)); len(now) < 4 || len(now) != len(ofHarness) { // two containers and their volumes
		t.Errorf("after that sweep the live harness has %q, before %q", now, ofHarness)
	}
	if err := harness.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = harness.Wait()
	if now := labelled(t, c, filepath.Base(dir)); len(now) == 0 {
		t.Error("the killed harness left nothing: the test tests nothing")
	}
	swept, err := infra.Sweep(t.Context(), removers)
	if err != nil || !slices.Equal(swept, []string{dir}) {
		t.Errorf("the sweep removed %v, %v; want %s", swept, err, dir)
	}
	if left := labelled(t, c, filepath.Base(dir)); len(left) > 0 {
		t.Errorf("after the sweep there are %q", left)
	}
	if now := labelled(t, c, filepath.Base(liveWorkspace.Dir)); len(now) != len(ofLive) {
		t.Errorf("after the sweep the live run has %q, before %q", now, ofLive)
	}
	if err := ping(t.Context(), live.Postgres); err != nil {
		t.Errorf("after the sweep the database of the live run: %v", err)
	}
	if _, err := c.ContainerInspect(t.Context(), stranger, client.ContainerInspectOptions{}); err != nil {
		t.Errorf("after the sweep the container of somebody else: %v", err)
	}
}

// strangersContainer makes a container with a workspace label that no sweep may take for its own.
func strangersContainer(t *testing.T, c *client.Client) string {
	t.Helper()
	p, err := Provider{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkspace(t)
	r, err := newRun(t.Context(), infra.Options{Workspace: w, Executable: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.create(t.Context(), r, server{role: "stranger", image: DefaultPostgresImage, port: postgresPort, published: 15000, data: postgresVolume, log: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.end(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return u.id
}

func TestRemoveRefuses(t *testing.T) {
	for name, test := range map[string]struct{ dir, note, want string }{
		"no note":          {"/runs/a", "", "note about containers"},
		"another's label":  {"/runs/a", `{"host":"unix:///x","label":"lkbench.workspace=b"}`, "lkbench.workspace=b"},
		"no label":         {"/runs/a", `{"host":"unix:///x","label":"lkbench.workspace="}`, "the label"},
		"no engine":        {"/runs/a", `{"host":"unix:///no/such.sock","label":"lkbench.workspace=a"}`, "unix:///no/such.sock does not answer"},
		"another's engine": {"/runs/a", `{"host":"tcp://192.0.2.1:2375","label":"lkbench.workspace=a"}`, "another machine"},
	} {
		if err := Remove(t.Context(), test.dir, []byte(test.note)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	for _, name := range []string{"", ".", "/"} {
		if err := removeLabelled(t.Context(), nil, name); err == nil || !strings.Contains(err.Error(), "names no workspace") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
