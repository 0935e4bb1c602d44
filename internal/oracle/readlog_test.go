package oracle

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
)

// TestReadLogOfACutTopic: where the partitions begin is told, and that the broker cut again meanwhile is an error.
func TestReadLogOfACutTopic(t *testing.T) {
	cluster := infratest.Kafka(t, 3, "transactions")
	client, err := cluster.NewClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, partition := range []int32{1, 1, 1, 1, 1, 2, 2} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "transactions", Partition: partition, Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(partition int32, below int64) {
		t.Helper()
		offsets := kadm.Offsets{}
		offsets.AddOffset("transactions", partition, below, -1)
		deleted, err := kadm.NewClient(client).DeleteRecords(t.Context(), offsets)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cut(1, 3)
	cut(2, 2) // all of it

	var starts, offsets []int64
	begin := func(s []int64) error { starts = s; return nil }
	read := func(runs []logRun) error {
		for _, run := range runs {
			for _, r := range run.records {
				offsets = append(offsets, r.Offset)
			}
		}
		return nil
	}
	if err := readLog(t.Context(), cluster, "transactions", begin, read); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(starts, []int64{0, 3, 2}) || !slices.Equal(offsets, []int64{3, 4}) {
		t.Errorf("starts %v, offsets %v", starts, offsets)
	}
	err = readLog(t.Context(), cluster, "transactions", begin, func([]logRun) error { cut(1, 4); return nil })
	if !errors.Is(err, errCutMeanwhile) {
		t.Errorf("cut while it was read: error %v", err)
	}
}
