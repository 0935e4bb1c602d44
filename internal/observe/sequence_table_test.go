package observe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestSequenceLeavesTheTableAsItWas: writers notice neither the column's coming nor its going, and it is gone at the end, also a
// left-over.
func TestSequenceLeavesTheTableAsItWas(t *testing.T) {
	url, conn := database(t, "create table alerts (transaction_id text, rule text, primary key (transaction_id, rule))")
	stop := make(chan struct{})
	var writer sync.WaitGroup
	other := connection(t, url)
	inserted := 0
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// By position, prepared once; and by COPY with columns.
			if _, err := other.Exec(context.Background(), "insert into alerts select * from unnest($1::text[], $2::text[]) on conflict do nothing",
				[]string{fmt.Sprintf("T%d", inserted)}, []string{"high"}); err != nil {
				t.Error(err)
				return
			}
			if _, err := other.PgConn().CopyFrom(context.Background(), strings.NewReader(fmt.Sprintf("T%d\tlow\n", inserted)),
				"copy alerts (transaction_id, rule) from stdin"); err != nil {
				t.Error(err)
				return
			}
			inserted++
		}
	})
	for range 3 {
		cfg := FollowerConfig{Postgres: url, BySequence: "a test", Publication: "observe_test", Tables: []string{"alerts"}, Rules: testRules,
			Events: 1 << 30, Intended: everyMilli, ParseID: parseID}
		left, err := Follow(t.Context(), cfg) // is left behind
		if err != nil {
			t.Fatal(err)
		}
		left.source.disconnect()
		f, err := Follow(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		f.Run(time.Now())
		waitFor(t, func() bool { return f.Counts().Alerts > 20 })
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	writer.Wait()
	var columns, sequences, indexes int
	if err := conn.QueryRow(t.Context(), `select (select count(*) from information_schema.columns where table_name = 'alerts'),
		(select count(*) from pg_sequences), (select count(*) from pg_indexes where tablename = 'alerts')`).Scan(&columns, &sequences, &indexes); err != nil {
		t.Fatal(err)
	}
	if columns != 2 || sequences != 0 || indexes != 1 {
		t.Errorf("%d columns, %d sequences, %d indexes are left; want 2, 0, 1", columns, sequences, indexes)
	}
}

// TestSequenceReadsByIndex: however large the table has become since the plan was made.
func TestSequenceReadsByIndex(t *testing.T) {
	url, conn := database(t, alertTable("a"), alertTable("b"))
	f := bySequence(t, url, newClock(), nil, "a", "b")
	s := f.source.(*sequenceSource)
	mustExec(t, conn, settings)
	mustExec(t, conn, "set plan_cache_mode = force_generic_plan; prepare q as "+s.query())
	rows, err := conn.Query(t.Context(), "explain execute q (5, '{1}', '{2}')", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "\n")
	if strings.Contains(text, "Seq Scan") || strings.Count(text, "lkbench_seq_idx") < 4 {
		t.Errorf("the plan reads whole tables:\n%s", text)
	}
}
