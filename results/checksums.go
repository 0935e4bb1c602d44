package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checksum gives the SHA-256 in hex of every file below dir, by its relative path with slashes, checksums itself left out.
func checksum(dir string) (map[string]string, error) {
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if name == ChecksumsFile {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file, which the folder of a run cannot hold", path)
		}
		// sha256sum writes such names in an escaped form; none of ours needs it.
		if strings.ContainsAny(name, "\\\n\r") {
			return fmt.Errorf("the name of %q cannot stand in a list of checksums", path)
		}
		sums[name], err = fileSum(path)
		return err
	})
	return sums, err
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// formatChecksums writes what `sha256sum -c` reads, sorted by name.
func formatChecksums(sums map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	return b.Bytes()
}

func parseChecksums(content []byte) (map[string]string, error) {
	sums := map[string]string{}
	for i, line := range strings.SplitAfter(string(content), "\n") {
		if line == "" {
			break
		}
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		raw, err := hex.DecodeString(sum)
		if _, twice := sums[name]; !ok || twice || err != nil || len(raw) != sha256.Size || !strings.HasSuffix(line, "\n") {
			return nil, fmt.Errorf("%s is damaged at line %d", ChecksumsFile, i+1)
		}
		sums[name] = sum
	}
	return sums, nil
}

// VerifyChecksums says whether a run's folder is as it was written. The error names every file that is damaged, missing
// or extra.
func VerifyChecksums(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, ChecksumsFile))
	if err != nil {
		return fmt.Errorf("the folder cannot be verified: %w", err)
	}
	want, err := parseChecksums(content)
	if err != nil {
		return fmt.Errorf("the folder %s was damaged: %w", dir, err)
	}
	got, err := checksum(dir)
	if err != nil {
		return fmt.Errorf("the folder cannot be verified: %w", err)
	}
	var problems []string
	if _, ok := want[RecordFile]; !ok {
		problems = append(problems, RecordFile+" has no checksum")
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch sum, ok := got[name]; {
		case !ok:
			problems = append(problems, name+" is missing")
		case sum != want[name]:
			problems = append(problems, name+" is not what was written")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			problems = append(problems, name+" was added")
		}
	}
	if len(problems) > 0 {
		return errors.New("the folder " + dir + " was damaged: " + strings.Join(problems, "; "))
	}
	return nil
}
