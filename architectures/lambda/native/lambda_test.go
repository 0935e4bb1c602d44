package native_test

import (
	"testing"
	"time"

	"lkbench/architectures/archtest"
	lambda "lkbench/architectures/lambda/native"
	"lkbench/internal/infra"
	"lkbench/internal/infra/docker"
	"lkbench/internal/infra/external"
	"lkbench/internal/infra/infratest"
)

func TestMain(m *testing.M) { archtest.Main(m, lambda.New(), deaf{lambda.New()}) }

func TestConformance(t *testing.T) { archtest.Test(t, lambda.New()) }

// Real Kafka. The session is short so that a killed broker is let in again soon.
func TestConformanceOnLocal(t *testing.T) {
	infratest.NeedJava(t)
	archtest.Test(t, lambda.New(), archtest.On(infra.Local{SessionTimeout: time.Second}), archtest.Seeds(4))
}

// Three brokers: the one that is killed leads a partition, and the others go on.
func TestConformanceOnThreeBrokers(t *testing.T) {
	infratest.NeedJava(t)
	archtest.Test(t, lambda.New(), archtest.On(infra.Local{Brokers: 3, SessionTimeout: time.Second}), archtest.Seeds(2), archtest.Briefly())
}

func TestConformanceOnDocker(t *testing.T) {
	infratest.NeedImages(t, docker.HasImage, docker.DefaultKafkaImage, docker.DefaultPostgresImage)
	archtest.Test(t, lambda.New(), archtest.On(docker.Provider{SessionTimeout: time.Second}), archtest.Seeds(3), archtest.Briefly())
}

// Servers of others: Kafka with SASL_SSL and rules, PostgreSQL over TLS and a role that may hardly do more than make schemas.
func TestConformanceOnExternal(t *testing.T) {
	s := infratest.Secure(t)
	archtest.Test(t, lambda.New(), archtest.On(external.Provider{Kafka: s.Kafka, Postgres: s.Follower}), archtest.Seeds(3))
}
