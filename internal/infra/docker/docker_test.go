package docker

import (
	"context"
	"os"
	"testing"
	"time"

	"lkbench/internal/infra"
)

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

func TestX(t *testing.T) {
	i, w := start(t, Provider{})
	for _, s := range i.Servers() {
		u, err := s.Usage(t.Context())
		d, err2 := s.Disk(t.Context())
		t.Logf("%+v %v %v %v %v", s, u, err, d, err2)
	}
	t.Log(i.KafkaSettings, i.PostgresSettings)
	for _, s := range i.Servers() {
		t0 := time.Now()
		if err := s.Pause(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Kill(t.Context()); err != nil {
			t.Error(err)
		}
		t.Log("killed paused", time.Since(t0))
		t0 = time.Now()
		if err := s.Restart(t.Context()); err != nil {
			t.Error(err)
		}
		t.Log("restarted", s.Role, time.Since(t0))
		u, err := s.Usage(t.Context())
		t.Log(u, err)
		t0 = time.Now()
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		t.Log("stopped", s.Role, time.Since(t0))
		u, err = s.Usage(t.Context())
		t.Log(u, err)
		if err := s.Restart(t.Context()); err != nil {
			t.Error(err)
		}
	}
	text, _ := os.ReadFile(w.Dir + "/postgres.log")
	t.Log(string(text))
	text, _ = os.ReadFile(w.Dir + "/kafka.log")
	t.Log(len(text), string(text[:min(len(text), 3000)]))
}
