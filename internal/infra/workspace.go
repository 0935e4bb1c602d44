package infra

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lkbench/internal/proc"
)

const (
	ownerFile     = "owner"     // locked as long as the workspace's process lives
	processesFile = "processes" // one line of JSON a process that was started for it
	outside       = "outside-"  // begins the names of notes about what is not below the directory; the kind follows
)

// Workspace is the temporary directory of one run. A lock held by this process marks it as alive; the lock goes with
// the process, however that ends, and then Sweep of a later start removes the directory.
type Workspace struct {
	Dir   string
	owner *os.File
	log   *os.File // processesFile
}

// NewWorkspace makes the temporary directory of a run.
func NewWorkspace(ctx context.Context) (*Workspace, error) {
	runs, unlock, err := lockRuns(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir, err := os.MkdirTemp(runs, time.Now().UTC().Format("20060102-150405-"))
	if err != nil {
		return nil, fmt.Errorf("make the run's temporary directory: %w", err)
	}
	w := &Workspace{Dir: dir}
	fail := func(err error) (*Workspace, error) {
		return nil, errors.Join(fmt.Errorf("prepare the run's temporary directory: %w", err), w.Close())
	}
	// PostgreSQL's unprivileged user must pass through to its own directory.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fail(err)
	}
	if w.owner, err = lockFile(ctx, filepath.Join(dir, ownerFile)); err != nil {
		return fail(err)
	}
	w.log, err = os.OpenFile(filepath.Join(dir, processesFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	return w, nil
}

// Track records a process that was started for the run, so that Sweep can end it should it outlive this process.
func (w *Workspace) Track(p *proc.Process) error {
	for _, id := range p.Processes() {
		line, err := json.Marshal(id)
		if err != nil {
			return fmt.Errorf("record process %s: %w", p.Name(), err)
		}
		if _, err := w.log.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("record process %s: %w", p.Name(), err)
		}
	}
	return nil
}

// Entrust notes, before it is made, something outside of the directory that must be removed should this process die: of a
// kind for which Sweep is given a Remover. A second note of a kind replaces the first.
func (w *Workspace) Entrust(kind string, note []byte) error {
	if err := os.WriteFile(filepath.Join(w.Dir, outside+kind), note, 0o600); err != nil {
		return fmt.Errorf("note what a later start would have to remove: %w", err)
	}
	return nil
}

// Close removes the directory with all that is in it. The processes of the run must have ended.
func (w *Workspace) Close() error {
	releaseSharedMemory(filepath.Join(w.Dir, databaseDir))
	err := unmountBelow(w.Dir)
	if err == nil {
		err = os.RemoveAll(w.Dir)
	}
	for _, f := range []*os.File{w.log, w.owner} {
		if f != nil {
			f.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("remove the run's temporary directory: %w", err)
	}
	return nil
}

// lockRuns gives the directory of all workspaces, locked against making and sweeping them.
func lockRuns(ctx context.Context) (dir string, unlock func(), err error) {
	cache, err := cacheDir()
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(cache, "runs")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", nil, fmt.Errorf("make the directory of temporary directories: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // whatever the umask: PostgreSQL's user must pass through
		return "", nil, fmt.Errorf("open the directory of temporary directories: %w", err)
	}
	f, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { f.Close() }, nil
}

// Removers remove, by kind, what dead runs have left outside of their directories; see Workspace.Entrust. Each is given the
// directory and the note, and may be called again for what it has removed already.
type Removers map[string]func(ctx context.Context, dir string, note []byte) error

// Sweep removes the temporary directories of runs whose process has died, after ending those of their processes that
// still live and removing what they left elsewhere, and gives the directories it removed. Runs that are alive are not
// touched; neither are those that left something for which there is no remover.
func Sweep(ctx context.Context, removers Removers) ([]string, error) {
	runs, unlock, err := lockRuns(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, fmt.Errorf("look for temporary directories of dead runs: %w", err)
	}
	var swept []string
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		removed, err := sweepOne(ctx, dir, removers)
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", dir, err))
		} else if removed {
			swept = append(swept, dir)
		}
	}
	return swept, errors.Join(errs...)
}

func sweepOne(ctx context.Context, dir string, removers Removers) (bool, error) {
	owner, err := tryLockFile(filepath.Join(dir, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed meanwhile
	}
	if err != nil || owner == nil {
		return false, err
	}
	defer owner.Close()
	if err := endStrays(ctx, filepath.Join(dir, processesFile)); err != nil {
		return false, err
	}
	notes, err := filepath.Glob(filepath.Join(dir, outside+"*"))
	if err != nil {
		return false, err
	}
	for _, path := range notes {
		remove, known := removers[strings.TrimPrefix(filepath.Base(path), outside)]
		if !known {
			return false, nil
		}
		note, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		if err := remove(ctx, dir, note); err != nil {
			return false, err
		}
	}
	releaseSharedMemory(filepath.Join(dir, databaseDir))
	if err := unmountBelow(dir); err != nil {
		return false, err
	}
	return true, os.RemoveAll(dir)
}

// endStrays kills the processes a dead run has recorded, if they still are the same ones, and waits until they are gone.
func endStrays(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the run died before it started any
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var id proc.Identity
		if json.Unmarshal(lines.Bytes(), &id) != nil {
			continue // the last line of a process that died while it wrote
		}
		if err := proc.KillTree(id); err != nil {
			return err
		}
		for id.Alive() {
			select {
			case <-ctx.Done():
				return fmt.Errorf("process %d of a dead run does not end: %w", id.PID, context.Cause(ctx))
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return nil
}
