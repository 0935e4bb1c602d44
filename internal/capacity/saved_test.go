package capacity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var key = Key{
	Machine: Machine{OS: "linux", Arch: "amd64", CPU: "any", Cores: 2, MemoryBytes: 8 << 30},
	Arch:    "kappa", Engine: "native", Infra: "embedded",
	Settings:  map[string]string{"partitions": "4", "batch_every": "15s"},
	Objective: []string{"alert.p99 < 500ms"},
}

func saved(t *testing.T, dir string, key Key, rate float64, at time.Time) string {
	t.Helper()
	slope := 0.002
	path, err := Save(dir, File{Key: key, MeasuredAt: at, Result: Result{Rate: rate, Probes: []Probe{{Rate: rate, Held: true, LagSlope: &slope}}}})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSavedFindsTheNewestOfTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if _, _, found := Saved(dir, key); found {
		t.Error("found in a directory that does not exist")
	}
	saved(t, dir, key, 1000, at)
	newest := saved(t, dir, key, 2000, at.Add(time.Hour))
	saved(t, dir, key, 3000, at.Add(-time.Hour))
	for name, change := range map[string]func(*Key){
		"machine": func(k *Key) { k.Machine.Cores = 4 }, "memory": func(k *Key) { k.Machine.MemoryBytes++ }, "arch": func(k *Key) { k.Arch = "lambda" },
		"engine": func(k *Key) { k.Engine = "flink" }, "infra": func(k *Key) { k.Infra = "docker" }, "objective": func(k *Key) { k.Objective = nil },
		"settings": func(k *Key) { k.Settings = map[string]string{"partitions": "8", "batch_every": "15s"} },
		"a setting more": func(k *Key) {
			k.Settings = map[string]string{"partitions": "4", "batch_every": "15s", "brokers": "3"}
		},
		"recoverable": func(k *Key) { k.Recoverable = "5s" },
	} {
		other := key
		change(&other)
		if rate, _, found := Saved(dir, other); found {
			t.Errorf("another %s: found %v", name, rate)
		}
		saved(t, dir, other, 9000, at.Add(2*time.Hour).Add(time.Duration(len(name))*time.Second))
	}
	for name, content := range map[string]string{
		"capacity-kappa-damaged.json": "{", "capacity-kappa-zero.json": strings.Replace(read(t, newest), `"rate_per_s": 2000,`, `"rate_per_s": 0,`, 1),
		"capacity-kappa-later.json":   strings.Replace(strings.Replace(read(t, newest), `"schema_version": 1`, `"schema_version": 2`, 1), "2026-01", "2027-01", 1),
		"capacity-kappa.json.partial": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if rate, path, found := Saved(dir, key); !found || rate != 2000 || path != newest {
		t.Errorf("found %v %v %v, want 2000 in %s", found, rate, path, newest)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	path := saved(t, dir, key, 1234, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if name := filepath.Base(path); name != "capacity-kappa-20260102T030405.000Z.json" {
		t.Errorf("the file's name is %s", name)
	}
	f, err := Load(path)
	if err != nil || f.Rate != 1234 || !f.Key.Equal(key) || len(f.Probes) != 1 || *f.Probes[0].LagSlope != 0.002 {
		t.Errorf("%v: %+v", err, f)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left beside it: %v, %v", entries, err)
	}
	if _, err := Save(dir, File{Key: key}); err == nil {
		t.Error("a result without a rate was saved")
	}
	if err := WriteFile(filepath.Join(dir, "no", "where"), nil); err == nil {
		t.Error("written into a directory that does not exist")
	}
}
