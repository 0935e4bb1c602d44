package docker

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const defaultSocket = "unix:///var/run/docker.sock"

// host is an engine's address and who named it.
type host struct{ address, from string }

func (h host) String() string { return h.address + " (" + h.from + ")" }

// hosts gives the addresses at which an engine may answer, by the rules of Docker's own client: DOCKER_HOST, else the
// context that is in use, else the usual sockets.
func hosts() ([]host, error) {
	if address := os.Getenv("DOCKER_HOST"); address != "" {
		return []host{{address, "DOCKER_HOST"}}, nil
	}
	config, err := configDirectory()
	if err != nil {
		return []host{{defaultSocket, "the usual socket"}}, nil // no home: nothing else can be known
	}
	name, from, err := contextInUse(config)
	if err != nil {
		return nil, err
	}
	if name != "" && name != "default" {
		address, err := contextHost(config, name)
		if err != nil {
			return nil, fmt.Errorf("context %q of Docker (%s): %w; docker context ls lists them, DOCKER_HOST names an engine directly", name, from, err)
		}
		return []host{{address, "context " + name}}, nil
	}
	found := []host{{defaultSocket, "the usual socket"}}
	rootless := os.Getenv("XDG_RUNTIME_DIR")
	if rootless == "" {
		rootless = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	for _, other := range []struct{ path, from string }{
		{filepath.Join(rootless, "docker.sock"), "rootless Docker"},
		{filepath.Join(config, "run", "docker.sock"), "Docker Desktop"},
		{filepath.Join(config, "desktop", "docker.sock"), "Docker Desktop"},
	} {
		if _, err := os.Stat(other.path); err == nil {
			found = append(found, host{"unix://" + other.path, other.from})
		}
	}
	return found, nil
}

// configDirectory is where Docker's client keeps its configuration.
func configDirectory() (string, error) {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".docker"), err
}

// contextInUse gives the name of the context and who chose it; "" for none.
func contextInUse(config string) (name, from string, err error) {
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name, "DOCKER_CONTEXT", nil
	}
	path := filepath.Join(config, "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	var settings struct {
		CurrentContext string `json:"currentContext"`
	}
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return "", "", fmt.Errorf("configuration of Docker's client %s: %w", path, err)
	}
	return settings.CurrentContext, path, nil
}

// contextHost gives the address of a context's engine. Docker keeps it in a directory named by the hash of its name.
func contextHost(config, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(config, "contexts", "meta", fmt.Sprintf("%x", sha256.Sum256([]byte(name))), "meta.json"))
	if err != nil {
		return "", err
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return "", err
	}
	address := meta.Endpoints["docker"].Host
	if address == "" {
		return "", errors.New("it names no engine")
	}
	return address, nil
}

// local says whether an engine is on this machine: what it publishes on 127.0.0.1 can be reached from nowhere else.
func (h host) local() error {
	u, err := url.Parse(h.address)
	if err != nil {
		return fmt.Errorf("the engine's address %s: %w", h, err)
	}
	switch u.Scheme {
	case "unix", "npipe":
		return nil
	case "tcp", "http", "https":
		if ip := net.ParseIP(u.Hostname()); strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback() {
			return nil
		}
		return fmt.Errorf("the engine %s is on another machine: servers are published on 127.0.0.1 only and could not be reached; "+
			"run lkbench there, or name an engine of this machine with DOCKER_HOST", h)
	}
	return fmt.Errorf("the engine %s cannot be reached by %q: name one of this machine with DOCKER_HOST=unix:///path/docker.sock", h, u.Scheme)
}
