package fault

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/scenarios"
)

func lambdaSite() Site {
	return Site{
		Arch: "lambda", Infra: "embedded", Brokers: 1, Root: true, Linux: true,
		Components: []SiteComponent{
			{Name: "ingest", Roles: []string{"stream", "ingest"}, Kafka: true}, {Name: "speed", Roles: []string{"stream", "speed"}, Kafka: true},
			{Name: "batch", Roles: []string{"batch"}},
		},
	}
}

func kappaSite() Site {
	s := lambdaSite()
	s.Arch, s.Components = "kappa", []SiteComponent{
		{Name: "stream", Roles: []string{"stream"}, Kafka: true}, {Name: "reprocess", Roles: []string{"batch"}, OnDemand: true, Kafka: true},
	}
	return s
}

func TestMembers(t *testing.T) {
	three := kappaSite()
	three.Brokers = 3
	external := lambdaSite()
	external.Brokers = 0
	for _, c := range []struct {
		site   Site
		target string
		want   []string
	}{
		{lambdaSite(), "stream", []string{"ingest", "speed"}},
		{lambdaSite(), "speed", []string{"speed"}},
		{lambdaSite(), "all", []string{"ingest", "speed", "batch"}},
		{lambdaSite(), "random", []string{"ingest", "speed", "batch"}},
		{kappaSite(), "all", []string{"stream"}},
		{kappaSite(), "batch", []string{"reprocess"}},
		{kappaSite(), "random", []string{"stream"}},
		{kappaSite(), "speed", nil},
		{kappaSite(), "broker", []string{"broker"}},
		{kappaSite(), "serving", []string{"database"}},
		{three, "broker", []string{"broker-1", "broker-2", "broker-3"}},
		{three, "broker-2", []string{"broker-2"}},
		{three, "broker-4", nil},
		{external, "database", nil},
		{external, "broker", nil},
	} {
		if got := c.site.Members(c.target); !slices.Equal(got, c.want) {
			t.Errorf("%s, %d brokers: behind %s are %v, want %v", c.site.Arch, c.site.Brokers, c.target, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	docker, external, three, user, mac, noGroups := lambdaSite(), lambdaSite(), lambdaSite(), lambdaSite(), lambdaSite(), lambdaSite()
	docker.Infra = "docker"
	external.Infra, external.Brokers = "external", 0
	three.Infra, three.Brokers = "local", 3
	user.Root = false
	mac.Linux, mac.NoMemoryLimit = false, "no control groups here"
	noGroups.NoMemoryLimit, noGroups.NoDiskLimit = "read-only file system", "read-only file system"
	for _, c := range []struct {
		kind, target, to string
		site             Site
		want             string // in the error; "" for none
	}{
		{"crash", "stream", "", lambdaSite(), ""},
		{"crash", "all", "", external, ""},
		{"crash", "database", "", docker, ""},
		{"crash", "broker-2", "", three, ""},
		{"crash", "speed", "", kappaSite(), `kappa has no target "speed": expected one of all, batch, broker, random, serving, stream, reprocess, database`},
		{"crash", "broker-2", "", lambdaSite(), "no target"},
		{"crash", "", "", lambdaSite(), "expected one of"},
		{"crash", "database", "", external, "somebody else: --infra=embedded, local and docker"},
		{"crash", "broker-1", "", external, "somebody else"},
		{"zombie", "speed", "", lambdaSite(), ""},
		{"zombie", "database", "", lambdaSite(), "is a server: expected a component of lambda, one of ingest, speed, batch"},
		{"latency", "stream", "", lambdaSite(), ""},
		{"partition", "broker", "", lambdaSite(), "is a server"},
		{"drop", "batch", "kafka", lambdaSite(), "batch has no connection to kafka: expected one of ingest, speed"},
		{"drop", "batch", "postgres", lambdaSite(), ""},
		{"drop", "batch", "kafka", kappaSite(), ""},
		{"drop", "all", "kafka", lambdaSite(), ""},
		{"cpu", "broker", "", lambdaSite(), ""},
		{"cpu", "broker", "", docker, "is a container: --infra=embedded and local"},
		{"cpu", "batch", "", docker, ""},
		{"memory", "speed", "", lambdaSite(), ""},
		{"memory", "speed", "", noGroups, "read-only file system"},
		{"memory", "database", "", docker, "is a container"},
		{"memory", "speed", "", mac, "Linux"},
		{"lock", "", "", external, ""},
		{"lock", "serving", "", lambdaSite(), ""},
		{"lock", "stream", "", lambdaSite(), "done to the database"},
		{"connections", "database", "", docker, ""},
		{"connections", "", "", external, "other users"},
		{"disk-full", "", "", lambdaSite(), ""},
		{"disk-full", "", "", noGroups, ""},
		{"disk-full", "", "", docker, "--infra=embedded and local"},
		{"disk-full", "", "", external, "--infra=embedded and local"},
		{"disk-full", "", "", user, "as root on Linux"},
		{"disk-slow", "", "", mac, "as root on Linux"},
		{"disk-slow", "", "", noGroups, "read-only file system"},
		{"leader-move", "broker", "", three, ""},
		{"leader-move", "", "", lambdaSite(), "--brokers=3"},
		{"topic-full", "", "", external, ""},
		{"topic-full", "database", "", lambdaSite(), "done to the broker"},
		{"topic-full", "", "", Site{Arch: "idle", Brokers: 1}, "no component of role stream"},
		{"explode", "stream", "", lambdaSite(), "expected one of crash, stop"},
	} {
		err := Check(scenarios.Fault{Kind: c.kind, Target: c.target, To: c.to}, c.site)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s of %q on %s with %s: %v; want %q", c.kind, c.target, c.site.Arch, c.site.Infra, err, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	site := lambdaSite()
	drawn := map[string]int{}
	for index := range 60 {
		f := scenarios.Fault{Kind: KindCrash, Target: "random", At: scenarios.Duration(time.Second)}
		got := Resolve(f, site, 7, index)
		if again := Resolve(f, site, 7, index); again != got || got.At != f.At {
			t.Errorf("drawn %+v and then %+v", got, again)
		}
		drawn[got.Target]++
	}
	for _, c := range site.Components {
		if drawn[c.Name] < 8 {
			t.Errorf("of 60 draws %v", drawn)
		}
	}
	for index := range 60 {
		if got := Resolve(scenarios.Fault{Kind: KindDrop, Target: "random", To: "kafka"}, site, 7, index); got.Target == "batch" {
			t.Error("a component without connections to Kafka was drawn for a fault of them")
		}
	}
	if f := (scenarios.Fault{Kind: KindCrash, Target: "batch"}); Resolve(f, site, 7, 0) != f {
		t.Error("a target that is not random was changed")
	}
}

// Every kind that a scenario can name is known here and has an injector, and every setting that it uses reaches it.
func TestNew(t *testing.T) {
	for _, kind := range scenarios.Kinds() {
		if f, err := New(scenarios.Fault{Kind: kind}); err != nil || f == nil {
			t.Errorf("%s: %v, %v", kind, f, err)
		}
		if err := Check(scenarios.Fault{Kind: kind, Target: "stream"}, Site{}); err == nil || strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s: %v; want a refusal of its target", kind, err)
		}
	}
	if known := len(slices.Concat(processKinds, networkKinds, databaseKinds, kafkaKinds)); known != len(scenarios.Kinds()) {
		t.Errorf("%d kinds here, %d in scenarios", known, len(scenarios.Kinds()))
	}
	if f, err := New(scenarios.Fault{Kind: "explode"}); err == nil {
		t.Errorf("explode is %v", f)
	}
	s := scenarios.Duration(time.Second)
	for _, c := range []struct {
		from scenarios.Fault
		want Fault
	}{
		{scenarios.Fault{Kind: "crash", Target: "x", For: s}, Crash{"x", time.Second}},
		{scenarios.Fault{Kind: "stop", Target: "x", For: s}, Stop{"x", time.Second}},
		{scenarios.Fault{Kind: "pause", Target: "x", For: s}, Pause{"x", time.Second}},
		{scenarios.Fault{Kind: "zombie", Target: "x", For: s}, Zombie{"x", time.Second}},
		{scenarios.Fault{Kind: "restart-loop", Target: "x", Times: 3, Every: s}, RestartLoop{"x", 3, time.Second}},
		{scenarios.Fault{Kind: "cpu", Target: "x", Share: 0.5, For: s}, CPU{"x", 0.5, time.Second}},
		{scenarios.Fault{Kind: "memory", Target: "x", MiB: 64, For: s}, Memory{"x", 64, time.Second}},
		{scenarios.Fault{Kind: "lock", For: s}, Lock{"customer_profiles", time.Second}},
		{scenarios.Fault{Kind: "vacuum", View: "anomalies", For: s}, Vacuum{"anomalies", time.Second}},
		{scenarios.Fault{Kind: "slow-query", Sessions: 2, For: s}, SlowQuery{"customer_profiles", 2, time.Second}},
		{scenarios.Fault{Kind: "connections", For: s}, Connections{time.Second}},
		{scenarios.Fault{Kind: "disk-full", For: s}, DiskFull{time.Second}},
		{scenarios.Fault{Kind: "disk-slow", For: s}, DiskSlow{time.Second}},
		{scenarios.Fault{Kind: "topic-full", For: s}, TopicFull{time.Second}},
		{scenarios.Fault{Kind: "leader-move"}, LeaderMove{}},
	} {
		if got, err := New(c.from); err != nil || got != c.want {
			t.Errorf("%+v gives %#v, %v; want %#v", c.from, got, err, c.want)
		}
	}
}

func TestDisk(t *testing.T) {
	full, slow := scenarios.Fault{Kind: KindDiskFull}, scenarios.Fault{Kind: KindDiskSlow}
	for _, c := range []struct {
		faults []scenarios.Fault
		want   int64
		refuse bool
	}{{nil, 0, false}, {[]scenarios.Fault{slow}, 0, false}, {[]scenarios.Fault{{Kind: KindCrash}, full}, DatabaseDisk, false}, {[]scenarios.Fault{full, slow}, 0, true}} {
		if got, err := Disk(c.faults); got != c.want || (err != nil) != c.refuse {
			t.Errorf("%v: %d, %v", c.faults, got, err)
		}
	}
}
