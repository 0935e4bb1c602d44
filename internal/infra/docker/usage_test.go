package docker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
)

// The engine's counter begins anew with each life: the sum does not.
func TestSpentOverLives(t *testing.T) {
	var s spent
	now := time.Now()
	want := func(cpu time.Duration, rss int64, ended bool) {
		t.Helper()
		if got, err := s.sum(ended, now); err != nil || got.CPU != cpu || got.RSS != rss {
			t.Errorf("got %+v, %v; want %v and %d bytes", got, err, cpu, rss)
		}
	}
	first := s.nextLife()
	s.take(first, 3*time.Second, 100, now)
	want(3*time.Second, 100, false)
	s.take(first, 0, 0, now) // what the engine says of a container that has ended
	want(3*time.Second, 100, false)
	want(3*time.Second, 0, true)
	second := s.nextLife()
	select {
	case <-s.firstReading():
		t.Error("a reading of the former life counts as one of this")
	default:
	}
	s.take(first, 9*time.Second, 900, now) // too late
	want(3*time.Second, 0, true)
	s.take(second, time.Second, 50, now)
	want(4*time.Second, 50, false)
	<-s.firstReading()
	s.fail(second, errors.New("broken pipe"))
	now = now.Add(time.Minute)
	if _, err := s.sum(false, now); err == nil || !strings.Contains(err.Error(), "told nothing for 1m0s") || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("an old reading passes for a new one: %v", err)
	}
}

func TestHeldMemory(t *testing.T) {
	for name, test := range map[string]struct {
		stats map[string]uint64
		want  int64
		fails bool
	}{
		"cgroups v1":  {map[string]uint64{"total_rss": 100, "total_mapped_file": 20, "total_cache": 5000, "rss": 1}, 120, false},
		"cgroups v2":  {map[string]uint64{"anon": 100, "file_mapped": 20, "file": 5000}, 120, false},
		"not running": {nil, 0, false},
		"something":   {map[string]uint64{"usage": 5}, 0, true},
	} {
		got, err := heldMemory(container.MemoryStats{Usage: 9999, Stats: test.stats})
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, test.want)
		}
	}
}

func TestParse(t *testing.T) {
	if got, err := parseDiskUse("du: x: No such file or directory\n12\t/var/lib/data\n", "/var/lib/data"); err != nil || got != 12<<10 {
		t.Errorf("disk use %d, %v", got, err)
	}
	for _, text := range []string{"", "du: cannot access", "12\t/var", "x\t/var/lib/data"} {
		if got, err := parseDiskUse(text, "/var/lib/data"); err == nil {
			t.Errorf("%q is taken for %d bytes", text, got)
		}
	}
	const mounts = "overlay / overlay rw 0 0\n/dev/vda /var/lib ext4 rw 0 0\ntmpfs /var/lib/data tmpfs rw 0 0\nx /var/lib/da xfs rw 0 0\n"
	for dir, want := range map[string]string{"/var/lib/data": "tmpfs", "/var/lib/data/base": "tmpfs", "/var/lib/other": "ext4", "/var/library": "overlay"} {
		if got, err := parseMounts(mounts, dir); err != nil || got != want {
			t.Errorf("%s lies on %q, %v; want %q", dir, got, err, want)
		}
	}
	if got, err := parseMounts("", "/x"); err == nil {
		t.Errorf("without mounts it lies on %q", got)
	}
	if got, err := parseKafkaVersion("jackson.jar\nkafka-clients-4.3.1.jar\nkafka_2.13-4.3.1.jar"); err != nil || got != "Apache Kafka 4.3.1" {
		t.Errorf("version %q, %v", got, err)
	}
	if got, err := parseKafkaVersion("kafka-clients.txt"); err == nil {
		t.Errorf("version %q", got)
	}
}
