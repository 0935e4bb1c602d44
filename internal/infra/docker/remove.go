package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Kind is what Provider entrusts to workspaces; Remove is its infra.Removers entry.
const Kind = "docker"

// settleTime is how long an engine may go on making a container for a process that has died while it asked for it.
const settleTime = 300 * time.Millisecond

// Remove removes the containers, networks and volumes that a dead run has left on its engine, and nothing else. dir is the
// directory of its workspace.
func Remove(ctx context.Context, dir string, text []byte) error {
	var left note
	if err := json.Unmarshal(text, &left); err != nil {
		return fmt.Errorf("note about containers of a dead run: %w", err)
	}
	name := filepath.Base(dir)
	if left.Label != WorkspaceLabel+"="+name {
		return fmt.Errorf("note about containers of a dead run: it names the label %q, the directory is %s", left.Label, name)
	}
	_, c, err := connectTo(ctx, host{left.Host, "of a dead run"})
	if err != nil {
		return fmt.Errorf("remove the containers of a dead run with label %s: the engine %s does not answer: %w; "+
			"start it, or remove the directory %s if the engine is gone for good", left.Label, left.Host, err, dir)
	}
	defer c.Close()
	if err := removeLabelled(ctx, c, name); err != nil {
		return err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return removeLabelled(ctx, c, name)
}

// removeLabelled removes what carries a workspace's label: containers first, for networks and volumes cannot go while they
// are in use.
func removeLabelled(ctx context.Context, c *client.Client, name string) error {
	if name == "" || name == "." || name == "/" {
		return fmt.Errorf("remove containers: %q names no workspace", name) // a filter without a value would match others
	}
	if err := removeAll(ctx, c, client.Filters{}.Add("label", WorkspaceLabel+"="+name)); err != nil {
		return fmt.Errorf("remove the containers, networks and volumes with label %s=%s: %w", WorkspaceLabel, name, err)
	}
	return nil
}

func removeAll(ctx context.Context, c *client.Client, mine client.Filters) error {
	containers, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return err
	}
	results := make(chan error, len(containers.Items))
	for _, item := range containers.Items {
		go func() { results <- removeContainer(ctx, c, item.ID) }()
	}
	var errs []error
	for range containers.Items {
		errs = append(errs, <-results)
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	errs = append(errs, err)
	for _, n := range networks.Items {
		errs = append(errs, again(ctx, func() error {
			_, err := c.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			return err
		}))
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		errs = append(errs, again(ctx, func() error {
			_, err := c.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
			return err
		}))
	}
	return errors.Join(errs...)
}

// removeContainer kills a container and removes it with its volumes that have no name, and waits until it is gone.
func removeContainer(ctx context.Context, c *client.Client, id string) error {
	return again(ctx, func() error {
		_, err := c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
}

// again tries until it works or what is to be removed is gone, for as long as the engine says that something else is under
// way: another removal of the same thing, or a container that has not left its network yet.
func again(ctx context.Context, remove func() error) error {
	for {
		err := remove()
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if !errdefs.IsConflict(err) && !errdefs.IsPermissionDenied(err) { // the latter of a network that still has a container
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
