package infra

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lkbench/internal/kafka"
)

// fails starts Local, wants an error with all the parts, and looks for what is left.
func fails(t *testing.T, ctx context.Context, local Local, options Options, parts ...string) {
	t.Helper()
	i, err := local.Start(ctx, options)
	if err == nil {
		_ = i.Stop(context.Background())
		t.Fatal("it started")
	}
	t.Logf("%v", err)
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q", part)
		}
	}
	for _, id := range below(t) {
		if id.Alive() {
			t.Errorf("after the error lives: %s", command(id.PID))
		}
	}
}

func TestLocalPortsInUse(t *testing.T) {
	needKafka(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	tries := 0
	choose := func(n int) ([]int, error) {
		ports, err := randomPorts(n)
		if tries++; tries < 3 { // somebody took one meanwhile: first the one of clients, then the one of controllers
			ports[tries-1] = taken
		}
		return ports, err
	}
	c := startCluster(t, Local{choosePorts: choose})
	if tries != 3 || slices.Contains([]int{c.nodes[0].client, c.nodes[0].controller}, taken) {
		t.Errorf("%d tries, running on %+v", tries, c.nodes[0])
	}
	// A port that is taken while the broker is down cannot be had back.
	if err := c.servers[0].Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	thief, err := net.Listen("tcp4", c.servers[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	if err := c.servers[0].Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), c.servers[0].Address) {
		t.Errorf("restart at a taken port: %v", err)
	}
}

func TestOnFreePorts(t *testing.T) {
	t.Run("others are always faster", func(t *testing.T) {
		tries := 0
		_, err := onFreePorts(2, nil, func(ports []int) (int, error) {
			tries++
			l, err := net.Listen("tcp4", address(ports[1]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return 0, errors.New("address in use")
		})
		if tries != portTries || err == nil || !strings.Contains(err.Error(), "find free ports") || !strings.Contains(err.Error(), "address in use") {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
	t.Run("another error", func(t *testing.T) {
		tries := 0
		_, err := onFreePorts(2, nil, func([]int) (int, error) { tries++; return 0, errors.New("disk full") })
		if tries != 1 || err == nil || err.Error() != "disk full" {
			t.Errorf("%d tries, %v; want one and its error", tries, err)
		}
	})
	t.Run("different ports of the range", func(t *testing.T) {
		ports, err := onFreePorts(9, nil, func(ports []int) ([]int, error) { return ports, nil })
		seen := map[int]bool{}
		for _, port := range ports {
			seen[port] = true
			if port < firstPort || port > lastPort {
				t.Errorf("port %d", port)
			}
		}
		if err != nil || len(seen) != 9 {
			t.Errorf("ports %v, %v", ports, err)
		}
	})
}

// findKafkaNow has all that is fetched or made once on a machine there.
func findKafkaNow(t *testing.T) {
	t.Helper()
	if _, err := findKafka(t.Context(), Options{Workspace: newWorkspace(t), Executable: os.Args[0]}); err != nil {
		t.Fatal(err)
	}
}

func TestLocalWithoutWhatItNeeds(t *testing.T) {
	needKafka(t)
	path := os.Getenv("PATH")
	tests := []struct {
		name    string
		prepare func(t *testing.T)
		local   Local
		want    []string
	}{
		{"Java too old", func(t *testing.T) {
			t.Setenv("JAVA_HOME", filepath.Dir(script(t, "java", `echo 'openjdk version "11.0.22" 2024-01-16' >&2`)))
		}, Local{}, []string{"too old", "11.0.22", javaCommand()}},
		{"Java missing", func(t *testing.T) { t.Setenv("PATH", t.TempDir()); t.Setenv("JAVA_HOME", "") }, Local{}, []string{"no Java", javaCommand()}},
		{"Maven missing", func(t *testing.T) {
			findKafkaNow(t)
			java, err := FindJava(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			cache := ownCache(t)
			if err := os.Remove(filepath.Join(cache, kafkaCache)); err != nil {
				t.Fatal(err)
			}
			t.Setenv("JAVA_HOME", filepath.Dir(filepath.Dir(java.Path)))
			t.Setenv("PATH", t.TempDir())
		}, Local{}, []string{"no Maven", mavenCommand()}},
		{"two brokers", func(*testing.T) {}, Local{Brokers: 2}, []string{"2 brokers: expected 1 or 3"}},
		{"a session too short", func(*testing.T) {}, Local{SessionTimeout: time.Millisecond}, []string{"a broker session of 1ms"}},
		{"TLS without a certificate", func(*testing.T) {}, Local{Secure: &Secure{}}, []string{"needs a certificate"}},
		{"unreadable certificate", func(*testing.T) {}, Local{Secure: &Secure{
			Certificate: "/no/such/certificate", Key: "/no/such/key", Mechanisms: []string{kafka.Plain}, Client: kafka.Cluster{TLS: &kafka.TLS{}}}}, []string{"/no/such/key"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("PATH", path)
			test.prepare(t)
			fails(t, t.Context(), test.local, Options{Workspace: newWorkspace(t), Executable: os.Args[0]}, test.want...)
		})
	}
}

// fakeJava makes JAVA_HOME name a Java that is the real one but for the broker, for which how decides.
func fakeJava(t *testing.T, how string) {
	t.Helper()
	findKafkaNow(t)
	java, err := FindJava(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cache := ownCache(t)
	if err := os.MkdirAll(filepath.Join(cache, "runs"), 0o711); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`case " $* " in *" kafka.Kafka "*) exec %s %s %s "$@";; esac
exec %s "$@"`, self, javaVerb, how, java.Path)
	t.Setenv("JAVA_HOME", filepath.Dir(script(t, "java", text)))
}

// beJava is javaVerb: args are how, and the broker's command line, whose last argument is its file of settings.
func beJava(args []string) error {
	text, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(string(regexp.MustCompile(`CLIENTS://127\.0\.0\.1:(\d+)`).FindSubmatch(text)[1]))
	if err != nil {
		return err
	}
	meta, err := os.ReadFile(filepath.Join(strings.TrimSuffix(args[len(args)-1], ".properties"), "meta.properties"))
	if err != nil {
		return err
	}
	switch args[0] {
	case "silent": // takes connections, answers nothing, dies
		l, err := net.Listen("tcp4", address(port))
		if err != nil {
			return err
		}
		connection, err := l.Accept()
		if err != nil {
			return err
		}
		defer connection.Close()
	case "answers": // answers for long, is never let in, dies
		id := regexp.MustCompile(`cluster\.id=(\S+)`).FindSubmatch(meta)[1]
		cluster, err := kfake.NewCluster(kfake.Ports(port), kfake.ClusterID(string(id)))
		if err != nil {
			return err
		}
		defer cluster.Close()
		time.Sleep(time.Second)
	}
	return errors.New("a fault in the broker's first second")
}

func TestLocalBrokerThatDiesWhileStarting(t *testing.T) {
	for _, how := range []string{"at once", "silent", "answers"} {
		t.Run(how, func(t *testing.T) {
			needKafka(t)
			fakeJava(t, how)
			// The class data archive is made by a broker: it cannot be, and that alone stops nothing.
			fails(t, t.Context(), Local{}, Options{Workspace: newWorkspace(t), Executable: os.Args[0]},
				"start the broker on 127.0.0.1:", "exit status 1", "a fault in the broker's first second")
		})
	}
	t.Run("one of three", func(t *testing.T) {
		c := startCluster(t, Local{Brokers: 3, SessionTimeout: time.Second})
		if err := c.servers[1].Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		// What it needs of its past is damaged.
		if err := os.WriteFile(filepath.Join(c.nodes[1].dir, "meta.properties"), []byte("version=1\nnode.id=77\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.servers[1].Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "start the broker-2 on ") || !strings.Contains(err.Error(), "meta.properties") {
			t.Errorf("got %v", err)
		}
	})
}

func TestLocalInterruptedStart(t *testing.T) {
	for _, until := range []string{"kafka.properties", "kafka.log", "kafka/__cluster_metadata-0"} { // before, during formatting, while starting
		t.Run(filepath.Base(until), func(t *testing.T) {
			needKafka(t)
			findKafkaNow(t)
			w := newWorkspace(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			go func() {
				for ctx.Err() == nil {
					if _, err := os.Stat(filepath.Join(w.Dir, until)); err == nil {
						cancel(errors.New("interrupted by the user"))
					}
					time.Sleep(time.Millisecond)
				}
			}()
			fails(t, ctx, Local{}, Options{Workspace: w, Executable: os.Args[0]}, "interrupted by the user")
		})
	}
}

func TestLocalNothingOutlivesAKilledHarness(t *testing.T) {
	needKafka(t)
	findKafkaNow(t)
	ownCache(t)
	harness := exec.Command(os.Args[0], harnessVerb, "local")
	harness.Stderr = os.Stderr
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = harness.Wait()
		t.Fatalf("the harness did not start: %v", err)
	}
	var report harnessReport
	if err := json.Unmarshal(line, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Processes) < 5 { // two guards, Java, postmaster, its workers
		t.Errorf("the harness has %d processes below it, want at least 5", len(report.Processes))
	}
	if err := harness.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = harness.Wait()
	gone(t, report.Processes)
	if swept, err := Sweep(t.Context(), nil); err != nil || !slices.Equal(swept, []string{report.Dir}) {
		t.Errorf("the sweep removed %v, %v; want %s", swept, err, report.Dir)
	}
}
