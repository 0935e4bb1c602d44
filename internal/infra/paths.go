package infra

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"lkbench/internal/proc"
)

// rootCache is the cache of the root user. PostgreSQL refuses to run as root and an unprivileged user cannot reach
// anything below root's home; and only root can write to /var/cache, so nobody can plant programs there.
const rootCache = "/var/cache/lkbench"

// cachePath names the directory that holds PostgreSQL's binaries, template clusters and the running workspaces, whether or
// not it is there. LKBENCH_CACHE names another one.
func cachePath() (string, error) {
	if dir := os.Getenv("LKBENCH_CACHE"); dir != "" {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("LKBENCH_CACHE=%s: %w", dir, err)
		}
		return absolute, nil
	}
	if os.Geteuid() == 0 {
		return rootCache, nil
	}
	home, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w; LKBENCH_CACHE=DIR names one", err)
	}
	return filepath.Join(home, "lkbench"), nil
}

// cacheDir is cachePath; it makes the directory if it is not there.
func cacheDir() (string, error) {
	dir, err := cachePath()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		// Others may pass through, whatever the umask: root's unprivileged user must.
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
			return "", fmt.Errorf("make the cache directory: %w; LKBENCH_CACHE=DIR names another one", err)
		}
	}
	if os.Geteuid() == 0 {
		if err := reachable(dir); err != nil {
			return "", fmt.Errorf("the cache directory %s (LKBENCH_CACHE names another one): %w", dir, err)
		}
	}
	return dir, nil
}

// reachable says whether every user can pass through to a directory; as root, PostgreSQL's user must.
func reachable(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("as root, PostgreSQL runs as the user nobody, for whom %s is closed: "+
				"open it (chmod o+x %s) or name another directory", at, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// databaseOwner is the user as whom PostgreSQL runs: nil for the present one, nobody if that is root.
func databaseOwner() (*proc.Owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root and there is no user nobody to run as: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("user nobody: user id %q is not a number", u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("user nobody: group id %q is not a number", u.Gid)
	}
	return &proc.Owner{UID: uid, GID: gid}, nil
}
