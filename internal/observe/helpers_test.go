package observe

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra/infratest"
)

// database gives a fresh database with tables made by the statements, and a connection to it.
func database(t testing.TB, statements ...string) (url string, conn *pgx.Conn) {
	t.Helper()
	url = infratest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, statement := range statements {
		mustExec(t, conn, statement)
	}
	return url, conn
}

func mustExec(t testing.TB, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// clock is a clock that only tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// parseID reads "T" and decimal digits.
func parseID(id []byte) (uint64, bool) {
	if len(id) < 2 || id[0] != 'T' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(id[1:]), 10, 64)
	return n, err == nil
}

// everyMilli is the intended time of event n in these tests.
func everyMilli(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }
