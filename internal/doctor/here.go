package doctor

import (
	"context"
	"os"
	"os/exec"
	"runtime"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/kafka"
)

// Addresses are the servers of others that are to be examined too.
type Addresses struct {
	Kafka    *kafka.Cluster // nil: none named
	Postgres string         // connection string; "": none named
}

// Here are the probes of this machine.
func Here(a Addresses) Probes {
	p := Probes{
		CPUs: runtime.NumCPU(), Kfake: infra.EmbeddedKafka(),
		Java: func(ctx context.Context) (Program, error) {
			j, err := infra.FindJava(ctx)
			return Program{j.Version, j.Path}, err
		},
		Maven: func(ctx context.Context) (Program, error) {
			m, err := infra.FindMaven(ctx)
			if err != nil {
				m.Path, _ = exec.LookPath("mvn")
			}
			return Program{m.Version, m.Path}, err
		},
		KafkaCached:    cached(infra.KafkaCached),
		PostgresCached: cached(infra.PostgresCached),
		PostgresFrom:   "Maven Central",
		Docker:         dockerPrograms,
		Engine: func(ctx context.Context) (Engine, error) {
			e, err := docker.Find(ctx)
			return Engine{Host: e.Host, Version: e.Version, API: e.API, OS: e.OS, CPUs: e.Cores, Memory: e.MemoryBytes}, err
		},
		Install: commands(runtime.GOOS),
		Quiet:   []MachineProbe{quietProbe()},
		Machine: machineProbes(os.DirFS("/")),
	}
	if os.Getenv(infra.PostgresMirror) != "" {
		p.PostgresFrom = "the repository that " + infra.PostgresMirror + " names" // its address may hold a password
	}
	for _, image := range []Image{{Check: "kafka_image", Name: docker.DefaultKafkaImage}, {Check: "postgres_image", Name: docker.DefaultPostgresImage}} {
		image.Here = func(ctx context.Context) (bool, error) { return docker.HasImage(ctx, image.Name) }
		p.Images = append(p.Images, image)
	}
	if a.Kafka != nil {
		p.Kafka = func(ctx context.Context) (Reached, error) { return reachKafka(ctx, *a.Kafka) }
	}
	if a.Postgres != "" {
		p.Postgres = func(ctx context.Context) (Reached, error) { return reachPostgres(ctx, a.Postgres) }
	}
	return p
}

func cached(find func() (version, dir string, here bool, err error)) func(context.Context) (Cached, error) {
	return func(context.Context) (Cached, error) {
		version, dir, here, err := find()
		return Cached{version, dir, here}, err
	}
}

// dockerPrograms looks for Docker's programs on the path; on macOS the engine comes with the client.
func dockerPrograms(context.Context) (DockerPrograms, error) {
	var p DockerPrograms
	p.Client, _ = exec.LookPath("docker")
	p.Daemon, _ = exec.LookPath("dockerd")
	if runtime.GOOS == "darwin" {
		p.Daemon = p.Client
	}
	return p, nil
}

// commands are what installs things on an operating system.
func commands(system string) Commands {
	c := Commands{
		Java: infra.InstallJava(), Maven: infra.InstallMaven(),
		Kafka:    "correct LKBENCH_KAFKA_LIBS, or unset it to have Kafka fetched",
		Postgres: "correct LKBENCH_POSTGRES_BIN, or unset it to have PostgreSQL fetched",
		Docker:   "sudo apt-get install docker.io", StartDocker: "sudo systemctl start docker (without systemd: sudo dockerd)",
	}
	if system == "darwin" {
		c.Docker, c.StartDocker = "brew install --cask docker", "open -a Docker"
	}
	if os.Getenv("DOCKER_HOST") != "" {
		c.StartDocker = "correct or unset DOCKER_HOST, or start the engine that it names"
	}
	return c
}
