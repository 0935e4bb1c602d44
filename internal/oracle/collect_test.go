package oracle

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
	"lkbench/results"
)

// TestCollect puts a run's topic, dead letters and views into a real broker and database, and expects Collect to bring
// back what Judge takes for clean; then with faults in each of them, what it takes for faults.
func TestCollect(t *testing.T) {
	const foreign = 3
	for _, spoiled := range []bool{false, true} {
		b := oddStream(false)
		e := b.simulate(b.rules, "")
		kafka := infratest.Kafka(t, 4, "transactions", "dead")
		database := infratest.Postgres(t)
		client, err := kafka.NewClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		produce := func(records ...*kgo.Record) {
			t.Helper()
			if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for p, records := range e.topic {
			for i, r := range records {
				turn := &b.turns[r.n]
				out := &kgo.Record{
					Topic: "transactions", Partition: p, Key: turn.key, Value: turn.value,
					Headers: []kgo.RecordHeader{{Key: "n", Value: binary.BigEndian.AppendUint64(nil, r.n)}},
				}
				if spoiled && p == 1 && i == 70 {
					out.Value = append([]byte(" "), out.Value...)
				}
				if spoiled && p == 1 && i == 71 {
					out.Key = []byte("another")
				}
				produce(out)
			}
		}
		if spoiled {
			produce(
				&kgo.Record{Topic: "transactions", Partition: 2, Value: []byte("no header")},
				&kgo.Record{Topic: "transactions", Partition: 2, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte("short")}}},
				&kgo.Record{Topic: "transactions", Partition: 2, Headers: []kgo.RecordHeader{{Key: "n", Value: binary.BigEndian.AppendUint64(nil, b.Len())}}},
			)
		}
		for _, d := range e.dead {
			partition, err := strconv.Atoi(d[0])
			if err != nil {
				t.Fatal(err)
			}
			produce(&kgo.Record{Topic: "dead", Partition: int32(partition), Headers: []kgo.RecordHeader{
				{Key: "source_partition", Value: []byte(d[0])}, {Key: "source_offset", Value: []byte(d[1])}, {Key: "reason", Value: []byte(d[2])},
			}})
		}
		if spoiled {
			produce(&kgo.Record{Topic: "dead", Value: []byte("no headers")})
			replace(e.views[2], func(row []string) bool { return row[5] == null }, 5, "")
			replace(e.views[1], func(row []string) bool { return row[4] != null }, 4, null)
		}
		fill(t, database, e)

		dir := t.TempDir()
		e.write(t, dir) // the ledger and the answers; the rest is overwritten
		for _, name := range []string{topicFile, deadLettersFile, progressFile, viewAnomalies.file(), viewWindows.file(), viewProfiles.file()} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		err = Collect(t.Context(), CollectConfig{
			Kafka: kafka, Topic: "transactions", DeadLetters: "dead", Postgres: database, Dir: dir, Source: b, Events: b.Len(),
			Progress: json.RawMessage(`{"positions":[{"component":"stream","late":` + strconv.FormatInt(e.late, 10) + `}]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		j, err := Judge(dir, JudgeConfig{Rules: b.rules, Source: b, Schedule: b})
		if err != nil {
			t.Fatal(err)
		}
		if !spoiled {
			if v := verdict(j); v.Status == results.Incorrect {
				t.Errorf("clean: %v\n%+v", v.Reasons, j.Correctness)
			}
			continue
		}
		got := map[string]int64{
			"corrupt": j.Correctness.BrokerCorrupt, "foreign": j.Correctness.ForeignRecords, "lost": j.Correctness.BrokerLost,
			"wrong": j.Correctness.Wrong, "missing": j.Correctness.Missing,
			"unexpected": j.Correctness.Unexpected,
		}
		// The foreign records are malformed and have no dead letters.
		want := map[string]int64{"corrupt": 2, "foreign": foreign, "lost": 0, "wrong": 2, "missing": foreign, "unexpected": 1}
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s: %d, want %d\n%+v", name, got[name], n, j.Correctness.Differences)
			}
		}
	}
}

// fill creates the three views as tables and copies the rows in.
func fill(t *testing.T, database string, e *evidence) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	types := map[string]string{
		"transactions": "bigint", "amount_paise": "bigint", "balance_paise": "bigint", "max_balance_paise": "bigint",
		"average_amount": "numeric", "event_time": "timestamptz", "window_start": "timestamptz", "last_event_time": "timestamptz",
	}
	for i, v := range evidenceViews {
		var columns, cast []string
		for _, name := range v.columns {
			kind := types[name]
			if kind == "" {
				kind = "text"
			}
			columns = append(columns, name+" "+kind)
			switch kind {
			case "timestamptz":
				cast = append(cast, "'epoch'::timestamptz + (r->>"+strconv.Itoa(len(cast))+")::bigint * interval '1 microsecond'")
			default:
				cast = append(cast, "(r->>"+strconv.Itoa(len(cast))+")::"+kind)
			}
		}
		rows := [][]*string{}
		for _, row := range e.views[i] {
			var out []*string
			for _, text := range row {
				if text == null {
					out = append(out, nil)
				} else {
					out = append(out, &text)
				}
			}
			rows = append(rows, out)
		}
		text, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "create table "+v.name+" ("+strings.Join(columns, ", ")+")"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "insert into "+v.name+" select "+strings.Join(cast, ", ")+" from jsonb_array_elements($1::jsonb) r", string(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCollectErrors(t *testing.T) {
	kafka := infratest.Kafka(t, 1, "transactions", "dead")
	database := infratest.Postgres(t)
	b := oddStream(false)
	for _, c := range []struct{ topic, want string }{
		{"transactions", "evidence/anomalies.csv.zst"}, // the database is empty
		{"absent", "topic absent"},
	} {
		err := Collect(t.Context(), CollectConfig{
			Kafka: kafka, Topic: c.topic, DeadLetters: "dead", Postgres: database, Dir: t.TempDir(), Source: b, Events: b.Len(),
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %s", c.topic, err, c.want)
		}
	}
}
