package capacity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Key is what must be equal for a capacity measured once to be that of another run. Settings are those that shape it: partitions,
// batch_every, commit_interval, brokers and the like.
type Key struct {
	Machine   Machine           `json:"machine"`
	Arch      string            `json:"arch"`
	Engine    string            `json:"engine"`
	Infra     string            `json:"infra"`
	Settings  map[string]string `json:"settings"`
	Objective []string          `json:"objective"` // expectations that every probe had to meet
	// Recoverable is the time within which the system must be well again after a crash; "" for the rate that it sustains.
	Recoverable string `json:"recoverable,omitempty"`
}

// Machine is where a capacity was measured.
type Machine struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
}

// schemaVersion is the version of the files that Save writes. Others are passed over by Saved.
const schemaVersion = 1

// File is a saved result, capacity-<arch>-<time>.json.
type File struct {
	SchemaVersion int `json:"schema_version"`
	Key
	Version    string    `json:"version"`
	MeasuredAt time.Time `json:"measured_at"`
	Fault      string    `json:"fault,omitempty"`
	ProbeS     float64   `json:"probe_s"` // measured seconds of each probe
	Tolerance  float64   `json:"tolerance"`
	Result
}

const prefix = "capacity-"

// Save writes a result to dir/capacity-<arch>-<time>.json, at once or not at all, and returns the file's path. A result without a
// rate is refused.
func Save(dir string, f File) (path string, err error) {
	if f.Rate <= 0 {
		return "", errors.New("capacity: there is no rate to save")
	}
	f.SchemaVersion = schemaVersion
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // an objective is to be read by people
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(f); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, prefix+f.Arch+"-"+f.MeasuredAt.UTC().Format("20060102T150405.000Z")+".json")
	return path, WriteFile(path, content.Bytes())
}

// WriteFile writes a file at once or not at all: under another name first, synced, then renamed.
func WriteFile(path string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // the error that matters is the first one
		}
	}()
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Saved finds the newest saved result in dir that was measured for the same key, and its file. Files that are damaged or of another
// version count as absent.
func Saved(dir string, key Key) (rate float64, path string, found bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, "", false
	}
	var newest time.Time
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, ".json") || !entry.Type().IsRegular() {
			continue
		}
		f, err := Load(filepath.Join(dir, name))
		if err != nil || !f.Key.Equal(key) || !f.MeasuredAt.After(newest) {
			continue
		}
		newest, rate, path, found = f.MeasuredAt, f.Rate, filepath.Join(dir, name), true
	}
	return rate, path, found
}

// Load reads a saved result.
func Load(path string) (File, error) {
	var f File
	content, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(content, &f); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case f.SchemaVersion != schemaVersion:
		return f, fmt.Errorf("%s: schema_version %d is unknown; this program reads %d", path, f.SchemaVersion, schemaVersion)
	case !(f.Rate >= Lowest && f.Rate <= Highest):
		return f, fmt.Errorf("%s: a rate of %v events/s is impossible", path, f.Rate)
	}
	return f, nil
}

// Equal says whether a capacity measured for one key is that of the other.
func (k Key) Equal(other Key) bool {
	return k.Machine == other.Machine && k.Arch == other.Arch && k.Engine == other.Engine && k.Infra == other.Infra &&
		maps.Equal(k.Settings, other.Settings) && slices.Equal(k.Objective, other.Objective) && k.Recoverable == other.Recoverable
}
