package native

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"

	"lkbench/internal/infra/infratest"
	"lkbench/internal/kafka"
)

// succession is a stream component and one that is to take its place, over a topic of which one partition stays empty.
type succession struct {
	t       *testing.T
	conn    *pgx.Conn
	old     Config
	next    Config
	client  *kgo.Client
	events  int // sent, without malformed ones
	letters int
	ended   chan error // of the old component's processes
	calls   int        // of Switch
	// succeeded holds the end of the successor.
	succeeded chan error
}

// again is a sink that keeps the offsets in a table of its own.
type again struct{}

func (again) Write(ctx context.Context, tx pgx.Tx, b *Batch) error {
	for i := range b.Events {
		if _, err := tx.Exec(ctx, `insert into again values ($1, $2)`, b.Events[i].Partition, b.Events[i].Offset); err != nil {
			return err
		}
	}
	return nil
}

func newSuccession(t *testing.T) *succession {
	address, conn := database(t)
	if _, err := conn.Exec(t.Context(), `create table again (partition int, "offset" bigint, primary key (partition, "offset"))`); err != nil {
		t.Fatal(err)
	}
	s := &succession{t: t, conn: conn, old: config(true), ended: make(chan error, 10)}
	e := &s.old.Environment
	e.Postgres, e.Kafka, e.Topic, e.DeadLetters = address, infratest.Kafka(t, 2, "in", "dead"), "in", "dead"
	s.next = s.old
	s.old.Sink, s.next.Sink, s.next.Component = &written{}, again{}, "reprocess"
	var err error
	if s.client, err = e.Kafka.NewClient(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// send puts n records into the first partition, every tenth of them malformed.
func (s *succession) send(n int) {
	s.t.Helper()
	for range n {
		id := fmt.Sprint("T", s.events)
		if (s.events+s.letters)%10 == 7 {
			id = ""
			s.letters++
		} else {
			s.events++
		}
		r := record(0, int64(s.events), id)
		r.Topic, r.Offset = "in", 0
		if err := s.client.ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// start runs one more process of the old component.
func (s *succession) start() { go func() { s.ended <- run(s.t.Context(), s.old, usual) }() }

// await waits until the query gives what is wanted.
func (s *succession) await(query string, want int) {
	s.t.Helper()
	for one[int](s.t, s.conn, query) != want {
		select {
		case err := <-s.succeeded:
			s.t.Fatalf("%s: not %d, and the successor has ended: %v", query, want, err)
		case <-time.After(time.Millisecond):
		}
	}
}

const nextOfStream = `select coalesce(sum(next_offset), 0) from offsets where component = 'stream'`

// finish sends the last records and holds what came out against what was sent.
func (s *succession) finish(stop context.CancelFunc) {
	s.t.Helper()
	s.await(`select count(*) from offsets where component = 'reprocess'`, 0)
	s.send(50)
	s.await(nextOfStream, s.events+s.letters)
	stop()
	if err := <-s.succeeded; err != nil {
		s.t.Fatal(err)
	}
	if n := one[int](s.t, s.conn, `select count(*) from again`); n != s.events {
		s.t.Errorf("%d events, want %d", n, s.events)
	}
	if n := one[int](s.t, s.conn, `select sum(dead_letters) from offsets`); n != s.letters {
		s.t.Errorf("%d dead letters counted, want %d", n, s.letters)
	}
	_, ends, err := kafka.Offsets(s.t.Context(), s.old.Environment.Kafka, "dead")
	if err != nil {
		s.t.Fatal(err)
	}
	if end, _ := ends.Lookup("dead", 0); end.Offset != int64(s.letters) {
		s.t.Errorf("%d dead letters produced, want each of %d once", end.Offset, s.letters)
	}
}

// replaced waits for the end of a process of the old component.
func (s *succession) replaced() {
	s.t.Helper()
	if err := <-s.ended; !errors.Is(err, ErrReplaced) {
		s.t.Errorf("a process of the old component ends with %v", err)
	}
}

// succeed runs the successor; hook is called in each call of Switch with its number: the first is a try.
func (s *succession) succeed(hook func(ctx context.Context, call int) error) context.CancelFunc {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	s.succeeded = done
	s.calls = 0
	go func() {
		done <- Succeed(ctx, s.next, Succession{Of: "stream", Switch: func(ctx context.Context, _ pgx.Tx) error {
			s.calls++
			return hook(ctx, s.calls)
		}})
	}()
	return cancel
}

func nothing(context.Context, int) error { return nil }

var locked = &pgconn.PgError{Code: lockNotAvailable}

func TestSucceed(t *testing.T) {
	s := newSuccession(t)
	s.start()
	s.send(100)
	s.await(nextOfStream, 100)
	// Readers lock what is switched: at the try, then at the switch itself. Then the process stands still with the locks that it
	// has, and the server takes them away. It comes to the switch all the same.
	stop := s.succeed(func(_ context.Context, call int) error {
		switch call {
		case 1, 3:
			return locked
		case 4:
			time.Sleep(1500 * time.Millisecond)
		}
		return nil
	})
	s.send(100)
	s.replaced()
	s.finish(stop)
	if s.calls != 5 {
		t.Errorf("%d calls of Switch, want 5: two tries, one that meets readers, one that stands still, one that succeeds", s.calls)
	}
	if n := one[int](t, s.conn, `select count(*) from written`); n >= s.events {
		t.Errorf("the old component has written all %d events", n)
	}
}

// TestSucceedFromNothing: a topic without records, and a component that never ran.
func TestSucceedFromNothing(t *testing.T) {
	s := newSuccession(t)
	stop := s.succeed(nothing)
	s.finish(stop)
}

// TestSucceedIdle: the old component has nothing left to commit and ends by looking.
func TestSucceedIdle(t *testing.T) {
	s := newSuccession(t)
	s.start()
	s.send(30)
	s.await(nextOfStream, 30)
	stop := s.succeed(nothing)
	s.await(`select count(*) from offsets where component = 'reprocess'`, 0)
	s.replaced()
	s.finish(stop)
}

// TestSucceedOvertaken: the old component is started again before the switch and goes on.
func TestSucceedOvertaken(t *testing.T) {
	s := newSuccession(t)
	s.start()
	s.send(100)
	s.await(nextOfStream, 100)
	look, err := pgx.Connect(t.Context(), s.old.Environment.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close(context.Background())
	var successor string
	overtaken := false
	stop := s.succeed(func(_ context.Context, call int) error {
		owner := one[string](t, look, `select min(owner) from offsets where component = 'stream'`)
		switch {
		case call == 2:
			successor = owner
			s.start()
			return locked // readers hold it up until the old component is back
		case call > 2 && owner != successor:
			overtaken = true
		case call > 2 && !overtaken:
			return locked
		}
		return nil
	})
	s.send(50)
	s.replaced()
	s.replaced()
	s.finish(stop)
	if !overtaken {
		t.Error("the old component has not taken its rows back")
	}
}

// TestSucceedAfterACrash: the process ends between take-over and switch. The old component, started again, goes on, and so does
// the new one.
func TestSucceedAfterACrash(t *testing.T) {
	s := newSuccession(t)
	s.start()
	s.send(100)
	s.await(nextOfStream, 100)
	crash := make(chan struct{})
	stop := s.succeed(func(ctx context.Context, call int) error {
		if call == 2 {
			close(crash)
			<-ctx.Done()
		}
		return ctx.Err()
	})
	<-crash
	stop()
	if err := <-s.succeeded; err != nil {
		t.Fatal(err)
	}
	s.replaced()
	s.start()
	s.send(100)
	s.await(nextOfStream, 200)
	if n := one[int](t, s.conn, `select count(*) from again`); n != 90 {
		t.Errorf("%d events processed again before the crash, want 90", n)
	}
	stop = s.succeed(nothing)
	s.replaced()
	s.finish(stop)
}
