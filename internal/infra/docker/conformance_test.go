package docker

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

// The session of a single broker is short so that it is let in again soon; how long it is changes nothing that is examined.
const session = time.Second

func TestDockerConforms(t *testing.T) {
	infratest.Conform(t, conformance(t, Provider{SessionTimeout: session}))
}

func TestDockerOfThreeConforms(t *testing.T) {
	// Kafka's own session: with a short one a busy machine shuts healthy brokers out, and three of them are busy enough.
	infratest.Conform(t, conformance(t, Provider{Brokers: 3}))
}

func conformance(t *testing.T, p Provider) infratest.Case {
	t.Helper()
	c := needEngine(t)
	return infratest.Case{
		Provider: p, KillHarness: true, Removers: infra.Removers{Kind: Remove},
		Left: func(ctx context.Context, dir string) ([]string, error) {
			return listLabelled(ctx, c, filepath.Base(dir))
		},
		Listening: func(ctx context.Context, s *infra.Server) ([]string, error) {
			made, err := c.ContainerInspect(ctx, s.Container, client.ContainerInspectOptions{})
			if err != nil {
				return nil, err
			}
			var published []string
			for _, bindings := range made.Container.NetworkSettings.Ports {
				for _, b := range bindings {
					published = append(published, net.JoinHostPort(b.HostIP.String(), b.HostPort))
				}
			}
			return published, nil
		},
	}
}
