package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/external"
	"lkbench/internal/runner"
	"lkbench/results"
)

// launcher prepares what all runs of one command share: the provider that the flags name, which have been checked, with what dead
// runs left swept away. The runs draw no reports.
func launcher(ctx context.Context, f *infraFlags, out string, errw io.Writer, note func(format string, args ...any)) (runner.Config, error) {
	executable, err := os.Executable()
	if err != nil {
		return runner.Config{}, fmt.Errorf("find this program's own file, to start components with: %w", err)
	}
	provider, err := f.choose(ctx, errw, note)
	if err != nil {
		return runner.Config{}, err
	}
	swept, err := infra.Sweep(ctx, removers)
	if err != nil {
		note("sweeping what dead runs left: %v", err)
	}
	for _, s := range swept {
		note("removed what a dead run left: %s", s)
	}
	return runner.Config{
		Engine: "native", Provider: provider, Brokers: brokersOf(provider), Executable: executable, Out: out,
		Command: append([]string{"lkbench"}, os.Args[1:]...), Version: version(), Commanded: time.Now(),
		Write: func(string, *results.Record) error { return nil },
	}, nil
}

// settingsOf are the settings of a provider that bear on how fast the servers are.
func settingsOf(provider infra.Provider) map[string]string {
	all := map[string]string{"brokers": strconv.Itoa(brokersOf(provider))}
	switch p := provider.(type) {
	case docker.Provider:
		maps.Copy(all, map[string]string{
			"kafka_image": p.KafkaImage, "postgres_image": p.PostgresImage,
			"cpus": strconv.FormatFloat(p.CPUs, 'g', -1, 64), "memory": strconv.FormatInt(p.MemoryBytes, 10),
		})
	case external.Provider:
		all["kafka"] = strings.Join(slices.Sorted(slices.Values(p.Kafka.Brokers)), ",")
		all["replication"] = strconv.Itoa(int(p.Replication))
	}
	return all
}
