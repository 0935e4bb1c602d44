package infra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"lkbench/deploy"
	"lkbench/internal/proc"
)

const (
	kafkaLibsVariable = "LKBENCH_KAFKA_LIBS" // a directory of Kafka's jars to use instead of fetched ones
	kafkaCache        = "kafka"              // in the cache, apart from PostgreSQL: both are filled at the same time
	oldestKafka       = 4                    // major version: the first without ZooKeeper, which the settings rely on
	fetchNoteEvery    = 2 * time.Second
)

// jars are Apache Kafka's programs.
type jars struct {
	version string
	dir     string
	paths   []string // in a fixed order: the class data archive is bound to it
}

// kafkaJars gives the jars that LKBENCH_KAFKA_LIBS names or, without it, those in the cache, which the first call fills by
// Maven. Any number of processes may call it at once. Once filled it needs neither Maven nor a network.
func kafkaJars(ctx context.Context, options Options) (jars, error) {
	version, dir, cached, err := KafkaCached()
	if err != nil {
		return jars{}, err
	}
	if !cached {
		if err := fillKafka(ctx, options, dir); err != nil {
			return jars{}, fmt.Errorf("prepare Kafka %s: %w", version, err)
		}
	}
	return listJars(version, dir)
}

func listJars(version, dir string) (jars, error) {
	dir, err := filepath.EvalSymlinks(dir) // the class data archive goes by the files' paths
	if err != nil {
		return jars{}, fmt.Errorf("find Kafka's jars: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return jars{}, err
	}
	slices.Sort(paths)
	return jars{version: version, dir: dir, paths: paths}, nil
}

// KafkaCached says which Apache Kafka Local would run, in which directory its jars are or will be, and whether they are
// there already. An error tells why the directory that LKBENCH_KAFKA_LIBS names cannot be used, or that there is no cache.
func KafkaCached() (version, dir string, cached bool, err error) {
	if libs := os.Getenv(kafkaLibsVariable); libs != "" {
		version, dir, err = namedJars(libs)
		if err != nil {
			return "", "", false, fmt.Errorf("%s=%s: %w", kafkaLibsVariable, libs, err)
		}
		return version, dir, true, nil
	}
	cache, err := cachePath()
	if err != nil {
		return "", "", false, err
	}
	key := sha256.Sum256(deploy.KafkaPOM)
	dir = filepath.Join(cache, kafkaCache, fmt.Sprintf("%s-%x", deploy.KafkaVersion, key[:4]))
	_, err = os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", false, err
	}
	return deploy.KafkaVersion, dir, err == nil, nil
}

var kafkaJarPattern = regexp.MustCompile(`^kafka_2\.\d+-((\d+)\.\d+\.\d+)\.jar$`)

// namedJars looks at a directory of jars that the user names.
func namedJars(libs string) (version, dir string, err error) {
	if dir, err = filepath.Abs(libs); err != nil {
		return "", "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", "", err
	}
	for _, e := range entries {
		match := kafkaJarPattern.FindStringSubmatch(e.Name())
		if match == nil {
			continue
		}
		if major, err := strconv.Atoi(match[2]); err != nil || major < oldestKafka {
			return "", "", fmt.Errorf("version %s of Kafka is too old: expected %d.0 or newer", match[1], oldestKafka)
		}
		return match[1], dir, nil
	}
	return "", "", errors.New("expected the directory libs of a Kafka distribution, with a file such as kafka_2.13-4.3.1.jar; there is none")
}

// fillKafka has Maven fetch the jars into a directory that is renamed to dir when it is whole.
func fillKafka(ctx context.Context, options Options, dir string) error {
	unlock, err := lockKafkaCache(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return fillOnce(dir, func(partial string) error {
		maven, err := FindMaven(ctx)
		if err != nil {
			return err
		}
		options.Say("fetching Kafka %s with Maven (54 MB), once on this machine", deploy.KafkaVersion)
		scratch, err := os.MkdirTemp(filepath.Dir(dir), "maven-*.partial")
		if err != nil {
			return err
		}
		err = runMaven(ctx, options, maven, scratch, partial)
		return errors.Join(err, os.RemoveAll(scratch))
	})
}

// lockKafkaCache makes this process the only one that fills Kafka's part of the cache, and removes what one that died
// while it did has left.
func lockKafkaCache(ctx context.Context) (unlock func(), err error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, kafkaCache)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of Kafka's jars: %w", err)
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "fill.lock"))
	if err != nil {
		return nil, fmt.Errorf("wait for another process that fills the cache: %w", err)
	}
	if err := removeAll(filepath.Join(dir, "*.partial")); err != nil {
		lock.Close()
		return nil, err
	}
	return func() { lock.Close() }, nil
}

// runMaven copies the jars into a directory. Maven runs under a guard: it ends with this process, however that ends.
func runMaven(ctx context.Context, options Options, maven Maven, scratch, to string) error {
	pom, log := filepath.Join(scratch, "pom.xml"), filepath.Join(scratch, "maven.log")
	if err := os.WriteFile(pom, deploy.KafkaPOM, 0o644); err != nil {
		return err
	}
	p, err := proc.StartGuarded(ctx, proc.Spec{
		Name: "Maven", Executable: maven.Path, Dir: scratch, Log: log,
		// A jar whose checksum is not the repository's must not be run.
		Args: []string{"--batch-mode", "--strict-checksums", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + to},
	}, proc.Guarding{Executable: options.Executable, End: syscall.SIGTERM})
	if err != nil {
		return err
	}
	if err := options.Workspace.Track(p); err != nil {
		return errors.Join(err, p.Abort())
	}
	if err := awaitMaven(ctx, options, p, log); err != nil {
		return fmt.Errorf("its jars are neither cached nor can Maven %s fetch them: %w; the end of its output:\n%s\n"+
			"give this machine access to Maven's repository once (a mirror goes into ~/.m2/settings.xml), or let %s name a directory with Kafka's jars",
			maven.Version, err, lastLines(log), kafkaLibsVariable)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		return err
	}
	if _, _, err := namedJars(to); err != nil {
		return fmt.Errorf("Maven %s said that it has fetched the jars: %w", maven.Version, err)
	}
	return nil
}

// awaitMaven waits for Maven's end and tells meanwhile how far it is.
func awaitMaven(ctx context.Context, options Options, p *proc.Process, log string) error {
	tick := time.NewTicker(fetchNoteEvery)
	defer tick.Stop()
	for told := 0; ; {
		select {
		case <-p.Done():
			return p.Err()
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), p.Abort())
		case <-tick.C:
			if n := fetchedJars(log); n > told {
				told = n
				options.Say("fetching Kafka %s with Maven: %d jars so far, its own tools among them", deploy.KafkaVersion, n)
			}
		}
	}
}

var fetchedPattern = regexp.MustCompile(`(?m)^.*Downloaded from [^\n]*\.jar\b`)

// fetchedJars counts the downloads in Maven's output.
func fetchedJars(log string) int {
	text, err := os.ReadFile(log)
	if err != nil {
		return 0
	}
	return len(fetchedPattern.FindAll(bytes.TrimSpace(text), -1))
}
