package infra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// oldestJava is the oldest Java on which Kafka 4's brokers run.
const oldestJava = 17

// askTimeout bounds the time in which a program must tell its version.
const askTimeout = 20 * time.Second

// Java is an installed Java that can run Kafka.
type Java struct {
	Path    string // of the program java
	Version string // as it gives it, for instance 17.0.15
	Major   int    // for instance 17
	full    string // all that it says of itself: another build is another Java
}

var javaVersionPattern = regexp.MustCompile(`version "((\d+)(?:\.(\d+))?[^"]*)"`)

// FindJava gives the Java of JAVA_HOME or, without that variable, of the path. One that is missing, broken or older than
// 17 is an error that says what was found and which command brings another.
func FindJava(ctx context.Context) (Java, error) {
	path, whence := "", "on the path"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path, whence = filepath.Join(home, "bin", "java"), "of JAVA_HOME="+home
		if _, err := os.Stat(path); err != nil {
			return Java{}, fmt.Errorf("no Java %s: %w; correct or unset the variable, or install one: %s", whence, err, javaCommand())
		}
	} else {
		found, err := exec.LookPath("java")
		if err != nil {
			return Java{}, fmt.Errorf("no Java: JAVA_HOME is not set, and there is no java on the path; Kafka needs Java %d or newer: %s", oldestJava, javaCommand())
		}
		path = found
	}
	full, err := ask(ctx, path, "-version")
	if err != nil {
		return Java{}, fmt.Errorf("the Java %s does not work: %w; Kafka needs Java %d or newer: %s", whence, err, oldestJava, javaCommand())
	}
	match := javaVersionPattern.FindStringSubmatch(full)
	if match == nil {
		return Java{}, fmt.Errorf("the Java %s does not tell its version: %s -version says %q; Kafka needs Java %d or newer: %s", whence, path, full, oldestJava, javaCommand())
	}
	major, err := strconv.Atoi(match[2])
	if err == nil && major == 1 { // 1.8 is Java 8
		major, err = strconv.Atoi(match[3])
	}
	if err != nil {
		return Java{}, fmt.Errorf("the version %q of %s: %w", match[1], path, err)
	}
	if major < oldestJava {
		return Java{}, fmt.Errorf("the Java %s is too old: %s is Java %s, and Kafka needs %d or newer: %s, or let JAVA_HOME name a newer one",
			whence, path, match[1], oldestJava, javaCommand())
	}
	return Java{Path: path, Version: match[1], Major: major, full: full}, nil
}

// javaCommand is what installs a Java on this kind of machine.
func javaCommand() string {
	if runtime.GOOS == "darwin" {
		return `brew install openjdk@17, then export JAVA_HOME="$(brew --prefix openjdk@17)"`
	}
	return "apt-get install openjdk-17-jre-headless"
}

// ask gives what a program says of itself.
func ask(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %v", askTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second // a script's child may hold the output open
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), errors.Join(context.Cause(ctx), err), text)
	}
	return text, nil
}
