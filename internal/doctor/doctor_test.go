package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every combination of what may be here and what may not: what works then, which check says why, and what to do.
func TestProviders(t *testing.T) {
	type expectation struct {
		part, check string
		status      Status
		found, do   string // part of the texts
	}
	for name, c := range map[string]struct {
		change  func(t *testing.T, p *Probes)
		works   []string
		expects []expectation
	}{
		"everything": {
			change: func(*testing.T, *Probes) {}, works: []string{"embedded", "local", "docker"},
			expects: []expectation{
				{"embedded", "kafka", OK, "kfake v0.0.0", ""}, {"embedded", "postgresql", OK, "18.3 in /cache", ""},
				{"local", "java", OK, "Java 17.0.15, /usr/bin/java", ""}, {"local", "maven", OK, "3.8.7", ""}, {"local", "kafka", OK, "4.3.1 in /cache", ""},
				{"docker", "engine", OK, "28.2.2", ""}, {"docker", "kafka_image", OK, "apache/kafka:4.3.1 is here", ""},
				{"external", "addresses", NotChecked, "no addresses", "--postgres"}, {"native", "program", OK, "", ""},
			},
		},
		"nothing but this program and a network": {
			change: func(_ *testing.T, p *Probes) {
				p.Java, p.Maven, p.Engine, p.Docker = fails[Program]("no Java"), fails[Program]("no Maven"), fails[Engine]("no socket"), gives(DockerPrograms{})
				p.KafkaCached, p.PostgresCached = gives(Cached{"4.3.1", "/cache/kafka", false}), gives(Cached{"18.3", "/cache/postgres", false})
			},
			works: []string{"embedded"},
			expects: []expectation{
				{"embedded", "postgresql", ToFetch, "will be fetched", "LKBENCH_POSTGRES_BIN"},
				{"local", "java", Missing, "no Java", "apt-get install java"}, {"local", "maven", Missing, "no Maven", "apt-get install maven"},
				{"local", "kafka", Missing, "no Maven fetches it", "LKBENCH_KAFKA_LIBS"},
				{"docker", "engine", Missing, "no socket", "apt-get install docker.io"}, {"docker", "kafka_image", NotChecked, "no engine", ""},
			},
		},
		"a docker client, no engine installed": {
			change: func(_ *testing.T, p *Probes) {
				p.Engine, p.Docker = fails[Engine]("no engine answers at unix:///nowhere; start Docker (or so)"), gives(DockerPrograms{Client: "/usr/bin/docker"})
			},
			works:   []string{"embedded", "local"},
			expects: []expectation{{"docker", "engine", Missing, "client is here (/usr/bin/docker), but no engine answers at unix:///nowhere", "apt-get install docker.io"}},
		},
		"an engine that does not run": {
			change:  func(_ *testing.T, p *Probes) { p.Engine = fails[Engine]("no engine answers") },
			works:   []string{"embedded", "local"},
			expects: []expectation{{"docker", "engine", Missing, "no engine answers", "systemctl start docker"}},
		},
		"an engine that this user may not use": {
			change: func(_ *testing.T, p *Probes) {
				p.Engine = func(context.Context) (Engine, error) { return Engine{}, fmt.Errorf("dial: %w", fs.ErrPermission) }
			},
			works:   []string{"embedded", "local"},
			expects: []expectation{{"docker", "engine", Missing, "permission denied", "usermod -aG docker"}},
		},
		"an engine without programs": {
			change: func(_ *testing.T, p *Probes) { p.Docker = gives(DockerPrograms{}) },
			works:  []string{"embedded", "local", "docker"},
		},
		"an engine without images": {
			change: func(_ *testing.T, p *Probes) { p.Images[0].Here, p.Images[1].Here = gives(false), gives(false) },
			works:  []string{"embedded", "local", "docker"},
			expects: []expectation{
				{"docker", "kafka_image", ToFetch, "apache/kafka:4.3.1 is not here", "docker pull apache/kafka:4.3.1"},
				{"docker", "postgres_image", ToFetch, "postgres:18 is not here", "make images"},
			},
		},
		"an engine that does not tell about images": {
			change:  func(_ *testing.T, p *Probes) { p.Images[1].Here = fails[bool]("internal error") },
			works:   []string{"embedded", "local"},
			expects: []expectation{{"docker", "postgres_image", Missing, "internal error", "docker image inspect postgres:18"}},
		},
		"an engine with fewer CPUs": {
			change: func(_ *testing.T, p *Probes) { p.Engine = gives(Engine{OS: "Debian", CPUs: 2, Memory: 8 << 30}) },
			works:  []string{"embedded", "local", "docker"}, expects: []expectation{{"docker", "engine", Warning, "2 CPUs", "all 4 CPUs"}},
		},
		"an engine with little memory": {
			change: func(_ *testing.T, p *Probes) { p.Engine = gives(Engine{OS: "Debian", CPUs: 4, Memory: 1 << 30}) },
			works:  []string{"embedded", "local", "docker"}, expects: []expectation{{"docker", "engine", Warning, "1 GiB", "at least 2 GiB"}},
		},
		"a Java that is too old": {
			change: func(_ *testing.T, p *Probes) { p.Java = fails[Program]("the Java on the path is too old: Java 11") },
			works:  []string{"embedded", "docker"}, expects: []expectation{{"local", "java", Missing, "Java 11", "apt-get install java"}},
		},
		"Java, no Maven, Kafka fetched": {
			change: func(_ *testing.T, p *Probes) { p.Maven = fails[Program]("no Maven") },
			works:  []string{"embedded", "local", "docker"}, expects: []expectation{{"local", "maven", OK, "none is needed", ""}},
		},
		"Maven, no Java, Kafka fetched": {
			change: func(_ *testing.T, p *Probes) { p.Java = fails[Program]("no Java") },
			works:  []string{"embedded", "docker"}, expects: []expectation{{"local", "java", Missing, "", "java"}, {"local", "maven", OK, "3.8.7", ""}},
		},
		"Maven, which needs Java, no Java, Kafka not fetched": {
			change: func(_ *testing.T, p *Probes) {
				p.Java, p.KafkaCached = fails[Program]("no Java"), gives(Cached{"4.3.1", "/cache/kafka", false})
				p.Maven = func(context.Context) (Program, error) {
					return Program{Path: "/usr/bin/mvn"}, errors.New("JAVA_HOME is not defined")
				}
			},
			works: []string{"embedded", "docker"},
			expects: []expectation{{"local", "java", Missing, "no Java", "java"}, {"local", "maven", NotChecked, "/usr/bin/mvn is here; it needs Java", ""},
				{"local", "kafka", ToFetch, "by Maven", ""}},
		},
		"Maven that is broken, Java, Kafka not fetched": {
			change: func(_ *testing.T, p *Probes) {
				p.KafkaCached = gives(Cached{"4.3.1", "/cache/kafka", false})
				p.Maven = func(context.Context) (Program, error) {
					return Program{Path: "/usr/bin/mvn"}, errors.New("exit status 1")
				}
			},
			works:   []string{"embedded", "docker"},
			expects: []expectation{{"local", "maven", Missing, "exit status 1", "apt-get install maven"}, {"local", "kafka", Missing, "no Maven", ""}},
		},
		"Java and Maven, Kafka not fetched": {
			change: func(_ *testing.T, p *Probes) { p.KafkaCached = gives(Cached{"4.3.1", "/cache/kafka", false}) },
			works:  []string{"embedded", "local", "docker"}, expects: []expectation{{"local", "kafka", ToFetch, "will be fetched by Maven", "LKBENCH_KAFKA_LIBS"}},
		},
		"jars that are no Kafka": {
			change: func(_ *testing.T, p *Probes) { p.KafkaCached = fails[Cached]("LKBENCH_KAFKA_LIBS=/x has no kafka") },
			works:  []string{"embedded", "docker"}, expects: []expectation{{"local", "kafka", Missing, "has no kafka", ""}},
		},
		"installed PostgreSQL that does not do": {
			change: func(_ *testing.T, p *Probes) { p.PostgresCached = fails[Cached]("PostgreSQL 9 is too old") },
			works:  []string{"docker"}, expects: []expectation{{"embedded", "postgresql", Missing, "too old", ""}, {"local", "postgresql", Missing, "too old", ""}},
		},
		"a cache that cannot be used": {
			change: func(_ *testing.T, p *Probes) {
				p.Machine = []MachineProbe{machineGives(Check{Name: cacheName, Status: Missing, Found: "closed for nobody", Do: "chmod o+x /root"})}
				p.Kafka, p.Postgres = gives(Reached{Version: "Kafka 4.3", Address: "a:1"}), gives(Reached{Version: "PostgreSQL 18", Address: "b:2"})
			},
			expects: []expectation{{"embedded", cacheName, Missing, "closed", "chmod"}, {"external", cacheName, Missing, "closed", "chmod"}, {"", cacheName, Missing, "closed", "chmod"}},
		},
		"no free port": {
			change: func(_ *testing.T, p *Probes) {
				p.Machine = []MachineProbe{machineGives(portsCheck(15000, 31999, 200, 0, 32768))}
				p.Kafka, p.Postgres = gives(Reached{Version: "Kafka 4.3", Address: "a:1"}), gives(Reached{Version: "PostgreSQL 18", Address: "b:2"})
			},
			works:   []string{"external"},
			expects: []expectation{{"local", portsName, Missing, "0 of 200", "ss -ltnp"}, {"external", "kafka", OK, "Kafka 4.3 at a:1", ""}},
		},
		"external with Kafka alone": {
			change:  func(_ *testing.T, p *Probes) { p.Kafka = gives(Reached{Version: "Kafka 4.3", Address: "a:1"}) },
			works:   []string{"embedded", "local", "docker"},
			expects: []expectation{{"external", "postgresql", Missing, "no address", "LKBENCH_POSTGRES"}},
		},
		"external with a drawback": {
			change: func(_ *testing.T, p *Probes) {
				p.Kafka = gives(Reached{Version: "Kafka 4.3", Address: "a:1"})
				p.Postgres = gives(Reached{Version: "PostgreSQL 18", Address: "b:2", Notes: []string{"wal_level is replica"}})
			},
			works:   []string{"embedded", "local", "docker", "external"},
			expects: []expectation{{"external", "postgresql", Warning, "wal_level", ""}},
		},
		"external without rights": {
			change: func(_ *testing.T, p *Probes) {
				p.Kafka = gives(Reached{Version: "Kafka 4.3", Address: "a:1", Lacks: []string{"may not create topics"}})
				p.Postgres = gives(Reached{Version: "PostgreSQL 18", Address: "b:2"})
			},
			works:   []string{"embedded", "local", "docker"},
			expects: []expectation{{"external", "kafka", Missing, "may not create topics", "rights"}},
		},
		"external that does not answer": {
			change: func(_ *testing.T, p *Probes) {
				p.Kafka, p.Postgres = fails[Reached]("connection refused"), gives(Reached{})
			},
			works:   []string{"embedded", "local", "docker"},
			expects: []expectation{{"external", "kafka", Missing, "connection refused", "the server behind it"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := complete()
			c.change(t, &p)
			f := Examine(t.Context(), patience, p)
			if got := f.Working(); !slices.Equal(got, c.works) {
				t.Errorf("works: %v, want %v", got, c.works)
			}
			if f.Works != (len(c.works) > 0) {
				t.Errorf("Works is %v with %v", f.Works, c.works)
			}
			for _, e := range c.expects {
				got := f.found(t, e.part, e.check)
				if got.Status != e.status || !strings.Contains(got.Found, e.found) || !strings.Contains(got.Do, e.do) {
					t.Errorf("%s of %q: got %+v, want %+v", e.check, e.part, got, e)
				}
			}
		})
	}
}

// An error that names the command is divided there; one in brackets, or in the middle of words, is not.
func TestFailedDividesTheError(t *testing.T) {
	for _, c := range []struct{ text, found, do string }{
		{"no Java; Kafka needs 17: apt-get install java, or JAVA_HOME", "no Java; Kafka needs 17", "apt-get install java, or JAVA_HOME"},
		{"no Java (on Linux: apt-get install java)", "no Java (on Linux: apt-get install java)", "apt-get install java"},
		{"no Java, apt-get install java", "no Java, apt-get install java", "apt-get install java"},
		{"no Java", "no Java", "apt-get install java"},
	} {
		if got := failed("java", errors.New(c.text), "apt-get install java"); got.Found != c.found || got.Do != c.do || got.Status != Missing {
			t.Errorf("%q: got %+v", c.text, got)
		}
	}
	if got := failed("java", errors.New("no: Java"), ""); got.Found != "no: Java" || got.Do != "" {
		t.Errorf("without a command: got %+v", got)
	}
}

// Probes that hang end nothing else: their checks are unknown, the provider does not count as working, and the rest is there.
func TestProbesThatHang(t *testing.T) {
	p := complete()
	p.Java, p.Engine = hangs[Program](t), hangs[Engine](t)
	p.Machine = append(p.Machine, MachineProbe{[]string{"cache", "disk_sync"}, hangs[[]Check](t)})
	began := time.Now()
	f := Examine(t.Context(), 50*time.Millisecond, p)
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
	for _, where := range [][2]string{{"local", "java"}, {"docker", "engine"}, {"", "cache"}, {"", "disk_sync"}} {
		if c := f.found(t, where[0], where[1]); c.Status != Unknown || !strings.Contains(c.Found, "no answer within 50ms") {
			t.Errorf("%v: %+v", where, c)
		}
	}
	if f.part(t, "local").Works || f.part(t, "docker").Works {
		t.Errorf("what is unknown counts as working: %v", f.Working())
	}
	if c := f.found(t, "", "disk"); c.Status != OK {
		t.Errorf("a probe that answered is %+v", c)
	}
}

// The measuring probes are alone: no other runs before they have ended.
func TestMeasuringIsUndisturbed(t *testing.T) {
	p := complete()
	measured := make(chan struct{})
	look := p.Quiet[0].Look
	p.Quiet[0].Look = func(ctx context.Context) ([]Check, error) {
		time.Sleep(20 * time.Millisecond)
		close(measured)
		return look(ctx)
	}
	early := func() {
		select {
		case <-measured:
		default:
			t.Error("a probe ran while the machine was measured")
		}
	}
	java, disk := p.Java, p.Machine[0].Look
	p.Java = func(ctx context.Context) (Program, error) { early(); return java(ctx) }
	p.Machine[0].Look = func(ctx context.Context) ([]Check, error) { early(); return disk(ctx) }
	Examine(t.Context(), patience, p)
}

// The keys of the JSON form are what scripts rely on.
func TestJSON(t *testing.T) {
	p := complete()
	p.Machine = []MachineProbe{machineGives(loadCheck(3, 2, 4))}
	text, err := json.Marshal(Examine(t.Context(), patience, p))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema    int      `json:"schema_version"`
		Works     *bool    `json:"works"`
		Providers []part1  `json:"providers"`
		Engines   []part1  `json:"engines"`
		Machine   []check1 `json:"machine"`
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if got.Schema != 1 || got.Works == nil || !*got.Works || len(got.Providers) != 4 || len(got.Engines) != 1 {
		t.Errorf("got %s", text)
	}
	all := slices.Clone(got.Machine)
	for _, p := range append(got.Providers, got.Engines...) {
		if p.Name == "" || p.Status == "" || p.Works == nil || len(p.Checks) == 0 {
			t.Errorf("incomplete: %+v", p)
		}
		all = append(all, p.Checks...)
	}
	for _, c := range all {
		if c.Name == "" || c.Status == "" || c.Found == nil || c.Do == nil || c.Measured == nil {
			t.Errorf("incomplete: %+v", c)
		}
	}
	if c := got.Machine[0]; c.Name != "load" || c.Status != "warning" || c.Measured["load_1m"] != 3 {
		t.Errorf("the load is %+v", c)
	}
}

// part1 and check1 are Part and Check of schema version 1, written out again: they do not follow a change of ours.
type part1 struct {
	Name   string   `json:"name"`
	Status string   `json:"status"`
	Works  *bool    `json:"works"`
	Checks []check1 `json:"checks"`
}

type check1 struct {
	Name     string             `json:"name"`
	Status   string             `json:"status"`
	Found    *string            `json:"found"`
	Do       *string            `json:"do"`
	Measured map[string]float64 `json:"measured"`
}
