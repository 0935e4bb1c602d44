package infra

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lkbench/deploy"
	"lkbench/internal/proc"
)

// fillWithKafka is fillVerb for Kafka.
func fillWithKafka(ctx context.Context) error {
	w, err := NewWorkspace(ctx)
	if err != nil {
		return err
	}
	_, err = kafkaJars(ctx, Options{Workspace: w, Executable: os.Args[0]})
	return err
}

// fakeMaven puts a Maven on the path that tells its version, and otherwise does what the shell does with text: $to is the
// directory for the jars.
func fakeMaven(t *testing.T, text string) {
	t.Helper()
	t.Setenv("PATH", script(t, "mvn", `if [ "$1" = -version ]; then echo Apache Maven 3.9.9; exit; fi
for a in "$@"; do case $a in -DoutputDirectory=*) to=${a#-DoutputDirectory=};; esac; done
`+text)+":/usr/bin:/bin")
}

// kafkaLeft lists what is in Kafka's part of a cache, but for its lock.
func kafkaLeft(t *testing.T, cache string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cache, kafkaCache, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range found {
		if filepath.Base(path) != "fill.lock" {
			left = append(left, filepath.Base(path))
		}
	}
	return left
}

func TestManyProcessesFetchKafkaOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts processes; make test does")
	}
	cache := emptyCache(t)
	calls := filepath.Join(t.TempDir(), "calls")
	fakeMaven(t, "echo call >>"+calls+"; sleep 0.5; : >$to/kafka_2.13-"+deploy.KafkaVersion+".jar")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if out, err := exec.Command(os.Args[0], fillVerb, "kafka").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	if text, err := os.ReadFile(calls); err != nil || strings.Count(string(text), "call") != 1 {
		t.Errorf("Maven was called: %q, %v; want once", text, err)
	}
	version, dir, cached, err := KafkaCached()
	if err != nil || !cached || version != deploy.KafkaVersion {
		t.Errorf("cached: %v, %s, %v", cached, version, err)
	}
	if left := kafkaLeft(t, cache); len(left) != 1 || left[0] != filepath.Base(dir) {
		t.Errorf("the cache holds %v", left)
	}
	// From now on neither Maven nor anything else is asked.
	t.Setenv("PATH", t.TempDir())
	found, err := kafkaJars(t.Context(), Options{})
	if err != nil || len(found.paths) != 1 {
		t.Errorf("offline and cached: %v, %v", found.paths, err)
	}
}

// Whoever waits is told how far it is: here Maven goes on only when that has happened.
func TestFetchOfKafkaIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts processes; make test does")
	}
	emptyCache(t)
	told := filepath.Join(t.TempDir(), "told")
	fakeMaven(t, `echo "Downloading from central: https://repo/a.jar"
echo "Progress (1): 4.1 kBDownloaded from central: https://repo/a.jar (4 kB at 1 kB/s)"
echo "Downloaded from central: https://repo/a.pom (1 kB at 1 kB/s)"
echo "Downloaded from central: https://repo/b.jar (4 kB at 1 kB/s)"
while ! [ -e `+told+` ]; do sleep 0.1; done
: >$to/kafka_2.13-`+deploy.KafkaVersion+`.jar`)
	var messages []string
	note := func(message string) {
		messages = append(messages, message)
		if strings.Contains(message, "2 jars so far") {
			if err := os.WriteFile(told, nil, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := kafkaJars(ctx, Options{Workspace: newWorkspace(t), Executable: os.Args[0], Note: note}); err != nil {
		t.Fatalf("%v; told: %q", err, messages)
	}
	if !strings.Contains(messages[0], "fetching Kafka "+deploy.KafkaVersion+" with Maven") {
		t.Errorf("told: %q", messages)
	}
}

func TestFetchOfKafkaThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	advice := []string{"Maven 3.9.9", kafkaLibsVariable, "~/.m2/settings.xml", "access to Maven's repository"}
	tests := []struct {
		name    string
		prepare func(t *testing.T)
		want    []string
	}{
		{"no Maven", func(t *testing.T) { t.Setenv("PATH", t.TempDir()) }, []string{mavenCommand(), kafkaLibsVariable}},
		{"it fails", func(t *testing.T) {
			fakeMaven(t, "echo '[ERROR] Could not resolve: Unknown host'; : >$to/half.jar; exit 1")
		},
			append(advice, "Could not resolve: Unknown host", "exit status 1")},
		{"it brings something else", func(t *testing.T) { fakeMaven(t, ": >$to/other.jar") }, []string{"Maven 3.9.9 said that it has fetched the jars", "kafka_2.13"}},
		{"offline", func(t *testing.T) {
			if _, err := exec.LookPath("mvn"); err != nil && os.Getenv("CI") != "true" {
				t.Skip("no Maven")
			}
			home := t.TempDir()
			settings := "<settings><mirrors><mirror><id>gone</id><mirrorOf>*</mirrorOf><url>http://" + l.Addr().String() + "</url></mirror></mirrors></settings>"
			if err := os.MkdirAll(filepath.Join(home, ".m2"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".m2", "settings.xml"), []byte(settings), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Setenv("MAVEN_OPTS", "-Duser.home="+home)
		}, []string{l.Addr().String(), kafkaLibsVariable, "~/.m2/settings.xml"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("-short: starts processes; make test does")
			}
			cache := emptyCache(t)
			test.prepare(t)
			_, err := kafkaJars(t.Context(), Options{Workspace: newWorkspace(t), Executable: os.Args[0]})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error lacks %q: %v", part, err)
				}
			}
			if left := kafkaLeft(t, cache); len(left) != 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

// Whoever waits for Maven and is interrupted, or dies, takes Maven along, and nothing half-made counts as whole.
func TestInterruptedFetchOfKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts processes; make test does")
	}
	prepare := func(t *testing.T) (cache, started string) {
		cache, started = emptyCache(t), filepath.Join(t.TempDir(), "started")
		fakeMaven(t, ": >$to/kafka_2.13-"+deploy.KafkaVersion+".jar; echo $$ >"+started+"; sleep 1000; echo never")
		return cache, started
	}
	await := func(t *testing.T, path string) {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("Maven was not started")
			}
		}
	}
	t.Run("cancelled", func(t *testing.T) {
		cache, started := prepare(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { await(t, started); cancel() }()
		_, err := kafkaJars(ctx, Options{Workspace: newWorkspace(t), Executable: os.Args[0]})
		if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
			t.Errorf("got %v", err)
		}
		gone(t, below(t))
		if left := kafkaLeft(t, cache); len(left) != 0 {
			t.Errorf("left in the cache: %v", left)
		}
	})
	t.Run("killed", func(t *testing.T) {
		cache, started := prepare(t)
		filler := exec.Command(os.Args[0], fillVerb, "kafka")
		if err := filler.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, started)
		processes, err := proc.Descendants(filler.Process.Pid)
		if err != nil || len(processes) < 2 { // guard, Maven
			t.Errorf("below the harness: %v, %v", processes, err)
		}
		if err := filler.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = filler.Wait()
		gone(t, processes)
		if _, _, cached, err := KafkaCached(); cached || err != nil {
			t.Errorf("what is half-made counts as whole: %v, %v", cached, err)
		}
		fakeMaven(t, ": >$to/kafka_2.13-"+deploy.KafkaVersion+".jar")
		if _, err := kafkaJars(t.Context(), Options{Workspace: newWorkspace(t), Executable: os.Args[0]}); err != nil {
			t.Fatal(err)
		}
		if left := kafkaLeft(t, cache); len(left) != 1 {
			t.Errorf("left in the cache: %v", left)
		}
	})
}

func TestNamedJars(t *testing.T) {
	tests := []struct {
		name, file, want string
	}{
		{"right", "kafka_2.13-4.1.0.jar", ""},
		{"too old", "kafka_2.13-3.9.1.jar", "version 3.9.1 of Kafka is too old: expected 4.0 or newer"},
		{"no broker", "kafka-clients-4.3.1.jar", "expected the directory libs of a Kafka distribution"},
		{"sources", "kafka_2.13-4.3.1-sources.jar", "expected the directory libs of a Kafka distribution"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv(kafkaLibsVariable, dir)
			if err := os.WriteFile(filepath.Join(dir, test.file), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			version, at, cached, err := KafkaCached()
			if test.want == "" {
				if err != nil || version != "4.1.0" || at != dir || !cached {
					t.Errorf("got %s in %s, %v, %v", version, at, cached, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), kafkaLibsVariable+"="+dir) {
				t.Errorf("got %v, want an error with %q that names the variable", err, test.want)
			}
		})
	}
	t.Setenv(kafkaLibsVariable, "/no/such/directory")
	if _, _, _, err := KafkaCached(); err == nil || !strings.Contains(err.Error(), kafkaLibsVariable+"=/no/such/directory") {
		t.Errorf("got %v", err)
	}
}

func TestPostgresCached(t *testing.T) {
	emptyCache(t)
	version, dir, cached, err := PostgresCached()
	if err != nil || cached || version != string(postgresVersion) {
		t.Errorf("nothing cached: got %s, %v, %v", version, cached, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, cached, err := PostgresCached(); err != nil || !cached {
		t.Errorf("cached: got %v, %v", cached, err)
	}
	t.Setenv(installedBinaries, "/no/such/directory")
	if _, _, _, err := PostgresCached(); err == nil || !strings.Contains(err.Error(), installedBinaries+"=/no/such/directory") {
		t.Errorf("got %v", err)
	}
}
