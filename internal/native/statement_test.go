package native

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
)

func TestParam(t *testing.T) {
	_, conn := database(t)
	texts, times, ints, smalls := TextArray(), TimeArray(), Int8Array(), Int4Array()
	texts.Text([]byte("a"))
	texts.String("é")
	texts.Null()
	at := time.Date(1999, 1, 2, 3, 4, 5, 678000, time.UTC)
	times.Time(bank.Micros(at.UnixMicro()))
	times.Null()
	times.Time(0)
	ints.Int(-1)
	ints.Int(1 << 62)
	ints.Int(0)
	smalls.Int4(-1)
	smalls.Int4(7)
	smalls.Null()
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		n, err := Exec(t.Context(), tx, `insert into written select $6::bigint, length($5::text) from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::int[]) x (t, at, i, s)
			where (t, at, i, s) in (('a', '1999-01-02 03:04:05.000678Z', -1, -1)) or t = 'é' and at is null and i = 1::bigint << 62 and s = 7
			or t is null and at = '1970-01-01Z' and i = 0 and s is null`, texts, times, ints, smalls, Text("four"), Int8(5))
		if err == nil && n != 3 {
			err = fmt.Errorf("%d rows, want 3", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if n := one[int](t, conn, `select count(*) from written where partition = 5 and "offset" = 4`); n != 3 {
		t.Errorf("scalars: %d rows, want 3", n)
	}
	texts.Reset()
	if texts.Len() != 0 || len(texts.value()) != arrayHeader {
		t.Error("Reset leaves something")
	}
}

// TestInsert copies many rows and few rows, with keys that are there already and without.
func TestInsert(t *testing.T) {
	_, conn := database(t)
	if _, err := conn.Exec(t.Context(), `create table target (epoch bigint, id text primary key, amount bigint, n int default 1)`); err != nil {
		t.Fatal(err)
	}
	const upsert = `insert into target as t (epoch, id, amount) select $1::bigint, * from unnest($2::text[], $3::bigint[])
		on conflict (id) do update set n = t.n + 1`
	insert := func(from, to int) {
		t.Helper()
		ids, amounts := TextArray(), Int8Array()
		for i := from; i < to; i++ {
			ids.String(fmt.Sprint("id", i))
			if i%3 == 0 {
				amounts.Null()
			} else {
				amounts.Int(int64(-i))
			}
		}
		if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			return Insert(t.Context(), tx, "target (epoch, id, amount)", upsert, Int8(7), ids, amounts)
		}); err != nil {
			t.Fatal(err)
		}
	}
	const right = `epoch = 7 and amount is not distinct from case when substr(id, 3)::int % 3 <> 0 then -substr(id, 3)::int end`
	for _, step := range []struct{ from, to, rows, again int }{
		{0, 2 * worthCopying, 2 * worthCopying, 0},                                     // copied
		{2*worthCopying - 1, 4 * worthCopying, 4 * worthCopying, 1},                    // one key is there: by the statement
		{4*worthCopying - 3, 4*worthCopying + 5, 4*worthCopying + 5, 4},                // few
		{4*worthCopying + 5, 4*worthCopying + 5, 4*worthCopying + 5, 4},                // none
		{4*worthCopying + 5, 4*worthCopying + 6 + worthCopying, 5*worthCopying + 6, 4}, // copied again
	} {
		insert(step.from, step.to)
		rows, again := one[int](t, conn, `select count(*) from target where `+right), one[int](t, conn, `select sum(n - 1) from target`)
		if rows != step.rows || again != step.again {
			t.Fatalf("after %d to %d: %d right rows, %d hit again; want %d, %d", step.from, step.to, rows, again, step.rows, step.again)
		}
	}
}
