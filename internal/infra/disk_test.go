package infra

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiskUse(t *testing.T) {
	root := t.TempDir()
	const mib = 1 << 20
	if err := os.MkdirAll(filepath.Join(root, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "a/y", "a/b/z"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(strings.Repeat("lkbench!", mib/8)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "sparse"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root, "sparse"), 100*mib); err != nil {
		t.Fatal(err)
	}
	got, err := diskUse(t.Context(), root)
	if err != nil || got < 3*mib || got > 4*mib {
		t.Errorf("%d bytes, %v; want 3 MiB and a little", got, err)
	}
	if _, err := diskUse(t.Context(), filepath.Join(root, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a directory that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := diskUse(ctx, root); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}
