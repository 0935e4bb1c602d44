package infra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PostgresCached says which PostgreSQL this machine's runs start, in which directory it is or will be, and whether it is
// there already. An error tells why the programs that LKBENCH_POSTGRES_BIN names cannot be used, or that there is no cache.
func PostgresCached() (version, dir string, cached bool, err error) {
	if bin := os.Getenv(installedBinaries); bin != "" {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		dir, version, _, err := installedVersion(ctx, bin)
		if err != nil {
			return "", "", false, fmt.Errorf("%s=%s: %w", installedBinaries, dir, err)
		}
		return version, dir, true, nil
	}
	cache, err := cachePath()
	if err != nil {
		return "", "", false, err
	}
	dir = filepath.Join(cache, "postgres-"+string(postgresVersion))
	_, err = os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", false, err
	}
	return string(postgresVersion), dir, err == nil, nil
}
