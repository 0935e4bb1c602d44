package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/infratest"
	"lkbench/results"
)

// forgiving are the limits of a scenario for tests of behaviour; what must hold is that every answer is right.
var forgiving = []string{
	"--set", "limits.schedule_delay_p999=30s", "--set", "limits.observer_lag=30s", "--set", "limits.offered_shortfall=0.9", "--set", "expect=[]",
}

// TestRealServers runs the catalogue's scenarios through both architectures on every provider of real servers.
func TestRealServers(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		infratest.NeedJava(t)
		passes(t, "smoke", "--infra=local")
		passes(t, "odd", "--infra=local", "--brokers=3", "--broker-session-timeout=1s")
		passes(t, "spike", "--infra=local", "--set", "time_scale=0.3")
	})
	t.Run("docker", func(t *testing.T) {
		infratest.NeedImages(t, docker.HasImage, docker.DefaultKafkaImage, docker.DefaultPostgresImage)
		passes(t, "smoke", "--infra=docker", "--cpus=1.5", "--memory=2g")
		passes(t, "odd", "--infra=docker")
		passes(t, "spike", "--infra=docker", "--set", "time_scale=0.3")
	})
	t.Run("external", func(t *testing.T) {
		servers := infratest.Secure(t)
		t.Setenv("LKBENCH_KAFKA_CONFIG", servers.KafkaProperties)
		for _, c := range []struct{ scenario, postgres, method string }{
			{"smoke", servers.Reader, results.MethodSequence},
			{"odd", servers.Follower, results.MethodLog},
			{"spike", servers.Follower, results.MethodLog},
		} {
			t.Setenv("LKBENCH_POSTGRES", c.postgres)
			text, dir := passes(t, c.scenario, "--infra=external", "--set", "time_scale=0.3")
			servers.NoPassword(t, text)
			noPasswordBelow(t, servers, dir)
			for _, r := range records(t, dir) {
				if r.Observer.Method != c.method {
					t.Errorf("%s of %s was watched by %q, want %q", r.Arch, c.scenario, r.Observer.Method, c.method)
				}
				if len(r.Environment.Cannot) == 0 {
					t.Errorf("%s of %s: the record does not say what is not possible on servers of others", r.Arch, c.scenario)
				}
			}
			nothingLeft(t, servers)
		}
	})
}

// passes runs a scenario through both architectures, wants the verdict passed, and verifies the saved runs. It gives what was
// printed and the directory of the runs.
func passes(t *testing.T, scenario string, args ...string) (text, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "runs")
	args = append(append([]string{"run", "--arch=lambda,kappa", "--scenario=" + scenario, "--out=" + dir, "--progress=plain"}, forgiving...), args...)
	out, err := exec.CommandContext(t.Context(), "lkbench", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("lkbench %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, r := range records(t, dir) {
		if r.Verdict.Status != results.Passed || r.Correctness.Expected == 0 || r.Observer.Alerts == 0 {
			t.Errorf("%s of %s: %s %v, %d rows expected, %d alerts", r.Arch, scenario, r.Verdict.Status, r.Verdict.Reasons, r.Correctness.Expected, r.Observer.Alerts)
		}
	}
	return string(out), dir
}

// records are those of the two runs in a directory, each judged again from its files.
func records(t *testing.T, dir string) []*results.Record {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != 2 {
		t.Fatalf("want two runs in %s: %v, %v", dir, found, err)
	}
	var all []*results.Record
	for _, run := range found {
		if out, err := exec.CommandContext(t.Context(), "lkbench", "verify", run).CombinedOutput(); err != nil {
			t.Errorf("verify %s: %v: %s", run, err, out)
		}
		r, err := results.ReadRecord(run)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// noPasswordBelow looks into every file of the runs.
func noPasswordBelow(t *testing.T, servers *infratest.Secured, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, password := range servers.Passwords() {
			if bytes.Contains(content, []byte(password)) {
				t.Errorf("%s holds a password", path)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}

// left is what lkbench has made on servers and not removed.
func left(t *testing.T, servers *infratest.Secured) []string {
	t.Helper()
	client, err := servers.KafkaAdmin.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "lkbench_") {
			names = append(names, "topic "+name)
		}
	}
	conn, err := pgx.Connect(t.Context(), servers.Postgres.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `select 'schema ' || nspname from pg_namespace where nspname like 'lkbench%'
		union all select 'publication ' || pubname from pg_publication union all select 'slot ' || slot_name from pg_replication_slots`)
	if err != nil {
		t.Fatal(err)
	}
	more, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return append(names, more...)
}

func nothingLeft(t *testing.T, servers *infratest.Secured) {
	t.Helper()
	if names := left(t, servers); len(names) > 0 {
		t.Errorf("left on the servers: %v", names)
	}
}

// TestKilledHarnessOnRealServers kills the program in the middle of a run on real servers: processes end by themselves, containers
// and what was made on servers of others go with the next start or a sweep.
func TestKilledHarnessOnRealServers(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		infratest.NeedJava(t)
		children := killed(t, "--infra=local")
		if len(children) < 10 { // as embedded, and Java under its guard
			t.Errorf("only %d processes were below lkbench", len(children))
		}
		if text := sweeps(t); !strings.Contains(text, "removed what a dead run left: ") {
			t.Errorf("the sweep says %q", text)
		}
	})
	t.Run("docker", func(t *testing.T) {
		infratest.NeedImages(t, docker.HasImage, docker.DefaultKafkaImage, docker.DefaultPostgresImage)
		killed(t, "--infra=docker", "--brokers=3")
		before := containers(t)
		if len(before) != 4 {
			t.Errorf("containers of the killed run: %v, want three brokers and a database", before)
		}
		sweeps(t)
		if after := containers(t); len(after) > 0 {
			t.Errorf("the sweep left containers: %v", after)
		}
	})
	t.Run("external", func(t *testing.T) {
		servers := infratest.Secure(t)
		t.Setenv("LKBENCH_KAFKA_CONFIG", servers.KafkaProperties)
		t.Setenv("LKBENCH_POSTGRES", servers.Follower)
		killed(t, "--infra=external")
		if names := left(t, servers); len(names) < 3 {
			t.Errorf("the killed run left %v on the servers; want topics, a schema, a publication", names)
		}
		text := sweeps(t)
		servers.NoPassword(t, text)
		nothingLeft(t, servers)
	})
}

// killed starts a run in a cache of its own, kills it under load, and waits until the processes below it have ended.
func killed(t *testing.T, args ...string) map[int32]int64 {
	t.Helper()
	t.Setenv("LKBENCH_CACHE", linkedCache(t))
	cmd, out := begin(t, t.TempDir(), long, `lambda +load`, append([]string{"--arch=lambda"}, args...)...)
	children := descendants(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.end() // killed
	waitFor(t, "the end of all processes", func() bool { return len(alive(children)) == 0 }, out)
	return children
}

func sweeps(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "lkbench", "sweep").CombinedOutput()
	if err != nil {
		t.Errorf("lkbench sweep: %v: %s", err, out)
	}
	return string(out)
}

// containers are those of runs in this test's cache.
func containers(t *testing.T) []string {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(os.Getenv("LKBENCH_CACHE"), "runs"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range dirs {
		out, err := exec.CommandContext(t.Context(), "docker", "ps", "-aq", "--filter", "label="+docker.WorkspaceLabel+"="+d.Name()).Output()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, regexp.MustCompile(`\S+`).FindAllString(string(out), -1)...)
	}
	return found
}

// linkedCache is a cache of the test's own, in which nobody else sweeps, with what was fetched for everybody.
func linkedCache(t *testing.T) string {
	t.Helper()
	shared, err := infra.FindCache()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(shared.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dir := ownCache(t)
	for _, e := range entries {
		if e.IsDir() && e.Name() != "runs" {
			if err := os.Symlink(filepath.Join(shared.Dir, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
