package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// answerTimeout is how long an engine may take to answer at all.
const answerTimeout = time.Second

// infoTimeout is how long one that has answered may take to tell what it is.
const infoTimeout = 10 * time.Second

// Engine is the container engine that containers are run on.
type Engine struct {
	Host        string // its address, such as unix:///var/run/docker.sock
	Version     string
	API         string // the version of its interface that is spoken
	OS          string // what it runs on, such as "Debian GNU/Linux 12 (bookworm)"
	Cores       int    // that it can use
	MemoryBytes int64  // of the machine, or the virtual machine, it runs on
	Cgroups     string // "1" or "2": the kernel's accounting
}

// Find looks for the engine: at DOCKER_HOST, the context that Docker's client uses, or the usual sockets. One that does not
// answer within a second counts as none. The error names what was tried and what to do.
func Find(ctx context.Context) (Engine, error) {
	engine, c, err := connect(ctx)
	if err != nil {
		return Engine{}, err
	}
	return engine, c.Close()
}

// HasImage says whether the engine has an image, so that it need not be fetched.
func HasImage(ctx context.Context, name string) (bool, error) {
	engine, c, err := connect(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	return hasImage(ctx, c, engine.Host, name)
}

// connect gives the first engine that answers, and a client of it.
func connect(ctx context.Context) (Engine, *client.Client, error) {
	candidates, err := hosts()
	if err != nil {
		return Engine{}, nil, fmt.Errorf("find a container engine: %w", err)
	}
	var tried []string
	var errs []error
	for _, h := range candidates {
		engine, c, err := connectTo(ctx, h)
		if err == nil {
			return engine, c, nil
		}
		tried, errs = append(tried, h.String()), append(errs, err)
	}
	err = errors.Join(errs...)
	return Engine{}, nil, fmt.Errorf("no container engine answers at %s: %w; %s", strings.Join(tried, ", "), err, whatToDo(err))
}

// whatToDo says how to get an engine to answer.
func whatToDo(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "this user may not use its socket: add it to the group docker (sudo usermod -aG docker $USER, then log in again)"
	}
	return "start Docker (on Linux: sudo systemctl start docker), or name another engine's socket with DOCKER_HOST=unix:///path/docker.sock"
}

// connectTo gives an engine and a client of it. The client must be closed.
func connectTo(ctx context.Context, h host) (Engine, *client.Client, error) {
	if err := h.local(); err != nil {
		return Engine{}, nil, err
	}
	if path, isFile := strings.CutPrefix(h.address, "unix://"); isFile {
		// The client's own words would hide whether the socket is missing, abandoned or forbidden.
		conn, err := (&net.Dialer{Timeout: answerTimeout}).DialContext(ctx, "unix", path)
		if err != nil {
			return Engine{}, nil, err
		}
		conn.Close()
	}
	c, err := client.New(client.FromEnv, client.WithHost(h.address))
	if err != nil {
		return Engine{}, nil, fmt.Errorf("a client of %s: %w", h, err)
	}
	engine, err := describe(ctx, c, h.address)
	if err != nil {
		return Engine{}, nil, errors.Join(err, c.Close())
	}
	return engine, c, nil
}

func describe(ctx context.Context, c *client.Client, address string) (Engine, error) {
	soon, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no answer within %v", answerTimeout))
	defer cancel()
	if _, err := c.Ping(soon, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		if cause := context.Cause(soon); cause != nil {
			err = cause
		}
		return Engine{}, err
	}
	later, cancel := context.WithTimeoutCause(ctx, infoTimeout, fmt.Errorf("it answered, but not what it is, within %v", infoTimeout))
	defer cancel()
	info, err := c.Info(later, client.InfoOptions{})
	if err != nil {
		if cause := context.Cause(later); cause != nil {
			err = cause
		}
		return Engine{}, fmt.Errorf("ask the engine %s what it is: %w", address, err)
	}
	return Engine{
		Host: address, Version: info.Info.ServerVersion, API: c.ClientVersion(), OS: info.Info.OperatingSystem,
		Cores: info.Info.NCPU, MemoryBytes: info.Info.MemTotal, Cgroups: info.Info.CgroupVersion,
	}, nil
}
