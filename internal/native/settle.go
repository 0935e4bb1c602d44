package native

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
)

// windowCounts asks for one customer's window after the other, each a look-up by key whatever the view is made of.
const windowCounts = `
select coalesce((select transactions from %s w where w.customer_id = k.customer_id and w.window_start = k.window_start), 0)::bigint
from unnest($1::text[], $2::timestamptz[]) with ordinality k (customer_id, window_start, n) order by k.n`

// settle completes Count of events whose window is older than the counts that the intake holds: what Config.Windows
// has, which is everything before this batch, and what the batch has up to the event.
func (c *committer) settle(ctx context.Context, tx pgx.Tx, b *Batch) error {
	if len(b.unsettled) == 0 {
		return nil
	}
	counts := map[window]int64{}
	var customers []string
	var starts []time.Time
	latest := noTime
	for _, i := range b.unsettled {
		w := b.Events[i].key()
		if _, known := counts[w]; !known {
			counts[w] = int64(len(customers)) // its place in the question, until the answer is there
			customers, starts = append(customers, w.customer), append(starts, w.start.Time())
			latest = max(latest, w.start)
		}
	}
	table := cmp.Or(c.config.Windows, "customer_windows")
	found, err := tx.Query(ctx, fmt.Sprintf(windowCounts, table), customers, starts)
	if err != nil {
		return err
	}
	served, err := pgx.CollectRows(found, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("look up counts in %s: %w", table, err)
	}
	for w, place := range counts {
		counts[w] = served[place]
	}
	next := 0
	for i := range b.Events {
		e := &b.Events[i]
		if e.Window > latest {
			continue
		}
		w := e.key()
		if _, asked := counts[w]; asked {
			counts[w]++
		}
		if next < len(b.unsettled) && b.unsettled[next] == i {
			next++
			if e.Count > 0 {
				continue // a second attempt finds the same counts, and the alert already folded in
			}
			if e.Count = counts[w]; b.Fold != nil {
				b.Fold.velocity(e)
			}
		}
	}
	return nil
}

// window is one customer's window.
type window struct {
	customer string
	start    bank.Micros
}

func (e *Event) key() window { return window{string(e.Customer), e.Window} }
