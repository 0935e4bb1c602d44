package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"lkbench/internal/infra"
)

// createTimeout bounds the making of a container, which is mostly the copying of its volumes.
const createTimeout = time.Minute

// server says what a container is made of.
type server struct {
	role, image string
	env         map[string]string
	command     []string
	files       map[string]string // contents by path in the container
	port        int               // that it listens on in the container
	published   int               // on 127.0.0.1
	network     string            // "" for the engine's default
	alias       string            // its name there
	data        string            // where it writes, always on a volume
	log         string            // name of the file in the workspace
	stopSignal  string
	ready       func(context.Context) error // nil when it answers
}

// create makes a server's container without starting it.
func (p Provider) create(ctx context.Context, r *run, s server) (*unit, error) {
	volumes, err := volumesOf(ctx, r.client, s.image)
	if err != nil {
		return nil, err
	}
	volumes[s.data] = struct{}{}
	labels := map[string]string{WorkspaceLabel: r.name(), RoleLabel: s.role}
	var files []testcontainers.ContainerFile
	for path, content := range s.files {
		files = append(files, testcontainers.ContainerFile{Reader: strings.NewReader(content), ContainerFilePath: path, FileMode: 0o444})
	}
	inside, err := network.ParsePort(fmt.Sprintf("%d/tcp", s.port))
	if err != nil {
		return nil, err
	}
	request := testcontainers.ContainerRequest{
		Image: s.image, Name: "lkbench-" + r.name() + "-" + s.role, Env: s.env, Cmd: s.command, Files: files,
		ExposedPorts: []string{inside.String()},
		// By testcontainers' own labels the reaper of another program, started from the same shell, would take it for its own.
		ConfigModifier: func(c *container.Config) { c.Labels = labels },
		HostConfigModifier: func(h *container.HostConfig) {
			h.PortBindings = network.PortMap{inside: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: fmt.Sprint(s.published)}}}
			h.NanoCPUs = int64(p.CPUs * 1e9)
			h.Memory, h.MemorySwap = p.MemoryBytes, p.MemoryBytes // equal: no swap
			for path := range volumes {
				h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeVolume, Target: path, VolumeOptions: &mount.VolumeOptions{Labels: labels}})
			}
			if s.network != "" {
				h.NetworkMode = container.NetworkMode(s.network)
			}
		},
		EndpointSettingsModifier: func(endpoints map[string]*network.EndpointSettings) {
			if s.network != "" {
				endpoints[s.network] = &network.EndpointSettings{Aliases: []string{s.alias}}
			}
		},
	}
	// The engine goes on making a container when nobody waits for it any more, and nobody would then know its id.
	creating, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), createTimeout, fmt.Errorf("not made within %v", createTimeout))
	defer cancel()
	made, err := r.containers.CreateContainer(creating, request)
	if err != nil {
		err = fmt.Errorf("make the container of the %s from %s: %w", s.role, s.image, err)
		if made != nil {
			err = errors.Join(err, removeContainer(creating, r.client, made.GetContainerID()))
		}
		return nil, err
	}
	u := newUnit(r, made.GetContainerID(), s)
	if err := p.bounded(creating, u); err != nil {
		return nil, errors.Join(err, removeContainer(creating, r.client, u.id))
	}
	return u, nil
}

// volumesOf gives the directories for which an image wants volumes: the engine would make them without our label.
func volumesOf(ctx context.Context, c *client.Client, image string) (map[string]struct{}, error) {
	inspected, err := c.ImageInspect(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("look at image %s: %w", image, err)
	}
	volumes := map[string]struct{}{}
	if inspected.Config != nil {
		for path := range inspected.Config.Volumes {
			volumes[path] = struct{}{}
		}
	}
	return volumes, nil
}

// bounded says whether the engine took the limits: one whose kernel cannot keep them only warns.
func (p Provider) bounded(ctx context.Context, u *unit) error {
	made, err := u.run.client.ContainerInspect(ctx, u.id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("look at the container of the %s: %w", u.role, err)
	}
	got := made.Container.HostConfig.Resources
	if got.NanoCPUs != int64(p.CPUs*1e9) || got.Memory != p.MemoryBytes {
		return fmt.Errorf("the engine does not keep the limits of the %s: it was told %v CPUs and %d bytes of memory, it has %v and %d; "+
			"its kernel may lack the cgroup controllers (docker info warns of that)",
			u.role, p.CPUs, p.MemoryBytes, float64(got.NanoCPUs)/1e9, got.Memory)
	}
	return nil
}

// run makes and starts a server on a free port, and waits until it answers. After an error its container is gone.
func (p Provider) run(ctx context.Context, r *run, port int, s server) (*infra.Server, error) {
	s.published = port
	began := time.Now()
	u, err := p.create(ctx, r, s)
	if err != nil {
		return nil, err
	}
	if err := u.Start(ctx); err != nil {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		return nil, errors.Join(err, removeContainer(removing, r.client, u.id))
	}
	r.mu.Lock()
	r.units = append(r.units, u)
	r.mu.Unlock()
	return &infra.Server{
		Role: s.role, Address: address(port), DataDir: s.data, Container: u.id, Unit: u, Usage: u.usage,
		Disk:   func(ctx context.Context) (int64, error) { return u.diskUse(ctx, s.data) },
		StartS: time.Since(began).Seconds(),
	}, nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// logPath is where a container's log goes: with the run's other logs.
func (r *run) logPath(name string) string { return filepath.Join(r.options.Workspace.Dir, name) }
