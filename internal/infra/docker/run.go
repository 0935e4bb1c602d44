package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"lkbench/internal/infra"
)

// run is what the containers of one run share.
type run struct {
	options    infra.Options
	engine     Engine
	client     *client.Client
	containers *testcontainers.DockerProvider

	mu    sync.Mutex
	units []*unit
}

func newRun(ctx context.Context, options infra.Options) (*run, error) {
	engine, c, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := quietProvider(engine.Host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare testcontainers for %s: %w", engine.Host, err), c.Close())
	}
	containers.SetClient(c) // the engine that was found, also if testcontainers was used with another one before
	return &run{options: options, engine: engine, client: c, containers: containers}, nil
}

// testcontainersSettings guards the environment while testcontainers reads it.
var testcontainersSettings sync.Mutex

// quietProvider gives a testcontainers that says nothing and starts no reaper. Both it knows only as settings of the whole
// process: it reads them from the environment once, when it is first used, so they stand there only as long as that takes.
func quietProvider(host string) (*testcontainers.DockerProvider, error) {
	testcontainersSettings.Lock()
	defer testcontainersSettings.Unlock()
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "DOCKER_HOST": host} {
		before, there := os.LookupEnv(name)
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
		defer func() {
			if there {
				os.Setenv(name, before)
			} else {
				os.Unsetenv(name)
			}
		}()
	}
	log.SetDefault(log.NewNoopLogger())
	p, err := testcontainers.NewDockerProvider(testcontainers.Generic2DockerOptions(testcontainers.WithLogger(log.NewNoopLogger()))...)
	if err != nil {
		return nil, err
	}
	if !p.Config().RyukDisabled {
		return nil, errors.New("its reaper is switched on: something in this process used testcontainers before")
	}
	return p, nil
}

// endTimeout bounds the removal of everything: the engine may be busy with others.
const endTimeout = 2 * time.Minute

// end removes everything the run has made on the engine and waits for the last lines of the logs.
func (r *run) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, endTimeout, fmt.Errorf("not done within %v", endTimeout))
	defer cancel()
	err := removeLabelled(ctx, r.client, r.name())
	if err != nil {
		err = fmt.Errorf("%w; lkbench sweeps what is left at its next start", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.units {
		u.finish()
	}
	return errors.Join(err, r.client.Close())
}
