package doctor

import "context"

// Probes are the ways in which Examine looks at the world. All must only look; those that may take time must be able to
// run at once. One that fails says in its error what is missing and what brings it.
type Probes struct {
	CPUs  int    // of this machine, for this program
	Kfake string // the embedded Kafka and its version

	Java           func(context.Context) (Program, error)
	Maven          func(context.Context) (Program, error) // its path also with an error, if there is a program
	KafkaCached    func(context.Context) (Cached, error)
	PostgresCached func(context.Context) (Cached, error)
	PostgresFrom   string // where it is fetched from

	Docker func(context.Context) (DockerPrograms, error)
	Engine func(context.Context) (Engine, error)
	Images []Image

	Kafka    func(context.Context) (Reached, error) // nil where no address was given
	Postgres func(context.Context) (Reached, error) // nil where no address was given

	Install Commands

	Quiet   []MachineProbe // measure the machine, and need it for themselves
	Machine []MachineProbe
}

// MachineProbe looks at some aspects of the machine. Its error makes checks of these names with the state Unknown.
type MachineProbe struct {
	Names []string
	Look  func(context.Context) ([]Check, error)
}

// Program is an installed program.
type Program struct{ Version, Path string }

// DockerPrograms are the paths of Docker's client and of its engine, "" for one that is not installed.
type DockerPrograms struct{ Client, Daemon string }

// Engine is a container engine that answers.
type Engine struct {
	Host    string // its socket
	Version string
	API     string
	OS      string // what it runs on
	CPUs    int
	Memory  int64 // bytes
}

// Commands are what brings the things that may be missing on this kind of machine.
type Commands struct{ Java, Maven, Kafka, Postgres, Docker, StartDocker string }

// Cached is something that is fetched once.
type Cached struct {
	Version string
	Dir     string // where it is, or is going to be
	Here    bool
}

// Image is a container image that the docker provider takes by default.
type Image struct {
	Check string // what its check is called
	Name  string
	Here  func(context.Context) (bool, error)
}

// Reached is a server of others that answered.
type Reached struct {
	Version string   // what it is and of which version
	Address string   // without passwords
	Lacks   []string // what the provider needs and may not do there, in words; the provider does not work then
	Notes   []string // drawbacks, in words
}

// heard are the answers of all probes but those of the machine.
type heard struct {
	java            answer[Program]
	maven           answer[Program]
	kafkaCached     answer[Cached]
	postgresCached  answer[Cached]
	docker          answer[DockerPrograms]
	engine          answer[Engine]
	images          []answer[bool]
	kafka, postgres *answer[Reached]
}
