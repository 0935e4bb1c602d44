package infra

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
)

// Maven is an installed Maven, which fetches Kafka's jars.
type Maven struct {
	Path    string // of the program mvn
	Version string // as it gives it, for instance 3.8.7
}

var mavenVersionPattern = regexp.MustCompile(`Apache Maven (\d[0-9A-Za-z.-]*)`)

// FindMaven gives the Maven on the path. One that is missing or broken is an error that says which command brings another.
func FindMaven(ctx context.Context) (Maven, error) {
	path, err := exec.LookPath("mvn")
	if err != nil {
		return Maven{}, fmt.Errorf("no Maven: there is no mvn on the path, which fetches Kafka once for this machine: %s; or let %s name a directory with Kafka's jars",
			mavenCommand(), kafkaLibsVariable)
	}
	said, err := ask(ctx, path, "-version")
	if err != nil {
		return Maven{}, fmt.Errorf("the Maven on the path does not work: %w; install it again: %s", err, mavenCommand())
	}
	match := mavenVersionPattern.FindStringSubmatch(said)
	if match == nil {
		return Maven{}, fmt.Errorf("the Maven on the path does not tell its version: %s -version says %q; install it again: %s", path, said, mavenCommand())
	}
	return Maven{Path: path, Version: match[1]}, nil
}

// mavenCommand is what installs Maven on this kind of machine.
func mavenCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install maven"
	}
	return "apt-get install maven"
}
