package native

import (
	"testing"
	"time"

	"lkbench/architectures/archtest"
	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/external"
	"lkbench/internal/infra/infratest"
)

func TestMain(m *testing.M) {
	archtest.Main(m, New(), broken{name: "offsets-first"}, broken{name: "results-first", resultsFirst: true}, hastyOnes[0], hastyOnes[1])
}

func TestConformance(t *testing.T) { archtest.Test(t, New()) }

// Real Kafka. The session is short so that a killed broker is let in again soon.
func TestConformanceOnLocal(t *testing.T) {
	infratest.NeedJava(t)
	archtest.Test(t, New(), archtest.On(infra.Local{SessionTimeout: time.Second}), archtest.Seeds(4))
}

// Three brokers: the one that is killed leads a partition, and the others go on.
func TestConformanceOnThreeBrokers(t *testing.T) {
	infratest.NeedJava(t)
	archtest.Test(t, New(), archtest.On(infra.Local{Brokers: 3, SessionTimeout: time.Second}), archtest.Seeds(2), archtest.Briefly())
}

func TestConformanceOnDocker(t *testing.T) {
	infratest.NeedImages(t, docker.HasImage, docker.DefaultKafkaImage, docker.DefaultPostgresImage)
	archtest.Test(t, New(), archtest.On(docker.Provider{SessionTimeout: time.Second}), archtest.Seeds(3), archtest.Briefly())
}

// Servers of others: Kafka with SASL_SSL and rules, PostgreSQL over TLS and a role that may hardly do more than make schemas.
func TestConformanceOnExternal(t *testing.T) {
	s := infratest.Secure(t)
	archtest.Test(t, New(), archtest.On(external.Provider{Kafka: s.Kafka, Postgres: s.Follower}), archtest.Seeds(3))
}

// TestSuiteCatches shows that the conformance suite can fail.
func TestSuiteCatches(t *testing.T) {
	for _, b := range []broken{{name: "offsets-first"}, {name: "results-first", resultsFirst: true}} {
		t.Run(b.name, func(t *testing.T) { archtest.Catches(t, b) })
	}
}

// TestSuiteCatchesHaste shows that the suite can tell a right switch from a wrong one.
func TestSuiteCatchesHaste(t *testing.T) {
	for _, h := range hastyOnes {
		t.Run(h.name, func(t *testing.T) { archtest.CatchesReprocess(t, h) })
	}
}
