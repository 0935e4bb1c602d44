package oracle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lkbench/internal/infra/infratest"
)

// A commit that arrives while the evidence is collected has it collected again: progress and views must belong together.
func TestCollectAtRest(t *testing.T) {
	database := infratest.Postgres(t)
	b := oddStream(false)
	fill(t, database, &evidence{})
	cfg := CollectConfig{
		Kafka: infratest.Kafka(t, 1, "transactions", "dead"), Topic: "transactions", DeadLetters: "dead", Postgres: database,
		Dir: t.TempDir(), Source: b, Events: b.Len(),
	}
	told := []string{"old", "new", "new"}
	asked := 0
	err := CollectAtRest(t.Context(), cfg, func(context.Context) (any, error) {
		asked++
		return []string{told[min(asked, len(told))-1]}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(cfg.Dir, progressFile))
	if err != nil || strings.TrimSpace(string(kept)) != `["new"]` || asked != 3 {
		t.Errorf("asked %d times, kept %s, %v; want three times and the last", asked, kept, err)
	}
	if err := CollectAtRest(t.Context(), cfg, func(context.Context) (any, error) { asked++; return asked, nil }); err == nil || !strings.Contains(err.Error(), "does not come to rest") {
		t.Errorf("progress that never stands still: got %v", err)
	}
	gone := errors.New("gone")
	if err := CollectAtRest(t.Context(), cfg, func(context.Context) (any, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Errorf("progress that cannot be told: got %v", err)
	}
}
