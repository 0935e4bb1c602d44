package infra

import (
	"context"
	"os"
	"testing"
	"time"
)

// needKafka skips the test where Java is missing, or Kafka is neither cached nor can be fetched.
func needKafka(t *testing.T) {
	t.Helper()
	needPostgres(t)
	_, err := FindJava(t.Context())
	if err == nil {
		_, _, cached, unknown := KafkaCached()
		if err = unknown; err == nil && !cached {
			_, err = FindMaven(t.Context())
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Kafka: %v", err)
		}
		t.Skipf("no Kafka: %v", err)
	}
}

func startLocal(t *testing.T, local Local) (*Instance, *Workspace) {
	t.Helper()
	w := newWorkspace(t)
	began := time.Now()
	i, err := local.Start(t.Context(), Options{Workspace: w, Executable: os.Args[0], Note: func(m string) { t.Log(m) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %v", time.Since(began))
	t.Cleanup(func() {
		if err := i.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i, w
}

func TestLocalStarts(t *testing.T) {
	needKafka(t)
	i, _ := startLocal(t, Local{})
	t.Log(i.KafkaSettings)
	t.Log(i.Brokers[0].StartS)
	i, _ = startLocal(t, Local{Brokers: 3})
	t.Log(i.KafkaSettings, i.Kafka)
}
