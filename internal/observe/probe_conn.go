package observe

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/bank"
)

// The queries, by view. Sums are cast because a view may well add bigint to numeric.
var probeQueries = map[string]string{
	CustomerProfiles: `select transactions::bigint, amount_paise::bigint, max_balance_paise::bigint,
		average_amount::text, top_location, segment, last_event_time from customer_profiles where customer_id = $1`,
	CustomerWindows: `select transactions::bigint, amount_paise::bigint, max_balance_paise::bigint
		from customer_windows where customer_id = $1 and window_start = $2`,
}

// probeConn is one connection for probe queries, made again after it was lost.
type probeConn struct {
	postgres string
	conn     *pgx.Conn
}

// ensure connects and prepares if there is no connection.
func (c *probeConn) ensure(ctx context.Context) error {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.Connect(ctx, c.postgres)
	if err != nil {
		return err
	}
	for view, query := range probeQueries {
		if _, err := conn.Prepare(ctx, view, query); err != nil {
			_ = conn.Close(ctx) // the first error matters
			return err
		}
	}
	c.conn = conn
	return nil
}

// query fills the row's fields of an answer. A context that ends closes the connection.
func (c *probeConn) query(ctx context.Context, a *Answer) error {
	var err error
	if a.View == CustomerWindows {
		err = c.conn.QueryRow(ctx, a.View, a.Customer, a.WindowStart.Time()).Scan(&a.Transactions, &a.AmountPaise, &a.MaxBalance)
	} else {
		var last time.Time
		err = c.conn.QueryRow(ctx, a.View, a.Customer).Scan(&a.Transactions, &a.AmountPaise, &a.MaxBalance,
			&a.AverageAmount, &a.TopLocation, &a.Segment, &last)
		if err == nil {
			a.LastEventTime = bank.Micros(last.UnixMicro())
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	a.Found = err == nil
	return err
}

func (c *probeConn) close(ctx context.Context) {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx) // it may be broken already
}
