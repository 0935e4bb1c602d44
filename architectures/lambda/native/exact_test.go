package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/native"
)

// TestViewsAreExact reads the served views while speed and ingest commit, each in its own rhythm, and generations are
// planned, published and cleaned away: every read must show exactly some prefix of every partition. With a view that
// merges wrongly it must not pass.
func TestViewsAreExact(t *testing.T) {
	if err := watchViews(t, newWorld(t), nil); err != nil {
		t.Error(err)
	}
	for view, wrong := range map[string][2]string{
		"customer_windows":   {"epoch >= (select generation from serving)", "epoch >= 0"},
		"customer_profiles":  {"epoch >= (select generation from serving)", "epoch > (select generation from serving)"},
		"unsettled_velocity": {`and v."offset" > u."offset"`, ""},
	} {
		t.Run("wrong "+view, func(t *testing.T) {
			// On a busy machine the reads of one stream can all miss the moments that matter.
			var err error
			for range 10 {
				w := newWorld(t)
				text := script(w.env)
				text = text[strings.Index(text, "create view "+view):]
				text = text[len("create"):strings.Index(text, ";")]
				broken := strings.ReplaceAll(text, wrong[0], wrong[1])
				if broken == text {
					t.Fatalf("%s does not say %q", view, wrong[0])
				}
				w.exec(t, "create or replace"+broken)
				if err = watchViews(t, w, nil); errors.As(err, new(inexact)) {
					return
				}
			}
			t.Errorf("the wrong view passes: %v", err)
		})
	}
}

// inexact says that a read shows no prefix.
type inexact struct{ difference string }

func (i inexact) Error() string { return i.difference }

// unseen counts alerts that the view shows although no insert into the alert tables has shown them; shown is every such insert
// as an observer sees it, at the commit.
const (
	observe = `create table shown (transaction_id text, rule text);
		create function show() returns trigger language plpgsql as
			'begin insert into shown values (new.transaction_id, new.rule); return null; end';
		create trigger show after insert on rt_anomalies for each row execute function show();
		create trigger show after insert on generation_alerts for each row execute function show()`
	unseen = `select transaction_id || ' ' || rule from anomalies a
		where not exists (select from shown s where s.transaction_id = a.transaction_id and s.rule = a.rule)`
)

// watchViews lets a stream pass and returns what is wrong with the reads meanwhile. With a change, that is asked for when half
// of the stream has passed. The last third waits for what is to happen before it, however slow the machine is.
func watchViews(t *testing.T, w *world, change *bank.Rules) error {
	w.exec(t, observe)
	records := randomRecords(rand.New(rand.NewPCG(5, 5)), 1500, 0, w.env.Partitions)
	events := eventsOf(records, w.env.Rules)
	w.streams(t, 0, 0)
	running, stop := context.WithCancel(t.Context())
	defer stop()
	group, ctx := errgroup.WithContext(running)
	passing, done := errgroup.WithContext(ctx)
	enough := make(chan struct{})
	for component, sink := range map[string]native.Sink{"speed": newSpeedSink(w.env), "ingest": newIngestSink()} {
		conn := connect(t, w.env.Postgres)
		if component == "speed" {
			if _, err := conn.Exec(t.Context(), `set search_path = speed, public`); err != nil {
				t.Fatal(err)
			}
		}
		passing.Go(func() error {
			if err := pass(done, conn, component, sink, events[:1000]); err != nil {
				return err
			}
			select {
			case <-done.Done():
				return done.Err()
			case <-enough:
			}
			return pass(done, conn, component, sink, events[1000:])
		})
	}
	group.Go(func() error {
		defer stop()
		return passing.Wait()
	})
	group.Go(func() error { return newBatch(w.env, slog.New(slog.DiscardHandler)).run(ctx) })
	reads, seen := 0, false
	for ctx.Err() == nil {
		state, err := w.showsPrefix(t, records, change)
		if err != nil {
			stop()
			return errors.Join(err, ignoreCanceled(group.Wait()))
		}
		reads++
		if !seen && reads >= 10 && state.generation >= 3 && (change == nil || state.switched) {
			seen = true
			close(enough)
		}
		if change != nil && !state.asked && state.shown > len(records)/2 {
			if err := w.system.(architectures.Reprocessor).Reprocess(ctx, *change, 0); err != nil {
				return err
			}
		}
	}
	return ignoreCanceled(group.Wait())
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// unsettledWindow says which windows come after the horizon in these tests.
func unsettledWindow(start bank.Micros) bool { return start == 0 }

// eventsOf is what a stream component makes of records in log order.
func eventsOf(records []record, rules bank.Rules) []native.Event {
	events := make([]native.Event, len(records))
	counts := map[string]int64{}
	for i, r := range records {
		e := &events[i]
		e.Partition, e.Offset, e.ID, e.Customer = r.partition, r.offset, []byte(r.id), []byte(r.customer)
		e.EventTime, e.Amount, e.Window = r.at, bank.Paise(r.amount), rules.WindowStart(r.at)
		if r.location != "" {
			e.Location = []byte(r.location)
		}
		if e.HasBalance = r.balance != nil; e.HasBalance {
			e.Balance = bank.Paise(*r.balance)
		}
		key := fmt.Sprint(r.customer, e.Window)
		counts[key]++
		if e.Unsettled = unsettledWindow(e.Window); !e.Unsettled {
			e.Count = counts[key]
		}
	}
	return events
}

// pass stands for a stream component: it writes events and positions in transactions of random sizes, and rests at times.
func pass(ctx context.Context, conn *pgx.Conn, component string, sink native.Sink, events []native.Event) error {
	r := rand.New(rand.NewPCG(uint64(len(component)), 7))
	for len(events) > 0 {
		b := native.Batch{Events: events[:min(len(events), 1+r.IntN(30))]}
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			const lock = `select epoch from offsets where component = $1 order by partition for update`
			found, err := tx.Query(ctx, lock, component)
			if err != nil {
				return err
			}
			epochs, err := pgx.CollectRows(found, pgx.RowTo[int64])
			if err != nil {
				return err
			}
			b.Epoch = epochs[0]
			if err := sink.Write(ctx, tx, &b); err != nil {
				return err
			}
			for _, e := range b.Events {
				const move = `update offsets set next_offset = $3 where component = $1 and partition = $2`
				if _, err := tx.Exec(ctx, move, component, e.Partition, e.Offset+1); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", component, err)
		}
		events = events[len(b.Events):]
		if r.IntN(10) == 0 {
			time.Sleep(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		}
	}
	return nil
}

// readState is what was served at a read, and how far a change had come.
type readState struct {
	shown           int // records
	generation      int64
	asked, switched bool
	cut             []int64 // from where on speed follows the new rules; nil before the plan
}

// showsPrefix reads all served views from one snapshot and holds them against the naive computation of as many records
// of each partition as they show. Every alert must have been shown to an observer, but for those that a change of rules has corrected.
func (w *world) showsPrefix(t *testing.T, records []record, change *bank.Rules) (state readState, err error) {
	w.exec(t, `begin transaction isolation level repeatable read read only`)
	got := answers{
		Anomalies: w.dump(t, anomalyText+"anomalies"), Windows: w.dump(t, windowText+"customer_windows"), Profiles: w.dump(t, profileText+"customer_profiles"),
	}
	counts := w.dump(t, `select to_json(customer_id) || ' ' || sum(transactions) from customer_windows group by customer_id`)
	err = w.conn.QueryRow(t.Context(), `select generation, exists(select from changes),
		exists(select from changes where changes.generation <= serving.generation),
		(select array_agg(cut_offset order by partition) from cuts join changes using (generation))
		from serving`).Scan(&state.generation, &state.asked, &state.switched, &state.cut)
	if err != nil {
		t.Fatal(err)
	}
	missed := w.dump(t, unseen)
	w.exec(t, `commit`)

	shown := map[int32]int{}
	for _, line := range counts {
		for i, name := range customers {
			var n int
			if rest, ok := strings.CutPrefix(line, quoted(name)+" "); ok {
				if _, err := fmt.Sscan(rest, &n); err != nil {
					return state, err
				}
				shown[int32(i)%w.env.Partitions] += n
				state.shown += n
			}
		}
	}
	var prefix []record
	for _, r := range slices.SortedFunc(slices.Values(records), func(a, b record) int { return cmp.Compare(a.offset, b.offset) }) {
		if shown[r.partition] > 0 {
			shown[r.partition]--
			prefix = append(prefix, r)
		}
	}
	served := w.env.Rules
	if state.switched {
		served = *change
	}
	want := ruled(prefix, served, func(r record) bank.Rules {
		if state.cut != nil && r.offset >= state.cut[r.partition] {
			return *change
		}
		return served
	})
	want.Parts = nil
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		return state, inexact{"the views show no prefix, want - got +:\n" + diff}
	}
	if !state.switched && len(missed) > 0 {
		return state, inexact{fmt.Sprintf("the view shows alerts that no observer has seen: %q", missed)}
	}
	return state, nil
}
