package doctor

import (
	"context"
	"errors"
	"testing"
	"time"
)

// gives is a probe that answers at once.
func gives[T any](value T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return value, nil }
}

// fails is a probe that finds nothing.
func fails[T any](text string) func(context.Context) (T, error) {
	return func(context.Context) (T, error) {
		var none T
		return none, errors.New(text)
	}
}

// hangs is a probe that never answers, and does not mind its context.
func hangs[T any](t *testing.T) func(context.Context) (T, error) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	return func(context.Context) (T, error) {
		<-end
		var none T
		return none, nil
	}
}

// complete is a machine on which everything is there.
func complete() Probes {
	return Probes{
		CPUs: 4, Kfake: "kfake v0.0.0",
		Java:           gives(Program{"17.0.15", "/usr/bin/java"}),
		Maven:          gives(Program{"3.8.7", "/usr/bin/mvn"}),
		KafkaCached:    gives(Cached{"4.3.1", "/cache/kafka-4.3.1", true}),
		PostgresCached: gives(Cached{"18.3", "/cache/postgres-18.3.0", true}),
		PostgresFrom:   "Maven Central",
		Docker:         gives(DockerPrograms{"/usr/bin/docker", "/usr/sbin/dockerd"}),
		Engine:         gives(Engine{Host: "unix:///var/run/docker.sock", Version: "28.2.2", API: "1.50", OS: "Debian", CPUs: 4, Memory: 8 << 30}),
		Images: []Image{
			{"kafka_image", "apache/kafka:4.3.1", gives(true)},
			{"postgres_image", "postgres:18", gives(true)},
		},
		Install: Commands{Java: "apt-get install java", Maven: "apt-get install maven", Kafka: "LKBENCH_KAFKA_LIBS", Postgres: "LKBENCH_POSTGRES_BIN", Docker: "apt-get install docker.io", StartDocker: "systemctl start docker"},
		Quiet:   []MachineProbe{machineGives(Check{Name: "timer", Status: OK, Found: "late"})},
		Machine: []MachineProbe{machineGives(Check{Name: "disk", Status: OK, Found: "72 GiB free"})},
	}
}

func machineGives(checks ...Check) MachineProbe {
	p := MachineProbe{Look: gives(checks)}
	for _, c := range checks {
		p.Names = append(p.Names, c.Name)
	}
	return p
}

const patience = time.Minute

// found is a check of a provider, an engine or (part "") the machine.
func (f Findings) found(t *testing.T, in, name string) Check {
	t.Helper()
	checks := f.Machine
	if in != "" {
		checks = f.part(t, in).Checks
	}
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%q has no check %q: %+v", in, name, checks)
	return Check{}
}

func (f Findings) part(t *testing.T, name string) Part {
	t.Helper()
	for _, p := range append(f.Providers, f.Engines...) {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no part %q in %+v", name, f)
	return Part{}
}
