package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// noteEvery is how often the progress of a fetch is told.
const noteEvery = 2 * time.Second

func hasImage(ctx context.Context, c *client.Client, host, name string) (bool, error) {
	_, err := c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for image %s on %s: %w", name, host, err)
	}
	return true, nil
}

// ensureImage fetches an image that the engine does not have.
func ensureImage(ctx context.Context, r *run, name, flag string) error {
	has, err := hasImage(ctx, r.client, r.engine.Host, name)
	if err != nil || has {
		return err
	}
	r.options.Say("fetching image %s", name)
	if err := fetch(ctx, r, name); err != nil {
		what := fmt.Sprintf("docker pull %s fetches it by hand", name)
		if name == DefaultKafkaImage || name == DefaultPostgresImage {
			what += ", make images in lkbench's sources builds it without a registry"
		}
		return fmt.Errorf("image %s is not on the engine %s and cannot be fetched: %w; %s, %s names another one",
			name, r.engine.Host, err, what, flag)
	}
	return nil
}

// fetch pulls an image with the credentials that Docker's client has for its registry.
func fetch(ctx context.Context, r *run, name string) error {
	options := client.ImagePullOptions{}
	if _, credentials, err := testcontainers.DockerImageAuth(ctx, name); err == nil { // none is no error of ours
		if options.RegistryAuth, err = authconfig.Encode(credentials); err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
	}
	pull, err := r.client.ImagePull(ctx, name, options)
	if err != nil {
		return err
	}
	defer pull.Close()
	progress := newFetching(name, time.Now())
	for message, err := range pull.JSONMessages(ctx) {
		if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
		if text := progress.after(message, time.Now()); text != "" {
			r.options.Say("%s", text)
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	// An engine that ends its answer early would else be believed.
	if has, err := hasImage(ctx, r.client, r.engine.Host, name); err != nil || !has {
		return errors.Join(err, errors.New("the engine says that it fetched it, and does not have it"))
	}
	return nil
}

// fetching is how far a fetch has come.
type fetching struct {
	image  string
	told   time.Time
	layers map[string]*layer
}

type layer struct {
	current, total int64
	done           bool
}

func newFetching(image string, now time.Time) *fetching {
	return &fetching{image: image, told: now, layers: map[string]*layer{}}
}

// after takes one of the engine's messages and gives what to tell, if it is time for it; else "".
func (f *fetching) after(m jsonstream.Message, now time.Time) string {
	if m.ID != "" && !strings.HasPrefix(m.Status, "Pulling from") {
		l := f.layers[m.ID]
		if l == nil {
			l = &layer{}
			f.layers[m.ID] = l
		}
		switch m.Status {
		case "Downloading":
			if m.Progress != nil {
				l.current, l.total = m.Progress.Current, m.Progress.Total
			}
		case "Download complete":
			l.current = l.total
		case "Pull complete", "Already exists":
			l.current, l.done = l.total, true
		}
	}
	if now.Sub(f.told) < noteEvery {
		return ""
	}
	f.told = now
	var current, total int64
	done := 0
	for _, l := range f.layers {
		current, total = current+l.current, total+l.total
		if l.done {
			done++
		}
	}
	return fmt.Sprintf("fetching image %s: %d of %d layers, %d of %d MB", f.image, done, len(f.layers), current/1e6, total/1e6)
}
