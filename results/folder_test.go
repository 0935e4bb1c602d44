package results

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saved is a committed run with a few files beside the record.
func saved(t *testing.T) string {
	t.Helper()
	f, err := Create(filepath.Join(t.TempDir(), "runs"), "20261123-164201-kappa-spike-3f9a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Write("timeline.csv", []byte("second,phase\n")), f.Write("evidence/topic.zst", []byte{1, 2, 3})); err != nil {
		t.Fatal(err)
	}
	dir, err := f.Commit(good())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCommitAndRead(t *testing.T) {
	dir := saved(t)
	if filepath.Base(dir) != "20261123-164201-kappa-spike-3f9a" {
		t.Errorf("final name %s", dir)
	}
	if _, err := os.Stat(dir + ".partial"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the partial folder is still there: %v", err)
	}
	if err := VerifyChecksums(dir); err != nil {
		t.Error(err)
	}
	r, err := ReadRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := good()
	want.SchemaVersion = SchemaVersion
	want.fillLists()
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	content, err := os.ReadFile(filepath.Join(dir, RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  \"faults\": [],\n", `"status": "unverified"`, "\n    \"missing\": 0,\n"} {
		if !bytes.Contains(content, []byte(want)) {
			t.Errorf("run.json lacks %q", want)
		}
	}
}

func TestChecksumsAreThoseOfSha256sum(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("needs sha256sum: ", err)
	}
	cmd := exec.Command(tool, "-c", "--strict", ChecksumsFile)
	cmd.Dir = saved(t)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "evidence/topic.zst: OK\nrun.json: OK\ntimeline.csv: OK\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDamageIsNamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(dir string) error
		want   string
	}{
		{"byte of a file", flip("evidence/topic.zst"), "evidence/topic.zst is not what was written"},
		{"byte of the record", flip(RecordFile), "run.json is not what was written"},
		{"byte of a checksum", flip(ChecksumsFile), "damaged"},
		{"missing", func(dir string) error { return os.Remove(filepath.Join(dir, "timeline.csv")) }, "timeline.csv is missing"},
		{"extra", func(dir string) error { return os.WriteFile(filepath.Join(dir, "evidence", "x"), nil, 0o644) }, "evidence/x was added"},
		{"no checksums", func(dir string) error { return os.Remove(filepath.Join(dir, ChecksumsFile)) }, "cannot be verified"},
		{"empty checksums", func(dir string) error { return os.Truncate(filepath.Join(dir, ChecksumsFile), 0) }, "run.json has no checksum"},
		{"cut checksums", func(dir string) error { return os.Truncate(filepath.Join(dir, ChecksumsFile), 100) }, "checksums is damaged at line 2"},
		{"checksum given twice", func(dir string) error {
			path := filepath.Join(dir, ChecksumsFile)
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, append(content, content...), 0o644)
		}, "checksums is damaged at line 4"},
		{"link", func(dir string) error { return os.Symlink("run.json", filepath.Join(dir, "link")) }, "not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := saved(t)
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			if err := VerifyChecksums(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func flip(name string) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content[len(content)/2] ^= 1
		return os.WriteFile(path, content, 0o644)
	}
}

func TestNoRunIsOverwritten(t *testing.T) {
	dir := saved(t)
	parent, id := filepath.Split(dir)
	if _, err := Create(parent, id); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an id that is taken: %v", err)
	}
	if _, err := os.Stat(dir + ".partial"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the refused folder was left: %v", err)
	}
	if _, err := Create(parent, "other"); err != nil {
		t.Error(err)
	}
	if _, err := Create(parent, "other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an id that is being written: %v", err)
	}
}

func TestNamesThatLeaveTheFolder(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "/a", "a.partial"} {
		if _, err := Create(t.TempDir(), id); err == nil {
			t.Errorf("a run was created as %q", id)
		}
	}
	f, err := Create(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../x", "/x", RecordFile, ChecksumsFile} {
		if err := f.Write(name, nil); err == nil {
			t.Errorf("a file was written as %q", name)
		}
	}
}

func TestPartialRunIsNotRead(t *testing.T) {
	f, err := Create(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	content, err := EncodeRecord(good())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Dir(), RecordFile), content, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{f.Dir(), f.Dir() + "/"} {
		if _, err := ReadRecord(dir); err == nil || !strings.Contains(err.Error(), "not a whole run") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{``, "damaged"},
		{"{\n\"schema_version\": 2,\n\"arch\": }", "damaged at line 3"},
		{"{\n\"schema_version\": 2,\n\"arch\": 1}", "damaged at line 3"},
		{`{"schema_version": 2} x`, "damaged"},
		{`{}`, "schema_version is missing"},
		{`{"schema_version": 3}`, "written by a newer lkbench: schema_version is 3, this program reads 2"},
		{`{"schema_version": 1}`, "written by an older lkbench: schema_version is 1, this program reads 2; run the scenario again"},
		{`{"schema_version": 1, "faults": 3}`, "written by an older lkbench"},
		{`{"schema_version": 0}`, "schema_version 0 is unknown"},
		{`{"schema_version": "1"}`, "damaged"},
		{`{"schema_version": 2, "verdict": {"status": "great"}}`, `verdict status "great" is unknown`},
		{`{"schema_version": 2, "faults": [{"recovery": {}}]}`, "damaged: faults[0]: a recovery from a fault that never took effect"},
		{`{"schema_version": 2, "faults": [{"injected_at_s": 1, "recovery": {"p99_back": {"censored": true}}}]}`, "faults[0].recovery: p99_back is censored, but not said after how long"},
		{`{"schema_version": 2, "reprocess": [{"all_right": {"s": -1}}]}`, "reprocess[0]: all_right is -1 s"},
	} {
		if _, err := DecodeRecord([]byte(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.content, err, c.want)
		}
	}
	if _, err := ReadRecord(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not the folder of a run") {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	content, err := EncodeRecord(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"schema_version":2}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := DecodeRecord(content)
		if err != nil {
			return
		}
		Decide(r)
		once, err := EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeRecord(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice, _ := EncodeRecord(again); !bytes.Equal(once, twice) {
			t.Errorf("changed by saving:\n%s\n%s", once, twice)
		}
	})
}
