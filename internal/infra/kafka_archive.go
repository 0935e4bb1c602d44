package infra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"
)

// classArchive gives an archive of the classes that a broker loads, from which Java starts it about a second faster (class
// data sharing). It is bound to one build of Java and to the very files of the jars. The first call makes it, from a broker
// that does a little of everything and stops in order. Without an archive a broker starts as well: that it cannot be made is
// told and is no error.
func classArchive(ctx context.Context, options Options, program kafkaProgram) (string, error) {
	key := sha256.New()
	fmt.Fprintln(key, program.java.Path, program.java.full)
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
	return filepath.Join(dir, "classes.jsa"), nil
}

// makeClassArchive runs one broker with all its files in a directory, of which the archive is left.
func makeClassArchive(ctx context.Context, options Options, program kafkaProgram, dir string) (err error) {
	// Its processes are noted with the run's, its files lie here.
	options.Workspace = &Workspace{Dir: filepath.Join(dir, "broker"), log: options.Workspace.log}
	if err := os.Mkdir(options.Workspace.Dir, 0o700); err != nil {
		return err
	}
	c, err := newCluster(options, program, nil, 0)
	if err != nil {
		return err
	}
	archive := filepath.Join(dir, "classes.jsa")
	c.extraJava = []string{"-XX:ArchiveClassesAtExit=" + archive}
	c, err = onFreePorts(c.portsANode(), nil, func(ports []int) (*cluster, error) { return c, c.start(ctx, ports) })
	if err != nil {
		return err
	}
	if err := errors.Join(exercise(ctx, c), c.servers[0].Stop(ctx)); err != nil {
		return errors.Join(err, c.discard())
	}
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("Java %s ended without writing it; the end of its log:\n%s", program.java.Version, lastLines(c.nodes[0].log))
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
