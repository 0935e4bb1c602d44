package infra

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lkbench/deploy"
	"lkbench/internal/kafka"
	"lkbench/internal/proc"
)

// kafkaStopTimeout bounds an orderly stop: a broker whose controllers have no majority any more would wait minutes for one.
const kafkaStopTimeout = 30 * time.Second

// kafkaProgram is what runs a broker.
type kafkaProgram struct {
	java    Java
	jars    jars
	archive string // class data archive, with which Java starts faster; "" for none
}

// command is how Java runs one of Kafka's main classes.
func (k kafkaProgram) command(scratch string, options []string, main string, args ...string) []string {
	all := append([]string{}, options...)
	if k.archive != "" {
		all = append(all, "-XX:SharedArchiveFile="+k.archive)
	}
	all = append(all, "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr",
		"-XX:ErrorFile="+filepath.Join(scratch, "java-crash-%p.log"),
		// Native libraries of compression are unpacked here, and go with the run.
		"-Djava.io.tmpdir="+scratch,
		"-Dlog4j2.configurationFile="+filepath.Join(scratch, "log4j2.properties"),
		"-cp", strings.Join(k.jars.paths, string(os.PathListSeparator)), main)
	return append(all, args...)
}

// cluster is a Kafka of one or three nodes that are started by this process.
type cluster struct {
	options        Options
	program        kafkaProgram
	secure         *Secure
	sessionTimeout time.Duration
	extraJava      []string // further options of Java

	id       string
	scratch  string       // directory of Java's temporary files
	password kafka.Secret // of the brokers' own user; with secure only
	nodes    []node
	servers  []*Server
	units    []*processes
}

// newCluster prepares what all tries to start it share.
func newCluster(ctx context.Context, options Options, program kafkaProgram, secure *Secure, session time.Duration) (*cluster, error) {
	c := &cluster{
		options: options, program: program, secure: secure, sessionTimeout: session,
		id: clusterID(), scratch: filepath.Join(options.Workspace.Dir, "kafka-scratch"), password: kafka.Secret(rand.Text()),
	}
	if err := needSpace(ctx, options.Workspace.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.scratch, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.scratch, "log4j2.properties"), deploy.KafkaLog4j, 0o600); err != nil {
		return nil, err
	}
	if secure != nil {
		return c, secure.writeKeyStore(filepath.Join(options.Workspace.Dir, keyStoreFile))
	}
	return c, nil
}

// clusterID is 128 random bits as Kafka writes them. One that begins with "-" would be taken for a flag.
func clusterID() string {
	for {
		var bits [16]byte
		_, _ = rand.Read(bits[:]) // never fails
		if id := base64.RawURLEncoding.EncodeToString(bits[:]); id[0] != '-' {
			return id
		}
	}
}

// portsANode is how many ports each node listens on.
func (c *cluster) portsANode() int {
	if c.secure != nil {
		return 3
	}
	return 2
}

// place gives the nodes their names and ports.
func (c *cluster) place(ports []int) {
	each := c.portsANode()
	c.nodes = nil
	for i := range len(ports) / each {
		name, role := "kafka", "broker"
		if len(ports) > each {
			name, role = fmt.Sprintf("kafka-%d", i+1), fmt.Sprintf("broker-%d", i+1)
		}
		path := filepath.Join(c.options.Workspace.Dir, name)
		n := node{id: int32(i + 1), role: role, dir: path, config: path + ".properties", log: path + ".log"}
		n.client, n.controller = ports[i*each], ports[i*each+1]
		if c.secure != nil {
			n.internal = ports[i*each+2]
		}
		c.nodes = append(c.nodes, n)
	}
}

// prepare writes a node's settings and formats its directory; what an earlier try has left there goes.
func (c *cluster) prepare(ctx context.Context, n node) error {
	text, err := kafkaProperties(c.settings(n))
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(n.dir), os.MkdirAll(n.dir, 0o700), os.WriteFile(n.config, text, 0o600)); err != nil {
		return fmt.Errorf("prepare the %s: %w", n.role, err)
	}
	options := []string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"}
	p, err := c.launch(ctx, n, c.program.command(c.scratch, options, "kafka.tools.StorageTool", "format", "-t", c.id, "-c", n.config))
	if err != nil {
		return fmt.Errorf("format the directory of the %s: %w", n.role, err)
	}
	if err := c.options.Workspace.Track(p); err != nil {
		return errors.Join(err, p.Abort())
	}
	select {
	case <-p.Done():
		err = p.Err()
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), p.Abort())
	}
	if err != nil {
		return fmt.Errorf("format the directory of the %s: %w; the end of its log:\n%s", n.role, err, lastLines(n.log))
	}
	return nil
}

// launch starts Java under a guard. Nothing that a user has set for other Javas applies: brokers must compare.
func (c *cluster) launch(ctx context.Context, n node, args []string) (*proc.Process, error) {
	return proc.StartGuarded(ctx, proc.Spec{
		Name: "Kafka's Java", Executable: c.program.java.Path, Args: args, Env: javaEnvironment(), Dir: c.scratch, Log: n.log, StopSignal: syscall.SIGTERM,
	}, proc.Guarding{Executable: c.options.Executable, End: syscall.SIGKILL}) // its data is not needed any more
}

// javaEnvironment is this process's without what changes how Java runs.
func javaEnvironment() []string {
	var kept []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH":
		default:
			kept = append(kept, v)
		}
	}
	return kept
}

// server describes a node as a broker that can be disturbed.
func (c *cluster) server(n node) (*Server, *processes) {
	options := append([]string{}, c.extraJava...)
	for _, o := range jvmOptions() {
		options = append(options, o.Name)
	}
	unit := &processes{what: "the " + n.role + " on " + address(n.client), workspace: c.options.Workspace, log: n.log}
	unit.launch = func(ctx context.Context) (*proc.Process, error) {
		return c.launch(ctx, n, c.program.command(c.scratch, options, "kafka.Kafka", n.config))
	}
	unit.ready = func(ctx context.Context, _ *proc.Process) error { return c.unfenced(ctx, n, n) }
	server := newServer(n.role, n.client, n.dir, "Apache Kafka "+c.program.jars.version, unit)
	server.Unit = brokerUnit{unit}
	return server, unit
}

// brokerUnit is a broker's process, whose orderly stop is bounded.
type brokerUnit struct{ *processes }

// Signal implements Unit.
func (u brokerUnit) Signal(ctx context.Context, signal Signal) error {
	if signal == Stop {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, kafkaStopTimeout)
		defer cancel()
	}
	return u.processes.Signal(ctx, signal)
}
