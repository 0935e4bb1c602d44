package infratest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

// databaseCrashes kills the database under load: what was committed is there afterwards.
func databaseCrashes(ctx context.Context, r *running) error {
	if r.Database == nil {
		return r.without("crashes of PostgreSQL")
	}
	if err := execute(r.Postgres, "CREATE TABLE conform_load (id bigint PRIMARY KEY)"); err != nil {
		return err
	}
	var count, next atomic.Int64
	writing, stop := context.WithCancel(ctx)
	var writers sync.WaitGroup
	committed := make([][]int64, 4)
	for w := range committed {
		writers.Go(func() {
			for writing.Err() == nil {
				conn, err := pgx.Connect(writing, r.Postgres)
				if err != nil { // down at present
					time.Sleep(5 * time.Millisecond)
					continue
				}
				for writing.Err() == nil {
					id := next.Add(1)
					if _, err := conn.Exec(ctx, "INSERT INTO conform_load VALUES ($1)", id); err != nil {
						break
					}
					committed[w] = append(committed[w], id)
					count.Add(1)
				}
				conn.Close(context.Background())
			}
		})
	}
	err := r.crash(ctx, []*infra.Server{r.Database}, &count)
	stop()
	writers.Wait()
	if err != nil {
		return err
	}
	r.say("%d inserts acknowledged", count.Load())
	return lostRows(ctx, r.Postgres, committed)
}

// lostRows says which of the rows that were committed are not there.
func lostRows(ctx context.Context, postgres string, committed [][]int64) error {
	conn, err := pgx.Connect(ctx, postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT id FROM conform_load")
	if err != nil {
		return err
	}
	stored, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	there := map[int64]bool{}
	for _, id := range stored {
		there[id] = true
	}
	lost := 0
	var example error
	for _, ids := range committed {
		for _, id := range ids {
			if !there[id] {
				lost++
				example = fmt.Errorf("row %d", id)
			}
		}
	}
	if lost == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("%d committed rows are lost", lost), example)
}
