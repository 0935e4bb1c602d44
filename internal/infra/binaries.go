package infra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	postgresVersion   = embeddedpostgres.V18
	oldestPostgres    = 15
	superuser         = "lkbench"
	databaseName      = "lkbench"
	templateDir       = "template"                    // an initialised cluster, never started
	templatePassword  = "password"                    // its superuser's password, for the first connection to a copy of it
	installedBinaries = "LKBENCH_POSTGRES_BIN"        // directory of installed programs to use instead of fetched ones
	mirrorVariable    = "LKBENCH_POSTGRES_REPOSITORY" // Maven repository to fetch from instead of the library's
)

// binaries is a usable PostgreSQL: programs and an initialised cluster to copy.
type binaries struct {
	bin     string // directory of postgres and initdb
	version string // as the program gives it, for instance 18.3
	cache   string // directory of template and its password
}

// postgresBinaries gives the programs LKBENCH_POSTGRES_BIN names or, without it, those in the cache, which the first call
// fills. Any number of processes may call it at once. note may be nil.
func postgresBinaries(ctx context.Context, note func(string)) (binaries, error) {
	cache, err := cacheDir()
	if err != nil {
		return binaries{}, err
	}
	lock, err := lockFile(ctx, filepath.Join(cache, "fill.lock"))
	if err != nil {
		return binaries{}, fmt.Errorf("wait for another process that fills the cache: %w", err)
	}
	defer lock.Close()
	// Whoever holds the lock is alone, so what is here is of a process that died.
	if err := removeAll(filepath.Join(cache, "*.partial")); err != nil {
		return binaries{}, err
	}
	if bin := os.Getenv(installedBinaries); bin != "" {
		return fromInstalled(ctx, cache, bin)
	}
	return fromLibrary(ctx, cache, note)
}

func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what an interrupted start has left: %w", err)
		}
	}
	return nil
}

// fromInstalled uses PostgreSQL's programs in a directory that the user names.
func fromInstalled(ctx context.Context, cache, bin string) (binaries, error) {
	fail := func(err error) (binaries, error) {
		return binaries{}, fmt.Errorf("%s=%s: %w", installedBinaries, bin, err)
	}
	bin, version, full, err := installedVersion(ctx, bin)
	if err != nil {
		return fail(err)
	}
	key := sha256.Sum256([]byte(bin + "\n" + full))
	b := binaries{bin: bin, version: version, cache: filepath.Join(cache, fmt.Sprintf("installed-%s-%x", version, key[:4]))}
	if err := fillOnce(b.cache, func(dir string) error { return makeTemplate(ctx, b.bin, dir) }); err != nil {
		return fail(err)
	}
	return b, nil
}

// installedVersion gives the absolute path of a directory with PostgreSQL's programs, also with an error, and their version if
// they can be used.
func installedVersion(ctx context.Context, dir string) (bin, version, full string, err error) {
	if bin, err = filepath.Abs(dir); err != nil {
		return dir, "", "", err
	}
	if os.Geteuid() == 0 {
		if err := reachable(bin); err != nil {
			return bin, "", "", err
		}
	}
	if version, full, err = versionOf(ctx, bin); err != nil {
		return bin, "", "", err
	}
	if major, err := strconv.Atoi(regexp.MustCompile(`^\d+`).FindString(version)); err != nil || major < oldestPostgres {
		return bin, "", "", fmt.Errorf("PostgreSQL %s is too old: expected %d or newer", version, oldestPostgres)
	}
	return bin, version, full, nil
}

// fromLibrary uses the programs that embedded-postgres fetches.
func fromLibrary(ctx context.Context, cache string, note func(string)) (binaries, error) {
	b := binaries{cache: filepath.Join(cache, "postgres-"+string(postgresVersion))}
	b.bin = filepath.Join(b.cache, "install", "bin")
	err := fillOnce(b.cache, func(dir string) error {
		if note != nil {
			note(fmt.Sprintf("fetching PostgreSQL %s (15 MB), once on this machine", postgresVersion))
		}
		if err := fetch(ctx, dir); err != nil {
			return err
		}
		return makeTemplate(ctx, filepath.Join(dir, "install", "bin"), dir)
	})
	if err != nil {
		return binaries{}, fmt.Errorf("prepare PostgreSQL %s: %w", postgresVersion, err)
	}
	if b.version, _, err = programVersion(ctx, filepath.Join(b.bin, "postgres")); err != nil {
		return binaries{}, fmt.Errorf("%w; remove %s to have it fetched again", err, b.cache)
	}
	return b, nil
}

// fillOnce makes a directory through a temporary one, so that it is there whole or not at all.
func fillOnce(dir string, fill func(partial string) error) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	partial := dir + ".partial"
	if err := os.Mkdir(partial, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(partial, 0o755); err != nil { // whatever the umask
		return err
	}
	if err := fill(partial); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return os.Rename(partial, dir)
}

// fetch has embedded-postgres download and unpack the programs into dir/install. The library's Start does both before it
// initialises a cluster, which it cannot do as root nor with our settings; an encoding that does not exist ends it there.
func fetch(ctx context.Context, dir string) error {
	install := filepath.Join(dir, "install")
	scratch := filepath.Join(dir, "fetch")
	config := embeddedpostgres.DefaultConfig().Version(postgresVersion).Port(0).
		CachePath(filepath.Join(scratch, "archive")).RuntimePath(filepath.Join(scratch, "run")).BinariesPath(install).
		Encoding("fetch-only").Logger(io.Discard)
	if mirror := os.Getenv(mirrorVariable); mirror != "" {
		config = config.BinaryRepositoryURL(mirror)
	}
	started := make(chan error, 1)
	go func() { started <- embeddedpostgres.NewDatabase(config).Start() }() // knows no context
	var err error
	select {
	case err = <-started:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "unable to init database") { // it did not get as far as it should
		return fmt.Errorf("its programs are neither cached nor can they be fetched: %w; "+
			"give this machine access to the network once, or set %s to the directory of an installed PostgreSQL's programs "+
			"(%d or newer), for instance %s=/usr/lib/postgresql/17/bin", err, installedBinaries, oldestPostgres, installedBinaries)
	}
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("remove the downloaded archive: %w", err)
	}
	return openForAll(install)
}

// openForAll lets everyone read what its owner can, and execute it likewise, whatever the umask was: as root, another
// user runs the programs.
func openForAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		return os.Chmod(path, mode|mode&0o500>>3|mode&0o500>>6)
	})
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+\S*)`)

// versionOf asks the programs for their version: in short and, of the server, in full.
func versionOf(ctx context.Context, bin string) (version, full string, err error) {
	initdb, _, err := programVersion(ctx, filepath.Join(bin, "initdb"))
	if err != nil {
		return "", "", err
	}
	version, full, err = programVersion(ctx, filepath.Join(bin, "postgres"))
	if err == nil && initdb != version {
		err = fmt.Errorf("initdb is of version %s and postgres of %s", initdb, version)
	}
	return version, full, err
}

func programVersion(ctx context.Context, path string) (version, full string, err error) {
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its version: %w %s", path, err, out)
	}
	match := versionPattern.FindStringSubmatch(string(out))
	if match == nil {
		return "", "", fmt.Errorf("%s --version: expected the version of PostgreSQL, got %q", path, out)
	}
	return match[1], string(out), nil
}
