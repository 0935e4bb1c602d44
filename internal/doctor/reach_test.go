package doctor

import (
	"strings"
	"testing"

	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// Servers that are named are reached and judged; what is not there is missing, with what to do.
func TestNamedServers(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1)
	external := func(a Addresses) Findings {
		p, here := complete(), Here(a)
		p.Kafka, p.Postgres = here.Kafka, here.Postgres
		return Examine(t.Context(), patience, p)
	}
	f := external(Addresses{Kafka: &cluster, Postgres: postgres})
	if p := f.part(t, "external"); p.Status != OK || !p.Works {
		t.Errorf("got %+v", p)
	}
	if c := f.found(t, "external", "postgresql"); !strings.Contains(c.Found, "at 127.0.0.1:") || strings.Contains(c.Found, "postgres://") {
		t.Errorf("got %+v", c)
	}
	f = external(Addresses{Kafka: &kafka.Cluster{Brokers: []string{"127.0.0.1:1"}}, Postgres: postgres})
	if c := f.found(t, "external", "kafka"); c.Status != Missing || !strings.Contains(c.Found, "nothing listens there") || c.Do == "" {
		t.Errorf("got %+v", c)
	}
	if f.part(t, "external").Works {
		t.Error("external works without Kafka")
	}
}
