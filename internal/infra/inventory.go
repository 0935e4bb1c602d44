package infra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// This file tells what is here without making, starting or fetching anything.

// Cache is the directory that holds what was fetched, and the workspaces.
type Cache struct {
	Dir    string
	Exists bool
	// Ground is the directory, or the nearest one above it that exists: where it would be made.
	Ground string
}

// FindCache finds the cache without making it. Its error says why no run can work with it, and what to do.
func FindCache() (Cache, error) {
	dir, err := cachePath()
	if err != nil {
		return Cache{}, err
	}
	c := Cache{Dir: dir, Ground: dir}
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && c.Ground != filepath.Dir(c.Ground) {
		c.Ground = filepath.Dir(c.Ground)
		info, err = os.Stat(c.Ground)
	}
	c.Exists = c.Ground == dir
	fail := func(err error) (Cache, error) {
		return c, fmt.Errorf("the cache directory %s: %w; LKBENCH_CACHE=DIR names another one", dir, err)
	}
	if err != nil {
		return fail(err)
	}
	if !info.IsDir() {
		return fail(fmt.Errorf("%s is no directory", c.Ground))
	}
	if err := unix.Access(c.Ground, unix.W_OK|unix.X_OK); err != nil {
		return fail(fmt.Errorf("write to %s: %w", c.Ground, err))
	}
	if os.Geteuid() == 0 {
		if err := reachable(c.Ground); err != nil {
			return fail(err)
		}
	}
	return c, nil
}

// EmbeddedKafka is the Kafka of Embedded and its version.
func EmbeddedKafka() string { return kfakeVersion() }

// PostgresMirror is the variable that names another Maven repository for PostgreSQL's programs.
const PostgresMirror = mirrorVariable

// InstallJava is the command that installs a Java that is new enough on this kind of machine.
func InstallJava() string { return javaCommand() }

// InstallMaven is the command that installs Maven on this kind of machine.
func InstallMaven() string { return mavenCommand() }

// Ports is the range in which servers get their ports on this machine.
func Ports() (first, last int) { return firstPort, lastPort }

// FreePorts tries that many random ports of the range and says how many of them are free.
func FreePorts(tries int) (free int) {
	for range tries {
		if portFree(firstPort + rand.IntN(lastPort-firstPort+1)) {
			free++
		}
	}
	return free
}

// Workspaces lists the temporary directories of runs: of those whose process lives, and of those whose has died, which
// Sweep removes. None where there is no cache.
func Workspaces(ctx context.Context) (live, dead []string, err error) {
	cache, err := cachePath()
	if err != nil {
		return nil, nil, err
	}
	runs := filepath.Join(cache, "runs")
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look for temporary directories of runs: %w", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return live, dead, context.Cause(ctx)
		}
		dir := filepath.Join(runs, e.Name())
		owned, err := isOwned(filepath.Join(dir, ownerFile))
		switch {
		case errors.Is(err, fs.ErrNotExist): // made or removed at this moment
		case err != nil:
			return live, dead, err
		case owned:
			live = append(live, dir)
		default:
			dead = append(dead, dir)
		}
	}
	return live, dead, nil
}

// isOwned says whether a living process holds the lock of a workspace. The look takes a shared lock for a moment: a
// sweep at the same time passes the directory over, and the next one removes it.
func isOwned(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock %s: %w", path, err)
	}
	return false, nil
}
