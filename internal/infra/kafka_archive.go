package infra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	archiveFile    = "classes.jsa"
	archiveTimeout = 4 * time.Minute // within which it must be made; ten seconds where nothing else runs
)

// classArchive gives an archive of the classes that a broker loads, from which Java starts it about a second faster (class
// data sharing). It is bound to one build of Java and to the very files of the jars. The first call makes it, from a broker
// that does a little of everything and stops in order. Without an archive a broker starts as well: that it cannot be made is
// told and is no error.
func classArchive(ctx context.Context, options Options, program kafkaProgram) (string, error) {
	java, err := filepath.EvalSymlinks(program.java.Path)
	if err != nil {
		return "", fmt.Errorf("look at Java: %w", err)
	}
	key := sha256.New()
	fmt.Fprintln(key, java, program.java.full)
	for _, path := range program.jars.paths {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("look at Kafka's jars: %w", err)
		}
		fmt.Fprintln(key, path, info.Size(), info.ModTime().UnixNano())
	}
	unlock, err := lockKafkaCache(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, kafkaCache, fmt.Sprintf("classes-java%d-%x", program.java.Major, key.Sum(nil)[:4]))
	err = fillOnce(dir, func(partial string) error {
		options.Say("preparing a fast start of Kafka, once for this Java")
		return makeClassArchive(ctx, options, program, partial)
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		options.Say("Kafka starts without an archive of its classes, about a second slower: %v", err)
		return "", nil
	}
	archive := filepath.Join(dir, archiveFile)
	if _, err := os.Stat(archive); err != nil { // this Java makes none
		return "", nil
	}
	return archive, nil
}

// makeClassArchive runs one broker with all its files in a directory, of which the archive is left.
func makeClassArchive(ctx context.Context, options Options, program kafkaProgram, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, archiveTimeout, fmt.Errorf("not made within %v", archiveTimeout))
	defer cancel()
	// Its processes are noted with the run's, its files lie here.
	options.Workspace = &Workspace{Dir: filepath.Join(dir, "broker"), log: options.Workspace.log}
	if err := os.Mkdir(options.Workspace.Dir, 0o700); err != nil {
		return err
	}
	c, err := newCluster(ctx, options, program, nil, 0)
	if err != nil {
		return err
	}
	archive := filepath.Join(dir, archiveFile)
	c.extraJava = []string{"-XX:ArchiveClassesAtExit=" + archive}
	c, err = onFreePorts(c.portsANode(), nil, func(ports []int) (*cluster, error) { return c, c.start(ctx, ports) })
	if err != nil {
		return err
	}
	if err := exercise(ctx, c); err != nil {
		return errors.Join(err, c.discard())
	}
	// Java writes the archive at its end. One that had to be killed may have written half of it.
	if err := c.units[0].Signal(ctx, Stop); err != nil {
		return err
	}
	var end *exec.ExitError
	if err := c.units[0].current().Err(); !errors.As(err, &end) || end.ExitCode() != 128+int(syscall.SIGTERM) {
		return fmt.Errorf("its broker did not stop in order: %v; the end of its log:\n%s", err, lastLines(c.nodes[0].log))
	}
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		options.Say("this Java writes no archive of classes: Kafka starts about a second slower")
	}
	return os.RemoveAll(options.Workspace.Dir)
}

// exercise makes a topic and has a record written and read, so that the classes for it are loaded.
func exercise(ctx context.Context, c *cluster) error {
	const topic = "exercise"
	access := c.access(c.nodes...)
	if err := CreateTopics(ctx, access, 1, 1, topic); err != nil {
		return err
	}
	client, err := access.NewClient(kgo.DefaultProduceTopic(topic), kgo.ConsumeTopics(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, kgo.StringRecord("one")).FirstErr(); err != nil {
		return err
	}
	return client.PollFetches(ctx).Err()
}
