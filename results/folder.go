package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The files that this package writes into every run's folder.
const (
	RecordFile    = "run.json"
	ChecksumsFile = "checksums"
	TimelineFile  = "timeline.csv"
	LatencyFile   = "latency.hlog"
)

// partial is the suffix of a folder that is not whole: being written, or left by a run that was killed.
const partial = ".partial"

// Folder is the folder of a run while it is written.
type Folder struct {
	dir   string
	final string
}

// Create makes the folder <parent>/<runID>.partial, and parent if need be. An id that is taken, whole or partial, is an
// error (fs.ErrExist): no run is ever overwritten.
func Create(parent, runID string) (*Folder, error) {
	if runID == "" || filepath.Base(runID) != runID || !filepath.IsLocal(runID) || strings.HasSuffix(runID, partial) {
		return nil, fmt.Errorf("run id %q cannot name a folder", runID)
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: filepath.Join(parent, runID+partial), final: filepath.Join(parent, runID)}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder for runs: %w", err)
	}
	// Mkdir fails if the name is taken, so of two runs with one id one gets it.
	if err := os.Mkdir(f.dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the run: %w", err)
	}
	if _, err := os.Lstat(f.final); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("create the folder of the run: %s: %w", f.final, fs.ErrExist), os.Remove(f.dir))
	}
	return f, nil
}

// Dir is the absolute path of the folder as long as it is partial.
func (f *Folder) Dir() string { return f.dir }

// Create makes a file of the run to write into; name is a relative path with slashes, whose folders are made.
// The caller closes the file before Commit.
func (f *Folder) Create(name string) (*os.File, error) {
	local, err := filepath.Localize(name)
	if err != nil || name == RecordFile || name == ChecksumsFile {
		return nil, fmt.Errorf("%q cannot name a file in the folder of a run", name)
	}
	path := filepath.Join(f.dir, local)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

// Write adds a file with this content; see Create for the name.
func (f *Folder) Write(name string, content []byte) error {
	file, err := f.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// Commit makes the run whole: it writes run.json and the checksums of everything in the folder, syncs all of it to disk
// and gives the folder its final name, which it returns. All other files must have been written and closed.
func (f *Folder) Commit(r *Record) (dir string, err error) {
	content, err := EncodeRecord(r)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(f.dir, RecordFile), content, 0o644); err != nil {
		return "", err
	}
	files, err := checksum(f.dir)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(f.dir, ChecksumsFile), formatChecksums(files), 0o644); err != nil {
		return "", err
	}
	if err := syncTree(f.dir); err != nil {
		return "", err
	}
	if err := os.Rename(f.dir, f.final); err != nil {
		return "", fmt.Errorf("give the folder of the run its final name: %w", err)
	}
	return f.final, syncPath(filepath.Dir(f.final))
}

// syncTree makes every file and folder below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ReadRecord reads the record of a whole run. A partial folder, an unknown schema version and damaged JSON are errors; whether
// the folder is as it was written is VerifyChecksums' question.
func ReadRecord(dir string) (*Record, error) {
	if strings.HasSuffix(filepath.Clean(dir), partial) {
		return nil, fmt.Errorf("%s is not a whole run: it was interrupted before its verdict, or is still running", dir)
	}
	path := filepath.Join(dir, RecordFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the folder of a run: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	r, err := DecodeRecord(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// EncodeRecord gives the bytes of run.json. The schema version is this program's, and lists that are nil are written
// empty.
func EncodeRecord(r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("write the record of the run: %w", err)
	}
	whole := *r
	whole.SchemaVersion = SchemaVersion
	whole.fillLists()
	content, err := json.MarshalIndent(&whole, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the record of the run: %w", err)
	}
	return append(content, '\n'), nil
}

// DecodeRecord reads the bytes of run.json.
func DecodeRecord(content []byte) (*Record, error) {
	// The version comes first: in another one every other field may mean something else.
	var head struct {
		SchemaVersion *int `json:"schema_version"`
	}
	if err := json.Unmarshal(content, &head); err != nil {
		return nil, damaged(content, err)
	}
	switch v := head.SchemaVersion; {
	case v == nil:
		return nil, errors.New("not the record of a run: schema_version is missing")
	case *v > SchemaVersion:
		return nil, fmt.Errorf("written by a newer lkbench: schema_version is %d, this program reads %d", *v, SchemaVersion)
	case *v < 1:
		return nil, fmt.Errorf("schema_version %d is unknown; this program reads %d", *v, SchemaVersion)
	case *v < SchemaVersion:
		return nil, fmt.Errorf("written by an older lkbench: schema_version is %d, this program reads %d; run the scenario again, or read it with the lkbench of environment.version",
			*v, SchemaVersion)
	}
	var r Record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, damaged(content, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	r.fillLists()
	return &r, nil
}

// damaged says where in the file the JSON is broken.
func damaged(content []byte, err error) error {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &wrongType):
		offset = wrongType.Offset
	}
	if offset < 0 || offset > int64(len(content)) {
		return fmt.Errorf("damaged: %w", err)
	}
	return fmt.Errorf("damaged at line %d: %w", 1+bytes.Count(content[:offset], []byte{'\n'}), err)
}

// fillLists turns nil lists into empty ones, so that readers of run.json find a list and not null.
func (r *Record) fillLists() {
	fill(&r.Verdict.Reasons)
	fill(&r.Correctness.Differences)
	fill(&r.Observer.Gaps)
	fill(&r.Phases)
	r.Faults = filledFaults(r.Faults)
	fill(&r.Restarts)
	fill(&r.Batch)
	fill(&r.Reprocess)
	fill(&r.Resources)
	fill(&r.Environment.Command)
	fill(&r.Thresholds)
	fill(&r.Positions)
}

func fill[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}
