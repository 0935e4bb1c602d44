package native

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lkbench/architectures"
)

// TestPlanCutsAtTheFurthest lets the plan stand on whichever of speed and ingest is ahead, and gives speed its epoch.
func TestPlanCutsAtTheFurthest(t *testing.T) {
	w := newWorld(t)
	conn := connect(t, w.env.Postgres)
	if _, err := makePlan(t.Context(), conn, w.env.Partitions, w.env.Rules); !errors.Is(err, errNotStarted) || !strings.Contains(err.Error(), "speed") {
		t.Errorf("before anybody has started: %v", err)
	}
	w.streams(t, 10, 20)
	w.exec(t, `update offsets set next_offset = 30 where component = 'ingest' and partition = 1`)
	for range 2 { // the second time it is taken as it was, although everybody has moved on
		p, err := makePlan(t.Context(), conn, w.env.Partitions, w.env.Rules)
		if err != nil {
			t.Fatal(err)
		}
		if p.generation != 1 || !slices.Equal(p.cut, []int64{20, 30, 20}) || !slices.Equal(p.last, []int64{0, 0, 0}) {
			t.Errorf("plan %+v", p)
		}
		if got := w.dump(t, `select component || epoch from offsets`); !slices.Equal(got, []string{"ingest0", "ingest0", "ingest0", "speed1", "speed1", "speed1"}) {
			t.Errorf("epochs %v", got)
		}
		w.streams(t, 100, 100)
	}
}

// TestAwaitTellsOnce waits for ingest, for longer than it takes to say so.
func TestAwaitTellsOnce(t *testing.T) {
	var said bytes.Buffer
	asked := 0
	err := await(t.Context(), slog.New(slog.NewTextHandler(&said, nil)), 0, func() (waiting, err error) {
		if asked++; asked < 5 {
			return errors.New("ingest is slow"), nil
		}
		return nil, nil
	})
	if err != nil || asked != 5 || strings.Count(said.String(), "ingest is slow") != 1 {
		t.Errorf("asked %d times, %v, said %q", asked, err, said.String())
	}
}

// TestBatchWaitsForIngest plans beyond what ingest has written, and publishes when it is there.
func TestBatchWaitsForIngest(t *testing.T) {
	w := newWorld(t)
	records := randomRecords(rand.New(rand.NewPCG(3, 3)), 50, 0, w.env.Partitions)
	w.streams(t, 0, 50)
	done := make(chan error)
	conn := connect(t, w.env.Postgres)
	go func() { done <- w.batch.generation(t.Context(), conn) }()
	for planned := 0; planned == 0; { // by then it waits, or is about to
		planned = len(w.dump(t, `select partition::text from cuts where generation = 1`))
	}
	w.insert(t, records)
	w.streams(t, 50, 50)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.expect(t, records)
}

// TestCleanIsBounded deletes the rows of old epochs and no others, and passes over a row that speed holds.
func TestCleanIsBounded(t *testing.T) {
	w := newWorld(t)
	w.exec(t, `insert into rt_windows select n % 3, 'C' || n, 'epoch', 1, 1, null from generate_series(1, 60000) n`)
	w.exec(t, `insert into rt_unsettled select n, 'C' || n, 'epoch', n, 'T' || n, 'epoch', 1, null from generate_series(0, 2) n`)
	held, err := w.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `update rt_windows set transactions = 2 where customer_id = 'C3'`); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, w.env.Postgres)
	if _, err := conn.Exec(t.Context(), `set lock_timeout = '5s'`); err != nil { // else a clean that waits would wait for ever
		t.Fatal(err)
	}
	if err := clean(t.Context(), conn, 2); err != nil {
		t.Fatal(err)
	}
	if err := held.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := []string{"0 1", "2 20000"}
	if got := w.dump(t, `select epoch || ' ' || count(*) from rt_windows group by epoch`); !slices.Equal(got, left) {
		t.Errorf("rows by epoch %v, want %v", got, left)
	}
	if got := w.dump(t, `select customer_id from rt_unsettled`); !slices.Equal(got, []string{"C2"}) {
		t.Errorf("unsettled %v", got)
	}
	if err := clean(t.Context(), conn, 2); err != nil {
		t.Fatal(err)
	}
	if got := w.dump(t, `select epoch || ' ' || count(*) from rt_windows group by epoch`); !slices.Equal(got, left[1:]) {
		t.Errorf("after the second time %v, want %v", got, left[1:])
	}
}

// TestSystemTells holds what the harness is told.
func TestSystemTells(t *testing.T) {
	w := newWorld(t)
	w.streams(t, 7, 5)
	progress, err := w.system.Progress(t.Context())
	if err != nil || progress.Cut != nil || len(progress.Positions) != 6 {
		t.Errorf("before the first generation: %+v, %v", progress, err)
	}
	w.exec(t, `update offsets set late = 1, duplicates = 2 where component = 'speed' and partition = 2`)
	w.exec(t, `update offsets set dead_letters = 3 where component = 'ingest' and partition = 2`)
	m := w.generate(t)
	if m.Generation != 1 || m.PublishedAt.Before(m.StartedAt) || time.Since(m.StartedAt) > time.Minute || m.PublishS <= 0 || m.ReadS <= 0 {
		t.Errorf("generation %+v", m)
	}
	progress, err = w.system.Progress(t.Context())
	if err != nil || !slices.Equal(progress.Cut, []int64{7, 7, 7}) {
		t.Errorf("cut %v, %v", progress.Cut, err)
	}
	for _, want := range []architectures.Position{
		{Component: "speed", Partition: 2, Next: 5, Late: 1, Duplicates: 2},
		{Component: "ingest", Partition: 2, Next: 7, DeadLetters: 3},
	} {
		if !slices.Contains(progress.Positions, want) {
			t.Errorf("positions %+v do not hold %+v", progress.Positions, want)
		}
	}
}
