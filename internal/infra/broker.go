package infra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"lkbench/internal/kafka"
	"lkbench/internal/proc"
)

// BrokerVerb is the hidden verb under which a program must call Broker.
const BrokerVerb = "__broker"

// brokerInput is the line a broker's process reads from its standard input.
type brokerInput struct {
	Dir  string `json:"dir"`
	Port int    `json:"port"`
}

// Broker is the verb __broker: a Kafka broker (kfake) that runs until its standard input closes. It reads its settings
// as one JSON line and writes its address as one line when it answers.
func Broker(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	ctx, line, err := proc.Lifeline(ctx, stdin)
	if err != nil {
		return err
	}
	var input brokerInput
	if err := json.Unmarshal(line, &input); err != nil {
		return fmt.Errorf("the broker's settings on standard input: %w", err)
	}
	if err := recoverProducers(input.Dir); err != nil {
		return fmt.Errorf("recover the state of producers from the log in %s: %w", input.Dir, err)
	}
	cluster, err := kfake.NewCluster(BrokerOptions(input.Dir, input.Port)...)
	if err != nil {
		return fmt.Errorf("start the broker on port %d with its log in %s: %w", input.Port, input.Dir, err)
	}
	defer cluster.Close()
	// After a crash kfake reads its whole log into memory once. Without this its heap would stay that large.
	debug.FreeOSMemory()
	if _, err := fmt.Fprintln(stdout, strings.Join(cluster.ListenAddrs(), ",")); err != nil {
		return fmt.Errorf("report the broker's address: %w", err)
	}
	<-ctx.Done()
	return nil
}

// BrokerOptions are the settings of a broker that keeps its log in dir and listens on a loopback port; 0 takes a free
// one. With a directory an acknowledged record is in the operating system's cache, so it survives a SIGKILL, and memory
// stays bounded. What is not here has Apache Kafka's default, batches of at most 1 MiB among it.
func BrokerOptions(dir string, port int) []kfake.Opt {
	return []kfake.Opt{
		kfake.Ports(port),
		kfake.DataDir(dir),
		// One broker cannot hold three copies, which is kfake's default for new topics.
		kfake.BrokerConfigs(map[string]string{"default.replication.factor": "1"}),
	}
}

// broker is a running kfake.
type broker struct {
	*Server
	unit *processes
}

func startBroker(ctx context.Context, options Options) (*broker, error) {
	began := time.Now()
	b, err := OnFreePort(func(port int) (*broker, error) {
		unit := &processes{what: "the broker on " + address(port), workspace: options.Workspace, log: filepath.Join(options.Workspace.Dir, "kafka.log")}
		b := &broker{unit: unit, Server: newServer("broker", port, filepath.Join(options.Workspace.Dir, "kafka"), kfakeVersion(), unit)}
		input, err := json.Marshal(brokerInput{Dir: b.DataDir, Port: port})
		if err != nil {
			return nil, err
		}
		unit.launch = func(context.Context) (*proc.Process, error) {
			return proc.Start(proc.Spec{
				Name: "broker", Executable: options.Executable, Args: []string{BrokerVerb}, Log: unit.log, Input: input, Report: true,
			})
		}
		unit.ready = func(ctx context.Context, p *proc.Process) error {
			_, err := p.Report(ctx)
			return err
		}
		return b, unit.Start(ctx)
	})
	if err != nil {
		return nil, err
	}
	b.StartS = time.Since(began).Seconds()
	return b, nil
}

func kfakeVersion() string {
	const module = "github.com/twmb/franz-go/pkg/kfake"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return "kfake " + m.Version
			}
		}
	}
	return "kfake (version unknown)"
}

// recordedBrokerSettings are what a reader of results may want to compare with another broker's.
var recordedBrokerSettings = map[string]bool{
	"default.replication.factor": true, "message.max.bytes": true, "log.segment.bytes": true, "log.retention.bytes": true,
	"log.retention.ms": true, "log.message.timestamp.type": true, "compression.type": true, "min.insync.replicas": true,
	"fetch.max.bytes": true, "group.min.session.timeout.ms": true,
}

// ReadBrokerSettings asks the brokers for those of their settings that are recorded.
func ReadBrokerSettings(ctx context.Context, cluster kafka.Cluster) (map[string]string, error) {
	client, err := cluster.NewClient()
	if err != nil {
		return nil, fmt.Errorf("read the broker's settings: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the broker's settings: %w", err)
	}
	described, err := admin.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
	if err != nil {
		return nil, fmt.Errorf("read the broker's settings: %w", err)
	}
	settings := map[string]string{}
	for _, resource := range described {
		if resource.Err != nil {
			return nil, fmt.Errorf("read the broker's settings: %w", resource.Err)
		}
		for _, c := range resource.Configs {
			if recordedBrokerSettings[c.Key] {
				settings[c.Key] = c.MaybeValue()
			}
		}
	}
	if len(settings) == 0 {
		return nil, errors.New("read the broker's settings: it reported none of those that are recorded")
	}
	return settings, nil
}
