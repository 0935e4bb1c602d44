package docker

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestBrokerSettings(t *testing.T) {
	for brokers, want := range map[int]map[string]string{
		1: {"controller.quorum.voters": "1@localhost:9094", "advertised.listeners": "CLIENTS://127.0.0.1:16000,INTERNAL://localhost:9093",
			"min.insync.replicas": "1", "default.replication.factor": "1", "broker.session.timeout.ms": "9000"},
		3: {"controller.quorum.voters": "1@broker-1:9094,2@broker-2:9094,3@broker-3:9094", "node.id": "1",
			"advertised.listeners": "CLIENTS://127.0.0.1:16000,INTERNAL://broker-1:9093", "min.insync.replicas": "2", "default.replication.factor": "3"},
	} {
		got, p := map[string]string{}, Provider{Brokers: brokers}
		for _, s := range p.settings(0, 16000) {
			if _, twice := got[s.Name]; twice || s.Name == "" || s.Value == "" || len(s.Why) < 15 {
				t.Errorf("%q = %q: %q (twice: %v)", s.Name, s.Value, s.Why, twice)
			}
			got[s.Name] = s.Value
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("with %d brokers %s is %q, want %q", brokers, name, got[name], value)
			}
		}
	}
	for _, s := range (Provider{Brokers: 1, SessionTimeout: time.Second}).settings(0, 1) {
		if s.Name == "broker.heartbeat.interval.ms" && s.Value != "250" {
			t.Errorf("heartbeats are %s ms apart", s.Value)
		}
	}
}

func TestHeapFitsTheLimit(t *testing.T) {
	for limit, want := range map[int64]int64{0: 512 << 20, 4 << 30: 512 << 20, 1 << 30: 512 << 20, 512 << 20: 256 << 20} {
		if got := (Provider{MemoryBytes: limit}).heap(); got != want {
			t.Errorf("with %d bytes the heap is %d, want %d", limit, got, want)
		}
	}
}

func TestPortTakenIsRecognised(t *testing.T) {
	for text, want := range map[string]bool{
		"driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:15000 failed: port is already allocated": true,
		"Error starting userland proxy: listen tcp4 127.0.0.1:15000: bind: address already in use":                                  true,
		"Ports are not available: exposing port TCP 127.0.0.1:15000":                                                                true,
		"no space left on device": false,
	} {
		if got := portTaken(errors.New(strings.ToLower(text[:1]) + text[1:])); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
