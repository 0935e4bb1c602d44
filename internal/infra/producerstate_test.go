package infra

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func readWindows(t *testing.T, dir string) []sequenceWindow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "seq_windows.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all sequenceWindows
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all.Windows, func(a, b sequenceWindow) int {
		return cmp.Or(cmp.Compare(a.Producer, b.Producer), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all.Windows
}

// What is recovered from the log must be what the broker itself writes at an orderly stop.
func TestRecoverProducers(t *testing.T) {
	dir := t.TempDir()
	if err := recoverProducers(filepath.Join(dir, "new")); err != nil {
		t.Errorf("a new broker: %v", err)
	}
	options := append(BrokerOptions(dir, 0), kfake.SeedTopics(3, "a-1", "odd name"),
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": "5000"}))
	broker, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	for p := range 2 {
		client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			t.Fatal(err)
		}
		// One batch a call: none to the last partition of the second topic, fewer than are remembered to one, more to another.
		for topic, batches := range map[string][]int{"a-1": {30, 4, 5}, "odd name": {1, 6, 0}} {
			for partition, n := range batches {
				for i := range n {
					var records []*kgo.Record
					for range i%3 + 1 + p {
						records = append(records, &kgo.Record{Topic: topic, Partition: int32(partition), Value: make([]byte, 300)})
					}
					if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		client.Close()
	}
	broker.Close()
	want := readWindows(t, dir)
	if len(want) != 10 {
		t.Fatalf("the broker wrote %d windows, want 10: two producers, five partitions", len(want))
	}
	segments, err := filepath.Glob(filepath.Join(dir, "partitions", "a-1-0", "*.dat"))
	if err != nil || len(segments) < 3 {
		t.Fatalf("the log has the segments %v, %v; want several", segments, err)
	}
	if err := os.Remove(filepath.Join(dir, "seq_windows.json")); err != nil {
		t.Fatal(err)
	}
	if err := recoverProducers(dir); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, readWindows(t, dir)); diff != "" {
		t.Errorf("recovered (+) differs from the broker's own (-):\n%s", diff)
	}

	// A write that the crash cut off, and one that was garbled, are not in the log.
	last := filepath.Join(dir, "partitions", "a-1-1")
	segments, err = segmentFiles(last)
	if err != nil {
		t.Fatal(err)
	}
	path := segments[len(segments)-1]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := partitionWindows(last)
	if err != nil {
		t.Fatal(err)
	}
	garbled := slices.Clone(whole)
	garbled[len(garbled)-1] ^= 1
	for what, content := range map[string][]byte{"cut off": whole[:len(whole)-1], "garbled": garbled} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		after, err := partitionWindows(last)
		if err != nil {
			t.Fatal(err)
		}
		if ends := func(w []sequenceWindow) string {
			next := map[int64]int32{}
			for _, w := range w {
				next[w.Producer] = w.Next
			}
			return fmt.Sprint(next)
		}; ends(after) == ends(before) {
			t.Errorf("a last batch that is %s is remembered", what)
		}
	}
}
